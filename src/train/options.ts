/** What a trainer can be told, its defaults, and the checks. */
import { ConfigError, InputError } from '../core/errors.ts'
import type { FamilyOptions, Quirks } from '../families/family.ts'
import type { Accumulation } from './loss-weights.ts'
import { MODEL_PARTS, type ModelPart } from './parameter-groups.ts'
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
  /** Over full names of linear layers in the checkpoint. Default: all of the decoder's layers. */
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
  /** `imageNewline`: where the model has one. */
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
  /** Folder of a checkpoint to go on from. */
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
  refuseUnknown('createTrainer', options, OPTION_NAMES)
  const faults = new Faults()
  const { base, quirks = {} } = options
  const given =
    typeof base === 'string' ? (isStorage(base) ? { storage: base } : { folder: base }) : base
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
    quirks,
    featureCache: options.featureCache ?? null,
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
  faults.throwIfAny()
  return settings
}

function isStorage(text: string): text is BaseStorage {
  return STORAGES.includes(text)
}

function parseLora(options: LoraOptions | undefined, faults: Faults): TrainerSettings['lora'] {
  if (!options) return null
  refuseUnknown('createTrainer: lora', options, ['rank', 'alpha', 'dropout', 'targets', 'init'])
  const rank = faults.integer('lora.rank', options.rank, 1)
  const { dropout, targets } = { ...TRAINER_DEFAULTS.lora, ...withoutUndefined(options) }
  if (!(targets instanceof RegExp)) faults.add('lora.targets should be a regular expression')
  if (!(dropout >= 0 && dropout < 1))
    faults.add(`lora.dropout should be from 0 to below 1, ${dropout} came`)
  const alpha = faults.number('lora.alpha', options.alpha ?? 2 * rank)
  return { rank, alpha, dropout, targets, init: options.init ?? null }
}

function parseObjective(options: Objective, faults: Faults): TrainerSettings['objective'] {
  if (options.kind === 'sft' || options.kind === 'words') {
    refuseUnknown('createTrainer: objective', options, ['kind'])
    return { kind: options.kind }
  }
  faults.oneOf('objective.kind', options.kind, ['sft', 'dpo', 'words'])
  const known = ['kind', 'beta', 'alpha', 'gamma', 'labelSmoothing', 'loss', 'reference']
  refuseUnknown('createTrainer: objective', options, known)
  const chosen = { ...TRAINER_DEFAULTS.dpo, ...withoutUndefined(options) }
  faults.oneOf('objective.loss', chosen.loss, PREFERENCE_LOSSES)
  if (!(chosen.beta > 0)) faults.add(`objective.beta should be above 0, ${chosen.beta} came`)
  if (!(chosen.labelSmoothing >= 0 && chosen.labelSmoothing < 0.5)) {
    faults.add(
      `objective.labelSmoothing should be from 0 to below 0.5, ${chosen.labelSmoothing} came`,
    )
  }
  const alpha = faults.number('objective.alpha', chosen.alpha)
  const gamma = faults.number('objective.gamma', chosen.gamma)
  return { ...chosen, alpha, gamma, reference: options.reference ?? null }
}

function parseSchedule(options: NonNullable<TrainerOptions['schedule']>, faults: Faults): Schedule {
  const known = ['kind', 'warmupSteps', 'warmupRatio', 'totalSteps']
  refuseUnknown('createTrainer: schedule', options, known)
  const kind = faults.oneOf('schedule.kind', options.kind, ['cosine', 'linear', 'constant'])
  const { totalSteps = 0, warmupRatio } = options
  if (totalSteps === 0 && (kind !== 'constant' || warmupRatio !== undefined)) {
    faults.add(`schedule.totalSteps should say how many steps the run has, it is missing`)
  }
  if (warmupRatio !== undefined && options.warmupSteps !== undefined) {
    faults.add('schedule has warmupSteps and warmupRatio; give one of them')
  }
  const warmup = options.warmupSteps ?? warmupSteps(totalSteps, warmupRatio ?? 0)
  return {
    kind,
    warmupSteps: faults.integer('schedule.warmupSteps', warmup, 0),
    totalSteps: faults.integer('schedule.totalSteps', totalSteps, 0),
  }
}

function clipNorm(value: number | null | undefined, faults: Faults): number | null {
  if (value === undefined) return TRAINER_DEFAULTS.clipNorm
  if (value === null || value === Infinity) return null
  if (!(value > 0)) faults.add(`clipNorm should be above 0 or null, ${value} came`)
  return value
}

function refuseUnknown(where: string, options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).filter((name) => !known.includes(name))
  if (unknown.length === 0) return
  throw new InputError(
    'INPUT_UNKNOWN_OPTION',
    `${where}: unknown option ${unknown.join(', ')}; known are ${known.join(', ')}.`,
  )
}

function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}

/** Collects what is wrong, to say all of it at once. */
class Faults {
  readonly #faults: string[] = []

  add(fault: string): void {
    this.#faults.push(fault)
  }

  throwIfAny(): void {
    if (this.#faults.length === 0) return
    throw new ConfigError('CONFIG_TRAINER', `createTrainer: ${this.#faults.join('; ')}.`)
  }

  /** A finite number of at least 0. */
  number(name: string, value: number): number {
    if (!(Number.isFinite(value) && value >= 0)) {
      this.add(`${name} should be a number of at least 0, ${value} came`)
    }
    return value
  }

  integer(name: string, value: number, least: number): number {
    if (!(Number.isInteger(value) && value >= least)) {
      this.add(`${name} should be a whole number of at least ${least}, ${value} came`)
    }
    return value
  }

  oneOf<T extends string>(name: string, value: T, known: readonly string[]): T {
    if (!known.includes(value))
      this.add(`${name} should be one of ${known.join(', ')}, ${value} came`)
    return value
  }

  parts(parts: readonly ModelPart[]): readonly ModelPart[] {
    for (const part of parts) this.oneOf('trainable', part, MODEL_PARTS)
    return parts
  }

  rates(rates: Readonly<Partial<Record<ModelPart, number>>>): typeof rates {
    for (const [part, rate] of Object.entries(rates)) {
      this.oneOf('learningRates', part, MODEL_PARTS)
      this.number(`learningRates.${part}`, rate)
    }
    return rates
  }

  betas(betas: readonly [number, number]): readonly [number, number] {
    const isValid = betas.length === 2 && betas.every((beta) => beta >= 0 && beta < 1)
    if (!isValid) this.add(`betas should be two numbers from 0 to below 1, [${betas}] came`)
    return betas
  }
}
