/** Two sets of loss curves, seed by seed, and whether they are one. */

/** Losses by step, one list a seed. */
export type Curves = number[][]

export type LossWindow = {
  /** Steps [from, to). */
  readonly from: number
  readonly to: number
  /** Mean of float32 over seeds. */
  readonly exact: number
  readonly fast: number
  /** Standard deviation of float32's means over seeds. */
  readonly spread: number
  /** Mean over seeds of fast less exact with the same seed, and its standard error. */
  readonly difference: number
  readonly error: number
}

export type LossComparison = {
  readonly windows: readonly LossWindow[]
  /** Windows whose paired difference lies within the spread of float32's seeds. */
  readonly within: number
}

const WINDOWS = 6

export function comparison(exact: Curves, fast: Curves): LossComparison {
  const steps = Math.min(...[...exact, ...fast].map((curve) => curve.length))
  const size = Math.max(1, Math.floor(steps / WINDOWS))
  const windows: LossWindow[] = []
  for (let from = 0; from + size <= steps; from += size) {
    windows.push(compareWindow({ exact, fast }, from, from + size))
  }
  return { windows, within: windows.filter(isWithin).length }
}

function isWithin({ difference, spread }: LossWindow): boolean {
  return Math.abs(difference) <= spread
}

function compareWindow(
  { exact, fast }: { readonly exact: Curves; readonly fast: Curves },
  from: number,
  to: number,
): LossWindow {
  const means = (curves: Curves) => curves.map((curve) => mean(curve.slice(from, to)))
  const [right, came] = [means(exact), means(fast)]
  const differences = came.map((value, i) => value - (right[i] as number))
  return {
    from,
    to,
    exact: mean(right),
    fast: mean(came),
    spread: deviation(right),
    difference: mean(differences),
    error: deviation(differences) / Math.sqrt(differences.length),
  }
}

export function formatComparison({ windows, within }: LossComparison): string {
  const lines = windows.map((window) => {
    const { from, to, exact, fast, spread, difference, error } = window
    const steps = `steps ${from + 1}–${to}`.padEnd(16)
    const sign = difference < 0 ? '−' : '+'
    return `${steps} f32 ${exact.toFixed(4)}  fast ${fast.toFixed(4)}  seeds ±${spread.toFixed(4)}  paired difference ${sign}${Math.abs(difference).toFixed(4)} ± ${error.toFixed(4)}${isWithin(window) ? '' : '  OUTSIDE'}`
  })
  const verdict = `the fast mode lies within float32's seed-to-seed spread in ${within} of ${windows.length} windows`
  return [...lines, verdict].join('\n')
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length
}

/** Of a sample; 0 of one value. */
function deviation(values: readonly number[]): number {
  if (values.length < 2) return 0
  const middle = mean(values)
  const squares = values.reduce((sum, value) => sum + (value - middle) ** 2, 0)
  return Math.sqrt(squares / (values.length - 1))
}
