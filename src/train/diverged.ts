/** What is said when a number of training is none any more. */
import { ConfigError } from '../core/errors.ts'

/** Whether some element is NaN or infinite. */
export function hasNonFinite(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return true
  return false
}

/** `what` is NaN or infinite, first of all at `where`. Weights are as they were before the step. */
export function diverged(
  step: number,
  { what, where, microBatch }: { what: string; where: string; microBatch: number | null },
): ConfigError {
  const place = microBatch === null ? '' : `, micro-batch ${microBatch}`
  return new ConfigError(
    'CONFIG_DIVERGED',
    `step ${step}${place}: ${what} is not finite, and the first values that are not come from ${where}; lower the learning rate, clip gradients, or look at the samples. No weight was changed by this step.`,
  )
}
