/** A recipe's YAML, already parsed, to a `Recipe`. */
import { BATCHINGS, type Batching } from '../../data/plan-epoch.ts'
import { QUARANTINE_THRESHOLD } from '../../data/quarantine.ts'
import type { MixtureEntry } from '../../data/dataset-spec.ts'
import { MODEL_PARTS, type ModelPart } from '../parameter-groups.ts'
import { PREFERENCE_LOSSES } from '../preference-loss.ts'
import { trainerQuirkFaults } from '../option-faults.ts'
import type { TrainerQuirks } from '../options.ts'
import type {
  Recipe,
  RecipeAnswers,
  RecipeData,
  RecipeEvaluation,
  RecipeLora,
  RecipeModel,
  RecipePreference,
  RecipePublished,
  TrainingStage,
} from './recipe.ts'
import { longData, longModel } from './long-forms.ts'
import { isRecipeObject, RecipeFaults, RecipeReader } from './recipe-reader.ts'

const KEYS = [
  'name',
  'model',
  'stage',
  'trainable',
  'lora',
  'preference',
  'base',
  'compute',
  'activations',
  'threads',
  'featureCache',
  'learningRate',
  'learningRates',
  'weightDecay',
  'betas',
  'eps',
  'clipNorm',
  'schedule',
  'epochs',
  'steps',
  'batchSize',
  'accumulation',
  'normalisation',
  'batching',
  'maxLength',
  'frames',
  'fps',
  'forceSample',
  'conversation',
  'data',
  'quarantine',
  'seed',
  'checkpoint',
  'evaluation',
  'answers',
  'published',
  'output',
] as const

const STAGES: readonly TrainingStage[] = ['words', 'alignment', 'instruction', 'dpo']

/** What each stage trains and how its conversations are written, unless the recipe says otherwise. */
const STAGE_DEFAULTS: Readonly<
  Record<
    TrainingStage,
    { trainable: readonly ModelPart[]; conversation: string; learningRate: number }
  >
> = {
  words: { trainable: ['projector'], conversation: 'plain', learningRate: 1e-3 },
  alignment: { trainable: ['projector'], conversation: 'plain', learningRate: 1e-3 },
  instruction: {
    trainable: ['projector', 'decoder'],
    conversation: 'template',
    learningRate: 2e-5,
  },
  dpo: { trainable: ['decoder'], conversation: 'template', learningRate: 5e-7 },
}

const CHECKPOINT_MINUTES = 15
const CHECKPOINTS_KEPT = 2
const EVALUATE_EVERY = 200
const ANSWERS = { count: 4, maxTokens: 32 }

/** Throws one ConfigError with everything that is wrong; an unknown key is named with the nearest known one. */
export function parseRecipe(value: unknown): Recipe {
  const faults = new RecipeFaults()
  const read = new RecipeReader(value, { path: '', keys: KEYS, faults })
  const stage = read.choice('stage', STAGES) ?? missingStage(read)
  const { trainable, conversation, learningRate } = STAGE_DEFAULTS[stage]
  const lora = parseLora(read)
  const named = parts(read)
  const evaluation = parseEvaluation(read, faults)
  const recipe: Recipe = {
    name: read.text('name') ?? '',
    model: parseModel(read, faults),
    stage,
    trainable: named ?? (lora ? trainable.filter((part) => part !== 'decoder') : trainable),
    trainableFrom: named ? 'recipe' : 'stage',
    lora,
    preference: parsePreference(read, stage),
    base: read.choice('base', ['f32', 'int8', 'q4']) ?? 'f32',
    compute: read.choice('compute', ['f32', 'int8']) ?? 'f32',
    activations: read.choice('activations', ['auto', 'keep', 'recompute']) ?? 'auto',
    threads: read.integer('threads'),
    featureCache: read.text('featureCache'),
    learningRate: read.number('learningRate') ?? learningRate,
    learningRates: parseRates(read),
    weightDecay: read.number('weightDecay') ?? 0,
    betas: parseBetas(read),
    eps: read.number('eps') ?? 1e-8,
    clipNorm: parseClipNorm(read),
    schedule: parseSchedule(read),
    length: parseLength(read),
    batchSize: read.integer('batchSize') ?? 1,
    accumulation: read.integer('accumulation') ?? 1,
    normalisation: parseNormalisation(read),
    batching: parseBatching(read, stage),
    maxLength: read.integer('maxLength'),
    frames: read.integer('frames'),
    fps: read.number('fps'),
    forceSample: read.boolean('forceSample'),
    conversation: read.text('conversation') ?? conversation,
    data: parseData(read, 'data', faults),
    quarantine: parseQuarantine(read),
    seed: read.integer('seed', { least: 0 }) ?? 0,
    checkpoint: parseCheckpoint(read),
    evaluation,
    answers: parseAnswers(read, evaluation),
    published: parsePublished(read),
    output: read.requiredText('output'),
  }
  faults.throwIfAny()
  return recipe
}

