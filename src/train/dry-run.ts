/** A recipe looked at without training: what would be trained, how much memory and time it takes, here and where it was published. */
import { CheckpointError, ConfigError, InputError } from '../core/errors.ts'
import type { RecordFacts } from '../data/check-record.ts'
import type { Dataset } from '../data/dataset.ts'
import type { Survey } from '../data/survey.ts'
import type { ModelConfig } from '../families/family.ts'
import { parseModelConfig } from '../families/index.ts'
import { knownCheckpoint } from '../families/known-checkpoints.ts'
import { runMemory, runOperations, type RunMemory, type RunSize } from './estimate.ts'
import { idleRateNotices } from './idle-rates.ts'
import { unadaptedNotices } from './unadapted-layers.ts'
import { familyQuirks } from './options.ts'
import { withStageParts } from './own-parts.ts'
import { checkRecipe, checkReference } from './recipe/check-recipe.ts'
import type { ParameterGroup } from './recipe/parameter-table.ts'
import { parseRecipe } from './recipe/parse-recipe.ts'
import { readRecipeFile } from './recipe/read-recipe-node.ts'
import type { Recipe, RecipePublished } from './recipe/recipe.ts'
import { openPreparer, type OpenedPreparer } from './open-preparer.ts'
import { openSurveyed, type DataTools } from './run-data.ts'

export type DryRunOptions = {
  /** What products reach on this machine, by the arithmetic; measured by whoever asks. */
  readonly operationsPerSecond: Readonly<Record<'f32' | 'int8', number>>
  readonly signal?: AbortSignal
}

export type DryRun = {
  readonly recipe: Recipe
  /** The published checkpoint that was counted, since the recipe's model is not there; null: its own model was. */
  readonly countedAs: string | null
  readonly groups: readonly ParameterGroup[]
  /** What its user should know of the recipe's rates, a sentence each. */
  readonly notices: readonly string[]
  /** null: neither are the data there, nor does the recipe say how many there are. */
  readonly size: RunSize | null
  /** `data`: the first records were looked at; `published`: what the recipe says of its authors' run. */
  readonly sizeFrom: 'data' | 'published' | null
  readonly memory: RunMemory | null
  /** Operations of the run, and how long this machine would take at the rate of its products. */
  readonly operations: number | null
  readonly operationsPerSecond: number
  readonly seconds: number | null
  /** What its authors used, or what it would take of theirs. */
  readonly gpu: GpuCost | null
}

export type GpuCost = {
  readonly gpu: string
  readonly hours: number
  readonly from: 'published' | 'estimated'
}

/** Records that are looked at for their lengths. */
const LOOKED_AT = 200

/** An A100's bfloat16 peak, and the part of it that training is taken to reach. */
const A100_OPERATIONS = 312e12
const A100_SHARE = 0.4

/**
 * Throws as `train` does for a recipe or checkpoint that cannot be used, but for a model that is not there: what the recipe
 * says is published is counted then. Nothing is written.
 */
export async function dryRun(recipe: unknown, options: DryRunOptions): Promise<DryRun> {
  const given = parseRecipe(typeof recipe === 'string' ? await readRecipeFile(recipe) : recipe)
  const { preparer, config, files, countedAs, dispose } = await openModel(given)
  try {
    const parsed = withStageParts(given, config)
    const { settings, groups } = checkRecipe(parsed, { config, files })
    const tools = preparer && { recipe: parsed, preparer, signal: options.signal, ...SILENT }
    const looked = tools && (await measuredSize(tools))
    if (looked) await checkHeldOut(tools)
    const measured = looked ?? publishedSize(parsed)
    const operationsPerSecond = options.operationsPerSecond[parsed.compute]
    const operations = measured && runOperations(config, groups, { settings, size: measured.size })
    return {
      recipe: parsed,
      countedAs,
      groups,
      notices: [...idleRateNotices(settings, config), ...unadaptedNotices(settings, config)],
      ...(measured ?? { size: null, sizeFrom: null }),
      memory: measured && runMemory(config, groups, { settings, size: measured.size }),
      operations,
      operationsPerSecond,
      seconds: operations === null ? null : operations / operationsPerSecond,
      gpu: gpuCost(parsed.published, operations),
    }
  } finally {
    await dispose()
  }
}

type OpenedModel = Pick<OpenedPreparer, 'config' | 'files' | 'dispose'> & {
  /** null: there is no tokenizer, so records cannot be looked at. */
  readonly preparer: OpenedPreparer['preparer'] | null
  readonly countedAs: string | null
}

const MISSING = ['CHECKPOINT_NOT_FOUND', 'CHECKPOINT_NOT_CACHED', 'CHECKPOINT_PART_MISSING']

/** The recipe's model, or where it is not on this machine the published one that is like it; nothing is fetched for that. */
async function openModel(recipe: Recipe): Promise<OpenedModel> {
  const checkpoint = recipe.published?.checkpoint
  if (checkpoint === undefined) return openOwn(recipe)
  try {
    return await openOwn(recipe, { offline: true })
  } catch (error) {
    if (!(error instanceof CheckpointError) || !MISSING.includes(error.code)) throw error
    const config = publishedConfig(checkpoint, recipe)
    const dispose = () => Promise.resolve()
    return { preparer: null, config, files: [], countedAs: checkpoint, dispose }
  }
}

