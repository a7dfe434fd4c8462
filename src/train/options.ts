/** What a trainer can be told, its defaults, and the checks. */
import type { FamilyOptions, Quirks } from '../families/family.ts'
import type { Accumulation } from './loss-weights.ts'
import { checkOptions } from '../core/check-options.ts'
import { describeValue } from '../core/describe-value.ts'
import { TEXT } from '../core/option-kinds.ts'
import { OptionFaults } from './option-faults.ts'
import { checkKinds } from './option-kinds.ts'
import type { ModelPart } from './parameter-groups.ts'
import { PREFERENCE_LOSSES, type PreferenceLoss } from './preference-loss.ts'
import { warmupSteps, type Schedule, type ScheduleKind } from './schedule.ts'

/** How frozen weights of the decoder's linear layers are stored. */
export type BaseStorage = 'f32' | 'int8' | 'q4'

const STORAGES: readonly string[] = ['f32', 'int8', 'q4'] satisfies BaseStorage[]

export type LoraOptions = {
  readonly rank: number
  /** The product of the two matrices counts alpha / rank. Default: twice the rank. */
  readonly alpha?: number
  readonly dropout?: number
  /** Over full names of linear layers in the checkpoint, of which the decoder's get adapters. Default: all of the decoder's layers. */
  readonly targets?: RegExp
  /** Folder of an adapter to start from, as PEFT saves them. */
  readonly init?: string
}

export type Objective =
  | { readonly kind: 'sft' }
  /** Rows of pictures in the words of their captions; the decoder is not run. */
  | { readonly kind: 'words' }
  | {
      readonly kind: 'dpo'
      readonly beta?: number
      /** Weight of the preference loss, and of the cross-entropy of the chosen answers beside it. */
      readonly alpha?: number
      readonly gamma?: number
      readonly labelSmoothing?: number
      readonly loss?: PreferenceLoss
      /** Folder of the frozen reference. Default: the model as it is when training starts. */
      readonly reference?: string
    }

export type TrainerQuirks = Quirks & {
  /** A micro-batch without pictures: the original runs one of zeros, which gives the projector a gradient of zeros. */
  readonly emptyBatch?: 'zeroPicture' | 'none'
}

/** Those that a model's config is read with. */
export function familyQuirks(quirks: TrainerQuirks): Quirks {
  const { emptyBatch: _, ...others } = quirks
  return others
}

export type TrainerOptions = Pick<FamilyOptions, 'layout'> & {
  /** Default: the projector, where the model has one. `imageNewline`: where the model has one. */
  readonly trainable?: readonly ModelPart[]
  readonly lora?: LoraOptions
  readonly objective?: Objective
  /** How frozen weights are stored, or the folder of the language model under an adapter, or both. */
  readonly base?: string | { readonly folder?: string; readonly storage?: BaseStorage }
  /** Arithmetic of the decoder's products. */
  readonly compute?: 'f32' | 'int8'
  readonly learningRate?: number
  readonly learningRates?: Readonly<Partial<Record<ModelPart, number>>>
  readonly weightDecay?: number
  readonly betas?: readonly [number, number]
  readonly eps?: number
  readonly schedule?: {
    readonly kind: ScheduleKind
    readonly warmupSteps?: number
    /** Part of all steps, rounded up, instead of their number. */
    readonly warmupRatio?: number
    readonly totalSteps?: number
  }
  /** Largest norm of all gradients together; null: whatever it is. */
  readonly clipNorm?: number | null
  readonly accumulation?: Accumulation
  /** Whether activations lie in memory between forward and backward, or are made again; `auto`: what fits. */
  readonly activations?: 'auto' | 'keep' | 'recompute'
  readonly seed?: number
  readonly quirks?: TrainerQuirks
  readonly adapters?: readonly string[]
  readonly projector?: string
  readonly visionTower?: string
  readonly tokenizer?: string
  /** Folder in which the features of a frozen tower are kept: a picture goes through it once. */
  readonly featureCache?: string
  /** Folder of a checkpoint to go on from, with the options that say what its weights were learnt for; see `learnt-for.ts`. */
  readonly resume?: string
  readonly threads?: number
  readonly signal?: AbortSignal
}