function missingStage(read: RecipeReader): TrainingStage {
  if (!read.has('stage')) read.fault('stage', `should be one of ${STAGES.join(', ')}`)
  return 'instruction'
}

const MODEL_KEYS = [
  'from',
  'base',
  'adapters',
  'projector',
  'visionTower',
  'tokenizer',
  'layout',
  'quirks',
]

/** A folder or hub id alone, or with where its parts lie. */
function parseModel(read: RecipeReader, faults: RecipeFaults): RecipeModel {
  const written = longModel(read.raw('model') ?? {})
  const model = new RecipeReader(written, { path: 'model', keys: MODEL_KEYS, faults })
  const quirks = model.raw('quirks') ?? {}
  const quirkFaults = isRecipeObject(quirks)
    ? trainerQuirkFaults(quirks)
    : [`should be a mapping of habits, ${JSON.stringify(quirks)} came`]
  for (const fault of quirkFaults) model.fault('quirks', fault)
  return {
    from: model.requiredText('from'),
    base: model.text('base'),
    adapters: model.texts('adapters') ?? [],
    projector: model.text('projector'),
    visionTower: model.text('visionTower'),
    tokenizer: model.text('tokenizer'),
    layout: model.choice('layout', ['original', 'hf']),
    quirks: quirks as TrainerQuirks,
  }
}

function parts(read: RecipeReader): readonly ModelPart[] | undefined {
  const names = read.texts('trainable')
  for (const name of names ?? []) {
    if (!MODEL_PARTS.includes(name as ModelPart))
      read.fault('trainable', `should be of ${MODEL_PARTS.join(', ')}, ${name} came`)
  }
  return names as readonly ModelPart[] | undefined
}

function parseLora(read: RecipeReader): RecipeLora | null {
  const lora = read.object('lora', ['rank', 'alpha', 'dropout', 'targets', 'init'])
  if (!lora) return null
  if (!lora.has('rank')) lora.fault('rank', 'should be a whole number of at least 1, it is missing')
  const targets = lora.text('targets')
  if (targets !== undefined && !isPattern(targets)) {
    lora.fault('targets', `should be a regular expression, ${targets} came`)
  }
  return {
    rank: lora.integer('rank') ?? 1,
    alpha: lora.number('alpha'),
    dropout: lora.number('dropout', { most: 1 }),
    targets,
    init: lora.text('init'),
  }
}

function isPattern(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp
  } catch {
    return false
  }
}

const PREFERENCE_KEYS = ['beta', 'alpha', 'gamma', 'labelSmoothing', 'loss', 'reference']

function parsePreference(read: RecipeReader, stage: TrainingStage): RecipePreference | null {
  const preference = read.object('preference', PREFERENCE_KEYS)
  if (preference && stage !== 'dpo') read.fault('preference', 'belongs to stage dpo alone')
  if (stage !== 'dpo') return null
  return {
    beta: preference?.number('beta'),
    alpha: preference?.number('alpha'),
    gamma: preference?.number('gamma'),
    labelSmoothing: preference?.number('labelSmoothing'),
    loss: preference?.choice('loss', PREFERENCE_LOSSES),
    reference: preference?.text('reference'),
  }
}

function parseRates(read: RecipeReader): Readonly<Partial<Record<ModelPart, number>>> {
  const rates = read.object('learningRates', MODEL_PARTS)
  const entries = MODEL_PARTS.map((part) => [part, rates?.number(part)] as const)
  return Object.fromEntries(entries.filter(([, rate]) => rate !== undefined))
}

function parseBetas(read: RecipeReader): readonly [number, number] {
  const value = read.raw('betas') ?? [0.9, 0.999]
  const isPair = Array.isArray(value) && value.length === 2 && value.every(Number.isFinite)
  if (!isPair) read.expected('betas', 'a list of two numbers from 0 to below 1')
  return value as [number, number]
}

function parseClipNorm(read: RecipeReader): number | null {
  if (read.isNull('clipNorm') || read.raw('clipNorm') === 'none') return null
  return read.number('clipNorm') ?? 1
}

function parseSchedule(read: RecipeReader): Recipe['schedule'] {
  const schedule = read.object('schedule', ['kind', 'warmupSteps', 'warmupRatio'])
  if (schedule?.has('warmupSteps') && schedule.has('warmupRatio')) {
    schedule.fault('warmupSteps', 'and schedule.warmupRatio say the same thing; give one of them')
  }
  return {
    kind: schedule?.choice('kind', ['cosine', 'linear', 'constant']) ?? 'cosine',
    warmupSteps: schedule?.integer('warmupSteps', { least: 0 }),
    warmupRatio: schedule?.number('warmupRatio', { most: 1 }),
  }
}

