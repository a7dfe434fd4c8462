/** Numbers of several rounds: the median and how far they spread. */
export type Measured = {
  readonly median: number
  readonly least: number
  readonly most: number
  readonly rounds: number
}

/** Throws for an empty list. */
export function measured(values: readonly number[]): Measured {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle]
  const lower = sorted[sorted.length % 2 === 1 ? middle : middle - 1]
  if (upper === undefined || lower === undefined) throw new Error('internal: nothing was measured')
  return {
    median: (lower + upper) / 2,
    least: sorted[0] as number,
    most: sorted.at(-1) as number,
    rounds: sorted.length,
  }
}

/** `22.8 (21.9–23.4)`, three figures each. */
export function formatMeasured({ median, least, most }: Measured): string {
  return `${figures(median)} (${figures(least)}–${figures(most)})`
}

function figures(value: number): string {
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 1e-3))))
  return value.toFixed(Math.min(digits, 3))
}
