/**
 * The order in which the original repositories show samples: of like length together, and pictures apart from text.
 *
 *   M = batchSize · worldSize samples make one step; worldSize counts processes and accumulation
 *   plain      permute, cut into runs of M, sort each, deal it out to worldSize chunks of like length
 *   modality   that for samples with and without pictures, runs of both shuffled, one mixed run at the end
 *   auto       LLaVA-NeXT: the last run of either is dropped in place of the mixed one
 *   variable   LLaVA-NeXT: sorted as a whole, shuffled inside runs of 8 M
 *
 * Exact, index by index, given the same permutations. Source: `llava/train/llava_trainer.py` of haotian-liu/LLaVA at c121f04 and
 * LLaVA-VL/LLaVA-NeXT at df17966; `get_length_grouped_indices` in `trainer_pt_utils.py` of transformers 4.37.
 */
import { ConfigError, InputError } from '../core/errors.ts'
import type { Repository } from '../text/conversation-modes.ts'

/** A random order of [0, count). */
export type Permute = (count: number) => readonly number[]

export type SamplerVariant = 'plain' | 'modality' | 'auto' | 'variable'

export type SamplerOptions = {
  /** B, of one process. */
  readonly batchSize: number
  /** Processes times accumulation. */
  readonly worldSize: number
  readonly permute: Permute
}

/**
 * `lengths` are counts of words, negative for samples without pictures where the variant asks.
 *
 * Throws InputError for a length of 0, ConfigError for a variant that the repository does not have.
 */
export function originalOrder(
  lengths: readonly number[],
  variant: SamplerVariant,
  options: SamplerOptions & { readonly repository?: Repository },
): number[] {
  const { repository = 'LLaVA-NeXT' } = options
  if (variant === 'modality') return groupByModality(lengths, options)
  if (repository === 'LLaVA') {
    if (variant === 'plain') return groupByLength(lengths, options)
    throw new ConfigError(
      'CONFIG_SAMPLER',
      `sampler: LLaVA has the variants plain and modality, ${variant} came; it is LLaVA-NeXT's.`,
    )
  }
  if (variant === 'plain') return shuffledGroups(lengths, options)
  return variant === 'auto' ? dropLastRuns(lengths, options) : groupVariable(lengths, options)
}

/** `get_modality_length_grouped_indices` */
export function groupByModality(lengths: readonly number[], options: SamplerOptions): number[] {
  const parts = partsOf(lengths)
  if (parts === null) return groupByLength(lengths, options)
  const runs = groupedRuns(parts, options, groupByLength)
  const last = runs.flatMap((part) => part.at(-1) ?? [])
  const mixed = shuffled(
    runs.flatMap((part) => part.slice(0, -1)),
    options,
  )
  return [...mixed, ...last.sort((a, b) => a - b)]
}

/** `get_modality_length_grouped_indices_auto` */
function dropLastRuns(lengths: readonly number[], options: SamplerOptions): number[] {
  const parts = partsOf(lengths)
  if (parts === null) return shuffledGroups(lengths, options)
  const runs = groupedRuns(parts, options, shuffledGroups)
  return shuffled(
    runs.flatMap((part) => part.slice(0, -1)),
    options,
  )
}

/** Samples of one modality: their numbers, and their lengths without a sign. */
export type ModalityPart = {
  readonly places: readonly number[]
  readonly lengths: readonly number[]
}

/** Samples with pictures, then those without; null where all are of one kind. */
export function partsOf(lengths: readonly number[]): readonly ModalityPart[] | null {
  if (lengths.some((length) => !(Math.abs(length) > 0))) {
    throw new InputError(
      'INPUT_SAMPLER_LENGTH',
      'sampler: every sample should have a length, one has 0; leave empty records out.',
    )
  }
  const parts = [1, -1].map((sign) => {
    const places = lengths.flatMap((length, i) => (length * sign > 0 ? [i] : []))
    return { places, lengths: places.map((i) => Math.abs(lengths[i] as number)) }
  })
  return parts.every(({ places }) => places.length > 0) ? parts : null
}

