/** How values of many of a kind lie: the middle one, what all but a hundredth are within, the largest. */
export type Spread = { readonly p50: number; readonly p99: number; readonly most: number }

/** Zeros for an empty list. */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
  return { p50: at(0.5), p99: at(0.99), most: sorted.at(-1) ?? 0 }
}
