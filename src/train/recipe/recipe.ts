/** What a training run is told: a recipe, read from YAML, with every default filled in and every value checked. */
import type { Batching } from '../../data/plan-epoch.ts'
import type { DatasetSpec } from '../../data/dataset-spec.ts'
import type { Layout } from '../../families/family.ts'
import type { BaseStorage, TrainerQuirks } from '../options.ts'
import type { Accumulation } from '../loss-weights.ts'
import type { ModelPart } from '../parameter-groups.ts'
import type { PreferenceLoss } from '../preference-loss.ts'
import type { ScheduleKind } from '../schedule.ts'

/**
 * Stage 1 aligns the projector, stage 2 follows instructions, the last learns preferences. Before them all, `words` brings
 * an untrained projector near the decoder's words.
 */
export type TrainingStage = 'words' | 'alignment' | 'instruction' | 'dpo'

export type RecipeModel = {
  /** Folder or hub id. */
  readonly from: string
  readonly base: string | undefined
  readonly adapters: readonly string[]
  /** A file or folder; `new`: untrained, drawn from the recipe's seed. */
  readonly projector: string | undefined
  readonly visionTower: string | undefined
  readonly tokenizer: string | undefined
  readonly layout: Layout | undefined
  readonly quirks: TrainerQuirks
}

export type RecipeLora = {
  readonly rank: number
  readonly alpha: number | undefined
  readonly dropout: number | undefined
  /** A regular expression over full names of linear layers. */
  readonly targets: string | undefined
  readonly init: string | undefined
}

export type RecipePreference = {
  readonly beta: number | undefined
  readonly alpha: number | undefined
  readonly gamma: number | undefined
  readonly labelSmoothing: number | undefined
  readonly loss: PreferenceLoss | undefined
  readonly reference: string | undefined
}

/** A file of records, a mixture file or a list of sources, and where their pictures are; see `data/dataset-spec.ts`. */
export type RecipeData = {
  readonly spec: DatasetSpec
  readonly imageFolder: string | undefined
  readonly videoFolder: string | undefined
}

export type RecipeEvaluation = {
  readonly data: RecipeData
  readonly everySteps: number
  /** How many of the records count, from the first. */
  readonly records: number | undefined
}

export type RecipeAnswers = {
  readonly everySteps: number
  /** The first records of the evaluation, asked with their first question. */
  readonly count: number
  readonly maxTokens: number
}

export type Recipe = {
  readonly name: string
  readonly model: RecipeModel
  readonly stage: TrainingStage
  readonly trainable: readonly ModelPart[]
  /** `stage`: those of its parts that the model has. */
  readonly trainableFrom: 'recipe' | 'stage'
  readonly lora: RecipeLora | null
  readonly preference: RecipePreference | null
  /** How frozen weights are stored. */
  readonly base: BaseStorage
  readonly compute: 'f32' | 'int8'
  readonly activations: 'auto' | 'keep' | 'recompute'
  readonly threads: number | undefined
  /** Folder for the features of a frozen tower. */
  readonly featureCache: string | undefined
  readonly learningRate: number
  readonly learningRates: Readonly<Partial<Record<ModelPart, number>>>
  readonly weightDecay: number
  readonly betas: readonly [number, number]
  readonly eps: number
  readonly clipNorm: number | null
  readonly schedule: {
    readonly kind: ScheduleKind
    readonly warmupSteps: number | undefined
    readonly warmupRatio: number | undefined
  }
  /** How long: times over the data, or steps. */
  readonly length: { readonly epochs: number } | { readonly steps: number }
  /** Samples of a micro-batch. */
  readonly batchSize: number
  /** Micro-batches of a step. */
  readonly accumulation: number
  readonly normalisation: Accumulation
  readonly batching: Batching
  /** Tokens of a sample, and of a packed row; longer samples are quarantined. */
  readonly maxLength: number | undefined
  /** Most frames of a clip, and frames of a second; the checkpoint's own unless said. */
  readonly frames: number | undefined
  readonly fps: number | undefined
  /** Exactly `frames`, those of a shorter clip repeated. */
  readonly forceSample: boolean | undefined
  /** A conversation mode, or `template`: the model's own. */
  readonly conversation: string
  readonly data: RecipeData
  readonly quarantine: {
    /** Part of the records. */
    readonly threshold: number
    /** `decode` decodes every picture and clip but films before the first step, `header` only sizes. */
    readonly pictures: 'decode' | 'header'
  }
  readonly seed: number
  readonly checkpoint: {
    readonly everyMinutes: number | undefined
    readonly everySteps: number | undefined
    readonly keep: number
  }
  readonly evaluation: RecipeEvaluation | null
  readonly answers: RecipeAnswers | null
  /** What is known of this run as its authors made it: for what a dry run tells where the data are not there. */
  readonly published: RecipePublished | null
  /** The folder of the run. */
  readonly output: string
}

export type RecipePublished = {
  /** Hub id of a checkpoint of the run's shape, by which a dry run counts where the model is not there. */
  readonly checkpoint: string | undefined
  readonly records: number | undefined
  readonly tokensPerRecord: number | undefined
  /** Tiles and frames that the tower sees of a record; 1 where it does not say. */
  readonly tilesPerRecord: number | undefined
  readonly gpus: number | undefined
  readonly gpu: string | undefined
  readonly hours: number | undefined
}
