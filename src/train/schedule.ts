/**
 * Learning rates over the steps of a run.
 *
 * Source: transformers 5.23 `optimization.py`, get_{cosine,linear,constant}_schedule(_with_warmup).
 */

export type ScheduleKind = 'cosine' | 'linear' | 'constant'

export type Schedule = {
  readonly kind: ScheduleKind
  readonly warmupSteps: number
  /** Steps of the whole run; what `constant` does not need. */
  readonly totalSteps: number
}

/**
 * The part of the base rate that step `step`, counted from 0, is made with.
 *
 *   step / warmupSteps  while warming up: the first step has rate 0
 *   then with p = (step − warmupSteps) / (totalSteps − warmupSteps):  (1 + cos πp) / 2,  1 − p,  or 1
 */
export function rateFactor({ kind, warmupSteps, totalSteps }: Schedule, step: number): number {
  if (step < warmupSteps) return step / Math.max(1, warmupSteps)
  if (kind === 'constant') return 1
  const remaining = Math.max(1, totalSteps - warmupSteps)
  if (kind === 'linear') return Math.max(0, (totalSteps - step) / remaining)
  const progress = (step - warmupSteps) / remaining
  return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)))
}

/** Steps of warm-up that a ratio of the run means: rounded up. */
export function warmupSteps(totalSteps: number, ratio: number): number {
  return Math.ceil(totalSteps * ratio)
}
