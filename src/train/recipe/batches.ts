/**
 * One time over the data as steps: which samples, in which micro-batches.
 *
 * `grouped` is the sampler of the original repositories, index by index, given the same permutations. Source:
 * `llava/train/llava_trainer.py` of haotian-liu/LLaVA at c121f04, `get_modality_length_grouped_indices`,
 * `get_length_grouped_indices`, `split_to_even_chunks`.
 */
import type { Rng } from '../../core/rng.ts'
import type { Batching } from './recipe.ts'

/** Micro-batches of sample numbers. */
export type Step = readonly (readonly number[])[]

export type SampleLength = {
  /** Words of its turns; what the original sampler groups by. */
  readonly words: number
  /** Positions in the decoder. */
  readonly tokens: number
  readonly hasMedia: boolean
}

export type BatchOptions = {
  readonly batching: Batching
  /** B */
  readonly batchSize: number
  /** Micro-batches of a step. */
  readonly accumulation: number
  /** Positions of a packed row. */
  readonly rowTokens: number
}

/** A random order of [0, count). */
export type Permute = (count: number) => readonly number[]

export function planEpoch(
  lengths: readonly SampleLength[],
  { batching, batchSize, accumulation, rowTokens }: BatchOptions,
  rng: Rng,
): Step[] {
  const permute: Permute = (count) => rng.permutation(count)
  const group = { batchSize, groups: accumulation, permute }
  if (batching === 'mixed') return cut(permute(lengths.length), group)
  if (batching === 'packed') {
    const steps = runsOf(permute(lengths.length), batchSize * accumulation)
    return steps.map((samples) => packRows(samples, lengths, rowTokens))
  }
  const signed = lengths.map(({ words, hasMedia }) => Math.max(1, words) * (hasMedia ? 1 : -1))
  if (batching === 'grouped') return cut(groupByModality(signed, group), group)
  return perModality(signed, group)
}

export type GroupOptions = {
  readonly batchSize: number
  /** Wd: chunks of like total length in a step; the original counts processes and accumulation. */
  readonly groups: number
  readonly permute: Permute
}

/** The original's order; `lengths` are negative for samples without pictures. */
export function groupByModality(lengths: readonly number[], options: GroupOptions): number[] {
  const { permute } = options
  const isMixed = lengths.some((length) => length > 0) && lengths.some((length) => length < 0)
  if (!isMixed) return groupByLength(lengths, options)
  const size = options.batchSize * options.groups
  const [seen, spoken] = bySign(lengths, options)
  const runs = [runsOf(seen, size), runsOf(spoken, size)] as const
  const last = runs.flatMap((one) => one.at(-1) ?? [])
  const others = runs.flatMap((one) => one.slice(0, -1))
  const shuffled = permute(others.length).flatMap((i) => others[i] as readonly number[])
  return [...shuffled, ...last.sort((a, b) => a - b)]
}

/** As `grouped`, but the last samples of each modality make steps of their own. */
function perModality(lengths: readonly number[], options: GroupOptions): Step[] {
  const steps = bySign(lengths, options).flatMap((order) => cut(order, options))
  return options.permute(steps.length).map((i) => steps[i] as Step)
}

/** Samples with pictures and without, each grouped by length. */
function bySign(lengths: readonly number[], options: GroupOptions): [number[], number[]] {
  const part = (sign: number) => {
    const places = lengths.flatMap((length, i) => (length * sign > 0 ? [i] : []))
    const own = places.map((i) => (lengths[i] as number) * sign)
    return groupByLength(own, options).map((i) => places[i] as number)
  }
  return [part(1), part(-1)]
}

function groupByLength(
  lengths: readonly number[],
  { batchSize, groups, permute }: GroupOptions,
): number[] {
  return runsOf(permute(lengths.length), batchSize * groups).flatMap((run) => {
    const sorted = [...run].sort((a, b) => (lengths[b] as number) - (lengths[a] as number))
    return evenChunks(sorted, lengths, groups).flat()
  })
}

/** As many chunks of equal count and like total length: the next one goes to the shortest that has room. */
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
    const isFull = chunk.length === indices.length / count
    totals[shortest] = isFull ? Infinity : (totals[shortest] as number) + (lengths[index] as number)
  }
  return chunks
}

/** An order as steps of micro-batches; the last ones may be short. */
function cut(order: readonly number[], { batchSize, groups }: GroupOptions): Step[] {
  return runsOf(order, batchSize * groups).map((step) => runsOf(step, batchSize))
}

/** The longest sample first, each into the first row that has room for it. */
function packRows(
  samples: readonly number[],
  lengths: readonly SampleLength[],
  rowTokens: number,
): Step {
  const tokensOf = (i: number) => (lengths[i] as SampleLength).tokens
  const rows: { samples: number[]; tokens: number }[] = []
  for (const sample of [...samples].sort((a, b) => tokensOf(b) - tokensOf(a))) {
    const tokens = tokensOf(sample)
    const row = rows.find((one) => one.tokens + tokens <= rowTokens)
    if (row) {
      row.samples.push(sample)
      row.tokens += tokens
    } else rows.push({ samples: [sample], tokens })
  }
  return rows.map((row) => row.samples)
}

function runsOf<T>(list: readonly T[], size: number): T[][] {
  const runs: T[][] = []
  for (let start = 0; start < list.length; start += size) runs.push(list.slice(start, start + size))
  return runs
}
