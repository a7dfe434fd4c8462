/**
 * Which rows of a file are taken: `all`, `first:N`, `end:N`, `random:N`; N is a number of rows or `P%`, rounded up. A bare N
 * means `random:N`.
 *
 * Source: `LazySupervisedDataset` in `llava/train/train.py` of LLaVA-VL/LLaVA-NeXT at df17966, which takes every row where it
 * does not understand a strategy, and shuffles without a seed. We refuse and seed. More rows than there are: all of them.
 */
import { ConfigError } from '../core/errors.ts'
import { Rng } from '../core/rng.ts'

export type SamplingStrategy =
  | { readonly kind: 'all' }
  | {
      readonly kind: 'first' | 'end' | 'random'
      readonly amount: number
      readonly unit: 'rows' | 'percent'
    }

const STRATEGY = /^(?:(?<kind>first|end|random):)?(?<amount>\d+|\d+(?:\.\d+)?(?<percent>%))$/

/** Throws ConfigError for anything else, and for 0. */
export function parseSamplingStrategy(text: string, where: string): SamplingStrategy {
  if (text === 'all') return { kind: 'all' }
  const { kind = 'random', amount = '0', percent } = STRATEGY.exec(text)?.groups ?? {}
  const number = Number.parseFloat(amount)
  if (!(number > 0) || (percent !== undefined && number > 100)) {
    throw new ConfigError(
      'CONFIG_SAMPLING_STRATEGY',
      `${where}: samplingStrategy should be all, first:N, end:N or random:N with N a number of rows or up to 100%, "${text}" came.`,
    )
  }
  const unit = percent === undefined ? 'rows' : 'percent'
  return { kind: kind as 'first' | 'end' | 'random', amount: number, unit }
}

/** The rows taken of `length`, in the file's order; null: all. With one seed a smaller `random` lies inside a larger one. */
export function sampledRows(
  strategy: SamplingStrategy,
  length: number,
  seed: number,
): Int32Array | null {
  if (strategy.kind === 'all') return null
  const { kind, amount, unit } = strategy
  // Not amount / 100 first: 0.07 · 100 is above 7 in floating point, and would be rounded up to 8.
  const wanted = unit === 'rows' ? amount : Math.ceil((length * amount) / 100)
  const count = Math.min(length, wanted)
  if (kind === 'random')
    return Int32Array.from(new Rng(seed).permutation(length)).subarray(0, count).sort()
  const start = kind === 'first' ? 0 : length - count
  return Int32Array.from({ length: count }, (_, i) => start + i)
}
