/** What a checkpoint's weights were learnt for, and so what a trainer that goes on from it must be told again. */
import { CheckpointError } from '../core/errors.ts'
import { changedFields } from './changed-fields.ts'
import { heldDigest } from './held-digest-node.ts'
import type { TrainerSettings } from './options.ts'

/** As JSON. */
export type LearntFor = Readonly<Record<string, unknown>>

/**
 * Of the rest, some say how the steps to come are made (rates, schedule, arithmetic), some where something lies or how it is
 * kept: all of that may change. Of folders that weights are taken from, the weights count and not the place.
 */
const RULES: {
  readonly [S in keyof TrainerSettings]: ((value: TrainerSettings[S]) => unknown) | 'free'
} = {
  trainable: (parts) => [...parts].sort(),
  lora: (lora) => lora && { ...lora, targets: String(lora.targets), init: undefined },
  objective: (objective) => ({ ...objective, reference: undefined }),
  storage: (storage) => storage,
  quirks: (quirks) => quirks,
  baseFolder: 'free',
  compute: 'free',
  learningRate: 'free',
  learningRates: 'free',
  weightDecay: 'free',
  betas: 'free',
  eps: 'free',
  schedule: 'free',
  clipNorm: 'free',
  accumulation: 'free',
  activations: 'free',
  seed: 'free',
  featureCache: 'free',
}

/** Weights that no checkpoint holds. */
export type WeightsBeside = {
  /** What is kept as an adapter brought it. */
  readonly held: ReadonlyMap<string, Float32Array>
  /** The digests of the frozen reference by their names; none where there is none. */
  readonly reference: LearntFor
}

export function learntFor(
  settings: TrainerSettings,
  { held, reference }: WeightsBeside,
): LearntFor {
  const entries = Object.entries(RULES).flatMap(([name, rule]) => {
    if (rule === 'free') return []
    const value = settings[name as keyof TrainerSettings]
    return [[name, (rule as (value: unknown) => unknown)(value)]]
  })
  const fields = {
    ...Object.fromEntries(entries),
    'lora.init': heldDigest(held),
    ...reference,
  }
  // Without what is not there, as it comes back from a file.
  return JSON.parse(JSON.stringify(fields)) as LearntFor
}

/** Throws CheckpointError CHECKPOINT_RESUME that names every setting that `folder` was written with another value of. */
export function checkLearntFor(before: LearntFor, now: LearntFor, folder: string): void {
  // Whatever wrote it may have known fewer fields.
  const known = Object.fromEntries(Object.entries(now).filter(([name]) => name in before))
  const changes = [...changedFields(before, known)]
  if (changes.length === 0) return
  throw new CheckpointError(
    'CHECKPOINT_RESUME',
    `resume: ${folder} was written with other options: ${changes.map(({ text }) => text).join('; ')}; give those that it was written with, or start anew without resume.`,
  )
}
