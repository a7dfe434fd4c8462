/**
 * What a comparison needs of a run's own numbers: what each unit adds to them, and their values over draws of units that are the same
 * in every run over the same questions. The score need not be known: of two runs, draws are subtracted one by one.
 */
import { Rng } from '../core/rng.ts'
import type { Metric, Outcome } from './benchmark.ts'
import { resampledSums, rowsByUnit } from './metrics/intervals.ts'

export type UnitScores = {
  readonly metric: string
  /** What each unit adds, as text: `1 1` is right, `0 1` wrong. */
  readonly units: Readonly<Record<string, string>>
  /** The metric over a thousand draws of the units, null where a draw has no value. */
  readonly draws: readonly (number | null)[]
}

/** One seed for all runs, whatever theirs: else their draws would be of different units. */
const SEED = 0

/** Of the benchmark's own numbers: the first, and those that are called so. None where it is not known what its units are. */
export function unitScores(
  metrics: readonly Metric[],
  outcomes: readonly Pick<Outcome, 'id'>[],
): UnitScores[] {
  return metrics
    .filter(({ isHeadline }, i) => i === 0 || isHeadline === true)
    .flatMap(({ name, statistic: { rows, of, units } }) => {
      const names = units ?? outcomes.map(({ id }) => id)
      if (names.length !== rows.length) return []
      const own = rowsByUnit(rows, names)
      // By name, so that another order of the same questions draws the same.
      const order = own.units
        .map((_, i) => i)
        .sort((a, b) => compareTexts(own.units[a], own.units[b]))
      const sorted = order.map((i) => own.rows[i] as readonly number[])
      const draws = resampledSums(sorted, new Rng(SEED)).map(of)
      const counts = order.map((i, k) => [own.units[i] as string, (sorted[k] ?? []).join(' ')])
      return [
        {
          metric: name,
          units: Object.fromEntries(counts) as Record<string, string>,
          draws: draws.map((value) => (Number.isFinite(value) ? value : null)),
        },
      ]
    })
}

function compareTexts(a = '', b = ''): number {
  return a < b ? -1 : a > b ? 1 : 0
}
