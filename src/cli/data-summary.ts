/** Lengths of many records in a few numbers. */
import type { RecordFacts, TokenCounts } from '../data/index.ts'

export type LengthSummary = {
  /** What is counted: tokens where a model says how many, else words. */
  readonly unit: 'tokens' | 'words'
  readonly total: number
  readonly shortest: number
  readonly median: number
  readonly percentile95: number
  readonly longest: number
  /** Records with lengths in [from, to): powers of two. */
  readonly histogram: readonly {
    readonly from: number
    readonly to: number
    readonly count: number
  }[]
}

export function summariseLengths(facts: readonly RecordFacts[]): LengthSummary | null {
  if (facts.length === 0) return null
  const unit = facts.every(({ tokens }) => tokens !== null) ? 'tokens' : 'words'
  const lengths = facts
    .map(({ tokens, words }) => (unit === 'tokens' ? (tokens?.total ?? 0) : words))
    .sort((a, b) => a - b)
  const at = (part: number) => lengths[Math.ceil(part * lengths.length) - 1] as number
  return {
    unit,
    total: lengths.reduce((sum, length) => sum + length, 0),
    shortest: lengths[0] as number,
    median: at(0.5),
    percentile95: at(0.95),
    longest: at(1),
    histogram: histogramOf(lengths),
  }
}

function histogramOf(sorted: readonly number[]): LengthSummary['histogram'] {
  const bins: { from: number; to: number; count: number }[] = []
  for (const length of sorted) {
    while (length >= (bins.at(-1)?.to ?? 0)) {
      const from = bins.at(-1)?.to ?? 0
      bins.push({ from, to: from === 0 ? 1 : from * 2, count: 0 })
    }
    const last = bins.at(-1)
    if (last) last.count++
  }
  const first = bins.findIndex(({ count }) => count > 0)
  return bins.slice(first)
}

export type MaskCoverage = {
  readonly learnt: number
  /** Positions that are no picture's. */
  readonly text: number
  readonly media: number
  /** Learnt part of the text. */
  readonly coverage: number
}

export function summariseMasks(facts: readonly RecordFacts[]): MaskCoverage | null {
  const counts = facts.flatMap(({ tokens }) => tokens ?? [])
  if (counts.length === 0) return null
  const sum = (of: (count: TokenCounts) => number) => counts.reduce((all, one) => all + of(one), 0)
  const [learnt, media] = [sum((one) => one.learnt), sum((one) => one.media)]
  const text = sum((one) => one.total) - media
  return { learnt, text, media, coverage: learnt / text }
}

/** How often each key comes, the most frequent first. */
export function tally(keys: Iterable<string>): Record<string, number> {
  const counts = new Map<string, number>()
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a))
}
