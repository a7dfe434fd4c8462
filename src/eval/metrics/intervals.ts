/** How far a number can be trusted: bootstrap intervals and the paired test between two runs. */
import type { Rng } from '../../core/rng.ts'

export type Interval = { readonly low: number; readonly high: number }

/**
 * A score as a function of sums over units that were drawn independently: questions, or the pictures and rotations that
 * questions share. `rows` holds one vector of counts for each unit; `of` maps their sums to the score.
 */
export type Statistic = {
  readonly rows: readonly (readonly number[])[]
  readonly of: (sums: readonly number[]) => number
  /** What each row is of; without names rows are of the outcomes, in their order. */
  readonly units?: readonly string[]
}

/** Rows of one unit added up: what shares a picture is right or wrong together, and is drawn as one. */
export function rowsByUnit(
  rows: Statistic['rows'],
  names: readonly string[],
): Required<Pick<Statistic, 'rows' | 'units'>> {
  const byName = new Map<string, number[]>()
  rows.forEach((row, i) => {
    const name = names[i] as string
    const sums = byName.get(name)
    if (sums) row.forEach((value, k) => (sums[k] = (sums[k] as number) + value))
    else byName.set(name, [...row])
  })
  return { rows: [...byName.values()], units: [...byName.keys()] }
}

export function valueOf({ rows, of }: Statistic): number {
  return of(sumsOf(rows))
}

export function sumsOf(rows: Statistic['rows']): number[] {
  const sums = Array.from({ length: rows[0]?.length ?? 0 }, () => 0)
  for (const row of rows) row.forEach((value, i) => (sums[i] = (sums[i] as number) + value))
  return sums
}

const RESAMPLES = 1000

/**
 * The percentile bootstrap's 95 % interval: units are drawn with replacement, the score computed again, and the middle
 * 95 % of a thousand such scores kept. Resamples without a score (a part with nothing in it) do not count.
 * Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), §13.3.
 */
export function bootstrapInterval({ rows, of }: Statistic, rng: Rng): Interval | null {
  return intervalOf(resampledSums(rows, rng), of)
}

/** The sums of a thousand resamples, for all statistics of the same units. */
export function resampledSums(rows: Statistic['rows'], rng: Rng): number[][] {
  const width = rows[0]?.length ?? 0
  const flat = Float64Array.from(rows.flat())
  return Array.from({ length: rows.length > 1 ? RESAMPLES : 0 }, () => {
    const sums = new Float64Array(width)
    for (let i = 0; i < rows.length; i++) {
      const start = rng.integer(rows.length) * width
      for (let k = 0; k < width; k++) sums[k] = (sums[k] as number) + (flat[start + k] as number)
    }
    return [...sums]
  })
}

export function intervalOf(resamples: readonly number[][], of: Statistic['of']): Interval | null {
  const scores = resamples.map(of).filter(Number.isFinite)
  if (scores.length === 0) return null
  scores.sort((a, b) => a - b)
  return { low: quantile(scores, 0.025), high: quantile(scores, 0.975) }
}

/** Linear between the two nearest, as numpy's default. */
function quantile(sorted: readonly number[], share: number): number {
  const place = share * (sorted.length - 1)
  const low = sorted[Math.floor(place)] as number
  const high = sorted[Math.ceil(place)] as number
  return low + (high - low) * (place - Math.floor(place))
}

/**
 * McNemar's exact test for two runs over the same questions, of which `onlyFirst` and `onlySecond` were right in one only:
 * twice the smaller tail of Binomial(onlyFirst + onlySecond, ½), at most 1.
 * Source: McNemar, Psychometrika 12 (1947).
 */
export function mcnemar(onlyFirst: number, onlySecond: number): number {
  const total = onlyFirst + onlySecond
  const fewer = Math.min(onlyFirst, onlySecond)
  let logTerm = -total * Math.LN2
  let tail = Math.exp(logTerm)
  for (let k = 1; k <= fewer; k++) {
    logTerm += Math.log((total - k + 1) / k)
    tail += Math.exp(logTerm)
  }
  return Math.min(1, 2 * tail)
}

export type PairedDifference = {
  readonly mean: number
  /** Null of a single question, which says nothing of others. */
  readonly low: number | null
  readonly high: number | null
  readonly pValue: number
}

/**
 * The mean of second less first over the same questions, its percentile bootstrap interval, and how likely so large a mean
 * is if neither run is better: twice the smaller share of resamples on either side of zero, the runs as they are counted among
 * them, at most 1. So no chance is ever 0: a thousand resamples cannot tell less than two in a thousand and one. Nor is one less than
 * that of all changed questions falling on one side, 2 · ½ⁿ: resamples of two questions know only two.
 * Source: Efron and Tibshirani (1993), §16; Berg-Kirkpatrick et al., EMNLP 2012, for paired runs; Davison and Hinkley,
 * "Bootstrap Methods and their Application" (1997), §4.2.3, for the one that is added.
 */
export function pairedBootstrap(
  scores: readonly (readonly [number, number])[],
  rng: Rng,
): PairedDifference {
  const rows = scores.map(([first, second]) => [second - first, 1])
  const changed = scores.filter(([first, second]) => first !== second).length
  const meanOf = ([sum = 0, count = 1]: readonly number[]) => sum / count
  const mean = valueOf({ rows, of: meanOf })
  return differenceOf(mean, resampledSums(rows, rng).map(meanOf), changed)
}

/** The same from differences over draws that are known, of units of which so many `changed`. */
export function differenceOf(
  mean: number,
  draws: readonly number[],
  changed: number,
): PairedDifference {
  const means = [...draws]
  if (means.length === 0) return { mean, low: null, high: null, pValue: 1 }
  const share = (test: (value: number) => boolean) =>
    (means.filter(test).length + 1) / (means.length + 1)
  const tail = Math.min(
    share((value) => value <= 0),
    share((value) => value >= 0),
  )
  means.sort((a, b) => a - b)
  return {
    mean,
    low: quantile(means, 0.025),
    high: quantile(means, 0.975),
    pValue: Math.min(1, Math.max(2 * tail, 2 * 0.5 ** changed)),
  }
}
