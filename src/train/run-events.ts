/** What a run tells whoever watches it; all but `progress` are lines of its log. */
import type { PreferenceReport } from './preference-objective.ts'

export type TrainEvent =
  | {
      readonly kind: 'progress'
      readonly stage: string
      readonly done: number
      readonly total: number
      readonly item: string
    }
  | {
      readonly kind: 'start'
      readonly output: string
      readonly records: number
      readonly quarantined: number
      readonly totalSteps: number
      readonly stepsPerEpoch: number
      /** Steps that a checkpoint brought. */
      readonly resumedAt: number
      readonly trainedParameters: number
    }
  | StepEvent
  | {
      readonly kind: 'evaluation'
      readonly step: number
      readonly loss: number
      readonly tokens: number
      readonly seconds: number
    }
  | {
      readonly kind: 'answers'
      readonly step: number
      readonly answers: readonly SampleAnswer[]
      readonly seconds: number
    }
  | {
      readonly kind: 'checkpoint'
      readonly step: number
      readonly folder: string
      readonly seconds: number
    }
  | { readonly kind: 'warning'; readonly step: number; readonly message: string }
  | { readonly kind: 'saved'; readonly step: number; readonly folder: string }

/** What the model said to a held-out question at some step. */
export type SampleAnswer = {
  /** Files of its pictures; null for one that lies inside its data file. */
  readonly pictures: readonly (string | null)[]
  readonly question: string
  readonly expected: string
  readonly answer: string
}

export type StepEvent = {
  readonly kind: 'step'
  /** Counted from 1. */
  readonly step: number
  readonly totalSteps: number
  readonly epoch: number
  /** Whether the activations of its last micro-batch lay in memory or were made again. */
  readonly activations?: 'keep' | 'recompute' | null
  readonly loss: number
  readonly gradNorm: number
  readonly learningRate: number
  /** Learnt tokens, and all positions. */
  readonly tokens: number
  readonly positions: number
  readonly samples: number
  readonly seconds: number
  /** Of those, how long the step waited for its samples. */
  readonly waitSeconds: number
  /** Positions in a second, over the last steps. */
  readonly positionsPerSecond: number
  readonly remainingSeconds: number
  /** Where preferences are learnt. */
  readonly rewards?: PreferenceReport['rewards']
  readonly margin?: number
}