/** Options with every default filled in and every value checked. */
export type TrainerSettings = {
  readonly trainable: readonly ModelPart[]
  readonly lora: (Required<Omit<LoraOptions, 'init'>> & { readonly init: string | null }) | null
  readonly objective: SftSettings | WordsSettings | PreferenceSettings
  readonly storage: BaseStorage
  readonly baseFolder: string | null
  readonly compute: 'f32' | 'int8'
  readonly learningRate: number
  readonly learningRates: Readonly<Partial<Record<ModelPart, number>>>
  readonly weightDecay: number
  readonly betas: readonly [number, number]
  readonly eps: number
  readonly schedule: Schedule
  readonly clipNorm: number | null
  readonly accumulation: Accumulation
  readonly activations: 'auto' | 'keep' | 'recompute'
  readonly seed: number
  readonly quirks: TrainerQuirks
  readonly featureCache: string | null
}

export type SftSettings = { readonly kind: 'sft' }

export type WordsSettings = { readonly kind: 'words' }

export type PreferenceSettings = {
  readonly kind: 'dpo'
  readonly beta: number
  readonly alpha: number
  readonly gamma: number
  readonly labelSmoothing: number
  readonly loss: PreferenceLoss
  readonly reference: string | null
}

/** All linear layers of the decoder but the head, as the original LoRA recipe has them. */
const DECODER_LINEARS = /(?:q|k|v|o|gate|up|down)_proj$/

export const TRAINER_DEFAULTS = {
  trainable: ['projector'],
  storage: 'f32',
  compute: 'f32',
  learningRate: 1e-3,
  weightDecay: 0,
  betas: [0.9, 0.999],
  eps: 1e-8,
  clipNorm: 1,
  accumulation: 'meanOfMeans',
  activations: 'auto',
  seed: 0,
  lora: { dropout: 0, targets: DECODER_LINEARS },
  dpo: { beta: 0.1, alpha: 1, gamma: 0, labelSmoothing: 0, loss: 'sigmoid' },
} as const

const OPTION_NAMES = [
  'trainable',
  'lora',
  'objective',
  'base',
  'compute',
  'learningRate',
  'learningRates',
  'weightDecay',
  'betas',
  'eps',
  'schedule',
  'clipNorm',
  'accumulation',
  'activations',
  'seed',
  'layout',
  'quirks',
  'adapters',
  'projector',
  'visionTower',
  'tokenizer',
  'featureCache',
  'resume',
  'threads',
  'signal',
] as const satisfies readonly (keyof TrainerOptions)[]

