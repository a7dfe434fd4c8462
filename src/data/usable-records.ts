/** What is left of a data set when the quarantine is taken out, as the samplers want it. */
import type { RecordFacts } from './check-record.ts'
import type { Dataset } from './dataset.ts'
import type { SampleLength } from './plan-epoch.ts'

/** Samples [start, start + length), and their source's share of an epoch against the others'. */
export type WeightedSource = {
  readonly start: number
  readonly length: number
  readonly weight: number | null
}

export type UsableRecords = {
  /** Number of each sample in the data set. */
  readonly indices: Int32Array
  readonly lengths: readonly SampleLength[]
  /** The samples of each source. */
  readonly sources: readonly WeightedSource[]
}

/** `facts` of a survey; null is left out. Without counted tokens a sample's length is its words. */
export function usableRecords(
  { sources }: Pick<Dataset, 'sources'>,
  facts: readonly (RecordFacts | null)[],
): UsableRecords {
  const indices = Int32Array.from(facts.flatMap((one, i) => (one ? [i] : [])))
  const lengths = facts.flatMap((one) => (one ? [lengthOf(one)] : []))
  let start = 0
  const ranges = sources.map(({ start: first, length, weight }) => {
    const kept = facts.slice(first, first + length).filter((one) => one !== null).length
    const range = { start, length: kept, weight }
    start += kept
    return range
  })
  return { indices, lengths, sources: ranges }
}

function lengthOf({ words, tokens, modality }: RecordFacts): SampleLength {
  return { words, tokens: tokens?.total ?? words, hasMedia: modality !== 'text' }
}