function parseLength(read: RecipeReader): Recipe['length'] {
  if (read.has('epochs') && read.has('steps')) {
    read.fault('epochs', 'and steps both say how long the run is; give one of them')
  }
  const steps = read.integer('steps')
  return steps === undefined ? { epochs: read.integer('epochs') ?? 1 } : { steps }
}

function parseBatching(read: RecipeReader, stage: TrainingStage): Batching {
  const batching = read.choice('batching', BATCHINGS) ?? 'grouped'
  if (batching === 'packed' && stage === 'dpo') {
    read.fault('batching', 'packed puts samples into rows, and dpo has pairs of them; take mixed')
  }
  return batching
}

/** Rows of packed samples differ in how much they hold, so their tokens count and not their means. */
function parseNormalisation(read: RecipeReader): Recipe['normalisation'] {
  const usual = read.raw('batching') === 'packed' ? 'tokens' : 'meanOfMeans'
  return read.choice('normalisation', ['meanOfMeans', 'tokens']) ?? usual
}

const DATA_KEYS = ['path', 'datasets', 'imageFolder', 'videoFolder']

/** A path, a list of sources, or either with the folders of pictures and clips. What sources may say is checked as they are opened. */
function parseData(read: RecipeReader, key: string, faults: RecipeFaults): RecipeData {
  const written = longData(read.raw(key))
  const path = read.path === '' ? key : `${read.path}.${key}`
  const data = new RecipeReader(written, { path, keys: DATA_KEYS, faults })
  const datasets = data.raw('datasets')
  if (data.has('path') === data.has('datasets')) {
    data.fault('path', 'or datasets should name the records; give one of them')
  }
  return {
    spec: data.text('path') ?? { datasets: datasets as readonly MixtureEntry[] },
    imageFolder: data.text('imageFolder'),
    videoFolder: data.text('videoFolder'),
  }
}

function parseQuarantine(read: RecipeReader): Recipe['quarantine'] {
  const quarantine = read.object('quarantine', ['threshold', 'pictures'])
  return {
    threshold: quarantine?.number('threshold', { most: 1 }) ?? QUARANTINE_THRESHOLD,
    pictures: quarantine?.choice('pictures', ['decode', 'header']) ?? 'decode',
  }
}

function parseCheckpoint(read: RecipeReader): Recipe['checkpoint'] {
  const checkpoint = read.object('checkpoint', ['everyMinutes', 'everySteps', 'keep'])
  const everySteps = checkpoint?.integer('everySteps')
  const everyMinutes = checkpoint?.number('everyMinutes')
  return {
    everySteps,
    everyMinutes: everySteps === undefined ? (everyMinutes ?? CHECKPOINT_MINUTES) : everyMinutes,
    keep: checkpoint?.integer('keep') ?? CHECKPOINTS_KEPT,
  }
}

function parseEvaluation(read: RecipeReader, faults: RecipeFaults): RecipeEvaluation | null {
  const evaluation = read.object('evaluation', ['data', 'everySteps', 'records'])
  if (!evaluation) return null
  return {
    data: parseData(evaluation, 'data', faults),
    everySteps: evaluation.integer('everySteps') ?? EVALUATE_EVERY,
    records: evaluation.integer('records'),
  }
}

function parseAnswers(
  read: RecipeReader,
  evaluation: RecipeEvaluation | null,
): RecipeAnswers | null {
  const answers = read.object('answers', ['everySteps', 'count', 'maxTokens'])
  if (!answers) return null
  if (!evaluation) read.fault('answers', 'are given on held-out records; name them in evaluation')
  return {
    everySteps: answers.integer('everySteps') ?? evaluation?.everySteps ?? EVALUATE_EVERY,
    count: answers.integer('count') ?? ANSWERS.count,
    maxTokens: answers.integer('maxTokens') ?? ANSWERS.maxTokens,
  }
}

const PUBLISHED_KEYS = [
  'checkpoint',
  'records',
  'tokensPerRecord',
  'tilesPerRecord',
  'gpus',
  'gpu',
  'hours',
]

function parsePublished(read: RecipeReader): RecipePublished | null {
  const published = read.object('published', PUBLISHED_KEYS)
  if (!published) return null
  return {
    checkpoint: published.text('checkpoint'),
    records: published.integer('records'),
    tokensPerRecord: published.number('tokensPerRecord'),
    tilesPerRecord: published.number('tilesPerRecord'),
    gpus: published.integer('gpus'),
    gpu: published.text('gpu'),
    hours: published.number('hours'),
  }
}
