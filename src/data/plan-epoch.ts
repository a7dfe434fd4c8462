/**
 * One time over the data as steps: which samples, in which micro-batches.
 *
 *   grouped       the original's `group_by_modality_length`; the last step may mix modalities
 *   perModality   the same without a mixed step: what is left of a modality makes a short step of its own
 *   mixed         a random order
 *   packed        a random order; the samples of a step share rows of `rowTokens` positions, and a row is a micro-batch
 *
 * A step is batchSize · accumulation samples, fewer where they run out.
 */
import type { Rng } from '../core/rng.ts'
import {
  groupByLength,
  groupByModality,
  partsOf,
  runsOf,
  type SamplerOptions,
} from './original-sampler.ts'
import { packRows } from './pack-rows.ts'

export const BATCHINGS = ['grouped', 'perModality', 'mixed', 'packed'] as const
export type Batching = (typeof BATCHINGS)[number]

export type SampleLength = {
  /** Words of its turns: what the original groups by. */
  readonly words: number
  /** Positions in the decoder. */
  readonly tokens: number
  readonly hasMedia: boolean
}

/** Micro-batches of sample numbers. */
export type Step = readonly (readonly number[])[]

export type BatchOptions = {
  readonly batching: Batching
  /** Samples of a micro-batch. */
  readonly batchSize: number
  /** Micro-batches of a step. */
  readonly accumulation: number
  /** Positions of a packed row. */
  readonly rowTokens: number
}

export function planEpoch(
  lengths: readonly SampleLength[],
  { batching, batchSize, accumulation, rowTokens }: BatchOptions,
  rng: Rng,
): Step[] {
  const permute = (count: number) => rng.permutation(count)
  return PLANS[batching](lengths, { batchSize, worldSize: accumulation, permute, rowTokens })
}

type PlanOptions = SamplerOptions & { readonly rowTokens: number }

const PLANS: Readonly<
  Record<Batching, (lengths: readonly SampleLength[], options: PlanOptions) => Step[]>
> = {
  grouped: (lengths, options) => cut(groupByModality(signed(lengths), options), options),
  perModality,
  mixed: (lengths, options) => cut(options.permute(lengths.length), options),
  packed: (lengths, { batchSize, worldSize, permute, rowTokens }) =>
    runsOf(permute(lengths.length), batchSize * worldSize).map((step) =>
      packRows(step, (sample) => (lengths[sample] as SampleLength).tokens, rowTokens),
    ),
}

function perModality(lengths: readonly SampleLength[], options: PlanOptions): Step[] {
  const all = signed(lengths)
  const parts = partsOf(all) ?? [{ places: all.map((_, i) => i), lengths: all.map(Math.abs) }]
  const steps = parts.flatMap(({ places, lengths: own }) =>
    cut(
      groupByLength(own, options).map((i) => places[i] as number),
      options,
    ),
  )
  return options.permute(steps.length).map((i) => steps[i] as Step)
}

/** As `modality_lengths`: negative without pictures. A sample without words would stop the original. */
function signed(lengths: readonly SampleLength[]): number[] {
  return lengths.map(({ words, hasMedia }) => Math.max(1, words) * (hasMedia ? 1 : -1))
}

function cut(order: readonly number[], { batchSize, worldSize }: SamplerOptions): Step[] {
  return runsOf(order, batchSize * worldSize).map((step) => runsOf(step, batchSize))
}