/** Throws InputError for options that do not exist, ConfigError that lists every value that cannot be. */
export function parseOptions(options: TrainerOptions): TrainerSettings {
  const faults = new OptionFaults()
  checkKinds(options, faults)
  // Whatever reads a value takes its kind for granted.
  faults.throwIfAny()
  checkOptions('createTrainer', options, OPTION_NAMES)
  const given = parseBase(options.base)
  const settings: TrainerSettings = {
    trainable: faults.parts(options.trainable ?? TRAINER_DEFAULTS.trainable),
    lora: parseLora(options.lora, faults),
    objective: parseObjective(options.objective ?? { kind: 'sft' }, faults),
    storage: faults.oneOf(
      'base',
      given?.storage ?? TRAINER_DEFAULTS.storage,
      STORAGES,
    ) as BaseStorage,
    baseFolder: given?.folder ?? null,
    compute: faults.oneOf('compute', options.compute ?? TRAINER_DEFAULTS.compute, ['f32', 'int8']),
    learningRate: faults.number(
      'learningRate',
      options.learningRate ?? TRAINER_DEFAULTS.learningRate,
    ),
    learningRates: faults.rates(options.learningRates ?? {}),
    weightDecay: faults.number('weightDecay', options.weightDecay ?? TRAINER_DEFAULTS.weightDecay),
    betas: faults.betas(options.betas ?? TRAINER_DEFAULTS.betas),
    eps: faults.number('eps', options.eps ?? TRAINER_DEFAULTS.eps),
    schedule: parseSchedule(options.schedule ?? { kind: 'constant' }, faults),
    clipNorm: clipNorm(options.clipNorm, faults),
    accumulation: faults.oneOf(
      'accumulation',
      options.accumulation ?? TRAINER_DEFAULTS.accumulation,
      ['meanOfMeans', 'tokens'],
    ),
    activations: faults.oneOf('activations', options.activations ?? TRAINER_DEFAULTS.activations, [
      'auto',
      'keep',
      'recompute',
    ]),
    seed: faults.integer('seed', options.seed ?? TRAINER_DEFAULTS.seed, 0),
    quirks: faults.quirks(options.quirks ?? {}),
    featureCache: options.featureCache ?? null,
  }
  addConflicts(settings, faults)
  faults.throwIfAny()
  return settings
}

function parseBase(base: TrainerOptions['base']) {
  if (typeof base === 'string') return isStorage(base) ? { storage: base } : { folder: base }
  if (base) checkOptions('createTrainer: base', base, ['folder', 'storage'])
  return base
}

/** Options of which one makes another impossible, or useless. */
function addConflicts(settings: TrainerSettings, faults: OptionFaults): void {
  const { objective, storage } = settings
  if (settings.compute === 'int8' && storage === 'q4') {
    faults.add(
      "compute 'int8' multiplies weights of int8, base is 'q4'; choose base 'int8' or compute 'f32'",
    )
  }
  const hasOwnReference = objective.kind === 'dpo' && objective.reference !== null
  if (storage !== 'f32' && settings.trainable.includes('decoder') && !hasOwnReference) {
    faults.add(
      `base '${storage}' is how frozen layers of the decoder are stored, and trainable names the decoder; leave out one`,
    )
  }
  if (settings.featureCache !== null && settings.trainable.includes('vision')) {
    faults.add(
      'featureCache keeps what a frozen tower gives, and trainable names vision; leave out one',
    )
  }
  if (settings.lora && settings.trainable.includes('decoder')) {
    faults.add(
      'lora adapts a decoder that is frozen, and trainable names the decoder too; choose one',
    )
  }
  if (settings.lora && settings.trainable.includes('imageNewline')) {
    faults.add('an adapter file has no place for imageNewline; leave it out of trainable')
  }
  if (settings.objective.kind === 'words' && settings.trainable.includes('decoder')) {
    faults.add('objective words does not run the decoder; leave out trainable decoder')
  }
  if (settings.objective.kind === 'words' && settings.lora?.init === null) {
    faults.add(
      'objective words does not run the decoder: it learns no adapters, and keeps those of lora.init; name that or leave out lora',
    )
  }
}

function isStorage(text: string): text is BaseStorage {
  return STORAGES.includes(text)
}

function parseLora(
  options: LoraOptions | undefined,
  faults: OptionFaults,
): TrainerSettings['lora'] {
  if (!options) return null
  checkOptions('createTrainer: lora', options, ['rank', 'alpha', 'dropout', 'targets', 'init'])
  const rank = faults.integer('lora.rank', options.rank, 1)
  const { dropout, targets } = { ...TRAINER_DEFAULTS.lora, ...withoutUndefined(options) }
  if (!(targets instanceof RegExp)) {
    faults.add(`lora.targets should be a regular expression, ${describeValue(targets)} came`)
  }
  if (!(dropout >= 0 && dropout < 1))
    faults.add(`lora.dropout should be from 0 to below 1, ${dropout} came`)
  const alpha = faults.number('lora.alpha', options.alpha ?? 2 * rank)
  return { rank, alpha, dropout, targets, init: options.init ?? null }
}

