/** One line of the table: what was measured, beside whom, and how much of the possible was reached. */
import { median, range, ratio, type Measurement } from './rounds.ts'

export type Unit = 'ms' | 'ms/token' | 'MB'

/** Somebody else's figure for the same thing. `bar` is how many times better we must be. */
export type Comparison = {
  readonly label: string
  readonly measured: Measurement
  readonly bar?: number
}

export type Row = {
  readonly name: string
  readonly what: string
  readonly unit: Unit
  readonly ours: Measurement
  readonly comparisons?: readonly Comparison[]
  /** The most that ours may be. */
  readonly limit?: number
  /** The least that this machine could need, and from which figures that follows. */
  readonly floor?: { readonly value: number; readonly from: string }
  readonly notes?: readonly string[]
}

export function formatRow(row: Row): string {
  const lines = [
    `${row.name}: ${row.what}`,
    `  ours ${' '.repeat(27)}${figure(row.ours, row.unit)}${limit(row)}`,
  ]
  for (const { label, measured, bar } of row.comparisons ?? []) {
    const times = ratio(measured, row.ours)
    const verdict =
      bar === undefined ? '' : `  bar ${two(bar)} ${median(times) >= bar ? 'reached' : 'MISSED'}`
    const [low, high] = range(times)
    lines.push(
      `  ${label.padEnd(32)}${figure(measured, row.unit)}  ratio ${two(median(times))} [${two(low)}–${two(high)}]${verdict}`,
    )
  }
  if (row.floor) {
    const share = Math.round((100 * row.floor.value) / median(row.ours))
    lines.push(
      `  floor ${number(row.floor.value)} ${row.unit} (${row.floor.from}): ${share} % of it reached`,
    )
  }
  for (const note of row.notes ?? []) lines.push(`  ${note}`)
  return lines.join('\n')
}

/** What a program reads: medians, ranges, ratios, and whether the bars were reached. */
export function rowToJson(row: Row): object {
  const comparisons = (row.comparisons ?? []).map(({ label, measured, bar }) => ({
    label,
    ...summary(measured),
    ratio: summary(ratio(measured, row.ours)),
    ...(bar !== undefined && { bar, reached: median(ratio(measured, row.ours)) >= bar }),
  }))
  return {
    name: row.name,
    what: row.what,
    unit: row.unit,
    ours: summary(row.ours),
    comparisons,
    ...(row.limit !== undefined && { limit: row.limit, reached: median(row.ours) <= row.limit }),
    ...(row.floor && { floor: row.floor, share: row.floor.value / median(row.ours) }),
    ...(row.notes && { notes: row.notes }),
  }
}

function summary(measured: Measurement): object {
  const [min, max] = range(measured)
  return { median: median(measured), min, max, samples: measured.samples }
}

function limit({ limit, ours, unit }: Row): string {
  if (limit === undefined) return ''
  return `  limit ${number(limit)} ${unit} ${median(ours) <= limit ? 'kept' : 'MISSED'}`
}

function figure(measured: Measurement, unit: Unit): string {
  const [low, high] = range(measured)
  return `${number(median(measured)).padStart(8)} [${number(low)}–${number(high)}] ${unit}`
}

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

function two(value: number): string {
  return value.toFixed(2)
}
