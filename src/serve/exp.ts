/**
 * The exponential of numbers that are not positive, four times as fast as Math.exp: a softmax needs it for every token of
 * the vocabulary, at every step.
 *
 *   eˣ = 2^(−⌊n/64⌋) · 2^(−(n mod 64)/64) · eʳ,  n = ⌊−64x / ln 2⌋,  r = x + n · ln 2 / 64,  −ln 2 / 64 < r ≤ 0
 *
 * The powers of two come from tables that fit the first-level cache, eʳ from its Taylor series to the fifth power: the
 * relative error is below 2e-13.
 */

/** eˣ for x ≤ 0. Zero below −708, where doubles become subnormal. NaN gives NaN. */
export function expNonPositive(x: number): number {
  if (x < LEAST) return 0
  const n = (x * -STEPS_PER_UNIT) | 0
  const r = x + n * STEP
  const series = 1 + r * (1 + r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120)))))
  return (FRACTIONS[n & 63] as number) * (HALVINGS[n >> 6] as number) * series
}

const LEAST = -708
const STEP = Math.LN2 / 64
const STEPS_PER_UNIT = 64 / Math.LN2
const FRACTIONS = Float64Array.from({ length: 64 }, (_, i) => 2 ** (-i / 64))
const HALVINGS = Float64Array.from({ length: 1024 }, (_, i) => 2 ** -i)