function parseObjective(options: Objective, faults: OptionFaults): TrainerSettings['objective'] {
  if (options.kind === 'sft' || options.kind === 'words') {
    checkOptions('createTrainer: objective', options, ['kind'])
    return { kind: options.kind }
  }
  faults.oneOf('objective.kind', options.kind, ['sft', 'dpo', 'words'])
  const known = ['kind', 'beta', 'alpha', 'gamma', 'labelSmoothing', 'loss', 'reference']
  checkOptions('createTrainer: objective', options, known)
  const chosen = { ...TRAINER_DEFAULTS.dpo, ...withoutUndefined(options) }
  faults.oneOf('objective.loss', chosen.loss, PREFERENCE_LOSSES)
  if (!(Number.isFinite(chosen.beta) && chosen.beta > 0)) {
    faults.add(`objective.beta should be a number above 0, ${describeValue(chosen.beta)} came`)
  }
  if (options.reference !== undefined && !TEXT.is(options.reference)) {
    faults.add(
      `objective.reference should be ${TEXT.expected}, ${describeValue(options.reference)} came`,
    )
  }
  if (!(chosen.labelSmoothing >= 0 && chosen.labelSmoothing < 0.5)) {
    faults.add(
      `objective.labelSmoothing should be from 0 to below 0.5, ${chosen.labelSmoothing} came`,
    )
  }
  if (chosen.labelSmoothing > 0 && !SMOOTHED.includes(chosen.loss)) {
    faults.add(
      `objective.labelSmoothing counts for ${SMOOTHED.join(' and ')} alone, objective.loss is ${chosen.loss}; leave it out`,
    )
  }
  const alpha = faults.number('objective.alpha', chosen.alpha)
  const gamma = faults.number('objective.gamma', chosen.gamma)
  return { ...chosen, alpha, gamma, reference: options.reference ?? null }
}

/** Losses that take some of the labels for wrong. */
const SMOOTHED: readonly PreferenceLoss[] = ['sigmoid', 'robust']

function parseSchedule(
  options: NonNullable<TrainerOptions['schedule']>,
  faults: OptionFaults,
): Schedule {
  const known = ['kind', 'warmupSteps', 'warmupRatio', 'totalSteps']
  checkOptions('createTrainer: schedule', options, known)
  const kind = faults.oneOf('schedule.kind', options.kind, ['cosine', 'linear', 'constant'])
  const { totalSteps = 0, warmupRatio } = options
  if (totalSteps === 0 && (kind !== 'constant' || warmupRatio !== undefined)) {
    faults.add(`schedule.totalSteps should say how many steps the run has, it is missing`)
  }
  if (warmupRatio !== undefined && options.warmupSteps !== undefined) {
    faults.add('schedule has warmupSteps and warmupRatio; give one of them')
  }
  if (warmupRatio !== undefined && !(warmupRatio >= 0 && warmupRatio <= 1)) {
    faults.add(`schedule.warmupRatio should be from 0 to 1, ${warmupRatio} came`)
  }
  const warmup = options.warmupSteps ?? warmupSteps(totalSteps, warmupRatio ?? 0)
  return {
    kind,
    warmupSteps: faults.integer('schedule.warmupSteps', warmup, 0),
    totalSteps: faults.integer('schedule.totalSteps', totalSteps, 0),
  }
}

function clipNorm(value: number | null | undefined, faults: OptionFaults): number | null {
  if (value === undefined) return TRAINER_DEFAULTS.clipNorm
  if (value === null || value === Infinity) return null
  if (!(value > 0)) faults.add(`clipNorm should be above 0 or null, ${value} came`)
  return value
}

function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}