type Grouping = (lengths: readonly number[], options: SamplerOptions) => number[]

function groupedRuns(
  parts: readonly ModalityPart[],
  options: SamplerOptions,
  group: Grouping,
): number[][][] {
  const orders = parts.map(({ places, lengths }) =>
    group(lengths, options).map((i) => places[i] as number),
  )
  return orders.map((order) => runsOf(order, options.batchSize * options.worldSize))
}

/** `get_length_grouped_indices` */
export function groupByLength(lengths: readonly number[], options: SamplerOptions): number[] {
  return dealOut(options.permute(lengths.length), lengths, options).flat()
}

/** `get_length_grouped_indices_auto_single`, which is LLaVA-NeXT's plain grouping too. */
function shuffledGroups(lengths: readonly number[], options: SamplerOptions): number[] {
  const order = transformersOrder(lengths, options)
  return shuffled(dealOut(order, lengths, options), options)
}

/** Runs of M, each sorted and dealt out to chunks of like length. */
function dealOut(
  order: readonly number[],
  lengths: readonly number[],
  { batchSize, worldSize }: SamplerOptions,
): number[][] {
  return runsOf(order, batchSize * worldSize).map((run) =>
    evenChunks(longestFirst(run, lengths), lengths, worldSize).flat(),
  )
}

/** Longer runs, each sorted, the longest sample of all in front. */
function transformersOrder(
  lengths: readonly number[],
  { batchSize, worldSize, permute }: SamplerOptions,
): number[] {
  const size = batchSize * worldSize
  const multiple = Math.min(Math.floor(lengths.length / (size * 4)), 50) || 1
  const runs = runsOf(permute(lengths.length), multiple * size).map((run) =>
    longestFirst(run, lengths),
  )
  const longest = runs.map(([first]) => lengths[first as number] as number)
  const [front, winner] = [runs[0], runs[longest.indexOf(Math.max(...longest))]]
  if (front && winner) [front[0], winner[0]] = [winner[0] as number, front[0] as number]
  return runs.flat()
}

/** `get_variable_length_grouped_indices` */
function groupVariable(lengths: readonly number[], options: SamplerOptions): number[] {
  const { batchSize, worldSize, permute } = options
  const rank = permute(lengths.length)
  const size = batchSize * worldSize
  const sorted = longestFirst(
    lengths.map((_, i) => i),
    lengths,
  )
  const mixed = runsOf(sorted, 8 * size).flatMap((run) => longestFirst(run, rank))
  return shuffled(runsOf(mixed, size), options)
}

/** `split_to_even_chunks`: the next one goes to the shortest chunk that has room. */
export function evenChunks(
  indices: readonly number[],
  lengths: readonly number[],
  count: number,
): number[][] {
  const chunks = Array.from({ length: count }, (): number[] => [])
  if (indices.length % count !== 0) {
    indices.forEach((index, i) => chunks[i % count]?.push(index))
    return chunks
  }
  const totals = chunks.map(() => 0)
  for (const index of indices) {
    const shortest = totals.indexOf(Math.min(...totals))
    const chunk = chunks[shortest] as number[]
    chunk.push(index)
    totals[shortest] =
      chunk.length === indices.length / count
        ? Infinity
        : (totals[shortest] as number) + (lengths[index] as number)
  }
  return chunks
}

/** As Python's `sorted(…, reverse=True)`: equals keep their order. */
function longestFirst(indices: readonly number[], lengths: readonly number[]): number[] {
  return [...indices].sort((a, b) => (lengths[b] as number) - (lengths[a] as number))
}

function shuffled(runs: readonly (readonly number[])[], { permute }: SamplerOptions): number[] {
  return permute(runs.length).flatMap((i) => runs[i] as readonly number[])
}

/** Consecutive pieces of `size`; the last may be short. */
export function runsOf<T>(list: readonly T[], size: number): T[][] {
  const runs: T[][] = []
  for (let start = 0; start < list.length; start += size) runs.push(list.slice(start, start + size))
  return runs
}
