/** Subsets by ratio and seed, each inside every larger one: for training on a tenth, a fifth, half of a mixture. */
import { ConfigError } from '../core/errors.ts'
import { Rng } from '../core/rng.ts'

/**
 * Numbers of the records taken, in order. Every record draws a number once, whatever the ratio, and is taken if that lies
 * below it: so subsets are nested, and a source keeps its share in expectation.
 *
 * Throws ConfigError unless the ratio lies in (0, 1].
 */
export function mixIndices(length: number, ratio: number, seed: number): Int32Array {
  if (!(ratio > 0 && ratio <= 1)) {
    throw new ConfigError(
      'CONFIG_MIX_RATIO',
      `mix: ratio should lie above 0 and be at most 1, ${ratio} came.`,
    )
  }
  const rng = new Rng(seed)
  const taken: number[] = []
  for (let i = 0; i < length; i++) if (rng.uniform() < ratio) taken.push(i)
  return Int32Array.from(taken)
}