async function openOwn(recipe: Recipe, hub?: { readonly offline: boolean }): Promise<OpenedModel> {
  await checkReference(recipe, hub)
  return { ...(await openPreparer(recipe, hub)), countedAs: null }
}

function publishedConfig(checkpoint: string, { model }: Recipe): ModelConfig {
  const known = knownCheckpoint(checkpoint)
  if (!known) {
    throw new ConfigError(
      'CONFIG_RECIPE',
      `recipe: published.checkpoint should be the hub id of a published checkpoint, ${checkpoint} is none that is known; llava inspect ID --plan knows the same ones.`,
    )
  }
  const quirks = familyQuirks(model.quirks)
  return parseModelConfig(known.documents, { quirks, use: 'training' })
}

/** Nothing is told and nothing remembered. */
const SILENT: Pick<DataTools, 'onEvent' | 'memory' | 'isResumed'> = {
  onEvent: () => {},
  memory: {
    remembered: () => Promise.resolve(null),
    remember: () => Promise.resolve(),
    stopped: () => Promise.resolve(),
  },
  isResumed: false,
}

type Sized = { readonly size: RunSize; readonly sizeFrom: 'data' | 'published' }

/** By the first records; null where the data are not there and the recipe says how large they are. */
async function measuredSize(tools: DataTools): Promise<Sized | null> {
  const { recipe } = tools
  try {
    const { dataset: opened, survey } = await openSurveyed(recipe.data, tools, LOOKED_AT)
    await using dataset = opened
    const facts = survey.facts.filter((one) => one !== null)
    const records = Math.round(dataset.length * (facts.length / survey.facts.length))
    const mean = (of: (facts: RecordFacts) => number) =>
      facts.reduce((sum, one) => sum + of(one), 0) / facts.length
    const tokens = mean(({ tokens }) => tokens?.total ?? 0)
    const learnt = mean(({ tokens }) => tokens?.learnt ?? 0)
    const tiles = (await countAllTiles(survey, dataset, tools)) / facts.length
    const longest = Math.max(...facts.map(({ tokens }) => tokens?.longest ?? 0))
    return { size: sizeOf(recipe, { records, tokens, learnt, tiles }, longest), sizeFrom: 'data' }
  } catch (error) {
    const isMissing = error instanceof InputError && error.code === 'INPUT_DATA_MISSING'
    if (isMissing && recipe.published?.records !== undefined) return null
    throw error
  }
}

async function countAllTiles(
  { facts }: Survey,
  dataset: Dataset,
  { preparer }: DataTools,
): Promise<number> {
  let tiles = 0
  for (const [index, one] of facts.entries()) {
    if (one) tiles += await preparer.tiles(await dataset.readEither(index), one.sizes)
  }
  return tiles
}

/** Those that a run would hold out are there and can be used, as far as the first of them tell. */
async function checkHeldOut(tools: DataTools): Promise<void> {
  const { evaluation } = tools.recipe
  if (!evaluation) return
  const { data, records = Infinity } = evaluation
  const { dataset } = await openSurveyed(data, tools, Math.min(records, LOOKED_AT))
  await dataset.close()
}

/** A tenth of the tokens is learnt where nobody says: most are pictures and questions. */
const LEARNT_SHARE = 0.1

function publishedSize(recipe: Recipe): Sized | null {
  const { records, tokensPerRecord: tokens, tilesPerRecord: tiles = 1 } = recipe.published ?? {}
  if (records === undefined || tokens === undefined) return null
  const learnt = LEARNT_SHARE * tokens
  return { size: sizeOf(recipe, { records, tokens, learnt, tiles }, tokens), sizeFrom: 'published' }
}

/** `longest`: positions of the longest record, which a packed row holds unless the recipe says how many. */
function sizeOf(
  { batching, batchSize, accumulation, length, maxLength }: Recipe,
  means: Pick<RunSize, 'records' | 'tokens' | 'learnt' | 'tiles'>,
  longest: number,
): RunSize {
  const batch = batchSize * accumulation
  const perEpoch = Math.ceil(means.records / batch)
  const steps = 'steps' in length ? length.steps : length.epochs * perEpoch
  const rowRecords = Math.min(batch, (maxLength ?? longest) / means.tokens)
  const microBatch = batching === 'packed' ? rowRecords : batchSize
  return { ...means, steps, batch, microBatch }
}

function gpuCost(published: RecipePublished | null, operations: number | null): GpuCost | null {
  const { gpu = 'A100', gpus, hours } = published ?? {}
  if (gpus !== undefined && hours !== undefined) {
    return { gpu, hours: gpus * hours, from: 'published' }
  }
  if (operations === null) return null
  return {
    gpu: 'A100',
    hours: operations / (A100_OPERATIONS * A100_SHARE) / 3600,
    from: 'estimated',
  }
}
