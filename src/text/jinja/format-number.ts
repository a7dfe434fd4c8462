/** Decimal forms of numbers, rounded as Python rounds: to the nearest, exact halves to the even digit. */
import type { Budget } from './limits.ts'

/** |value| · 10^digits as an integer, rounded half to even. Exact: a double is a whole number times a power of two. */
function scaled(value: number, digits: number): bigint {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, Math.abs(value))
  const bits = view.getBigUint64(0)
  const field = Number(bits >> 52n)
  const mantissa = (bits & ((1n << 52n) - 1n)) | (field === 0 ? 0n : 1n << 52n)
  const exponent = (field === 0 ? 1 : field) - 1075
  let numerator = mantissa
  let denominator = 1n
  if (exponent >= 0) numerator <<= BigInt(exponent)
  else denominator <<= BigInt(-exponent)
  if (digits >= 0) numerator *= 10n ** BigInt(digits)
  else denominator *= 10n ** BigInt(-digits)
  return divideHalfEven(numerator, denominator)
}

export function divideHalfEven(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator
  const twice = (numerator % denominator) * 2n
  const isUp = twice > denominator || (twice === denominator && quotient % 2n === 1n)
  return isUp ? quotient + 1n : quotient
}

/** `1234.50` of |value| with `digits` after the point. */
export function fixed(value: number, digits: number, budget: Budget): string {
  budget.allocate(digits + 400)
  const text = scaled(value, digits)
    .toString()
    .padStart(digits + 1, '0')
  if (digits === 0) return text
  return `${text.slice(0, -digits)}.${text.slice(-digits)}`
}

/** `1.23e+05` of |value| with `digits` after the point. */
export function exponential(value: number, digits: number, budget: Budget): string {
  budget.allocate(digits + 400)
  const { text, exponent } = significant(value, digits + 1)
  const mantissa = digits === 0 ? text : `${text[0]}.${text.slice(1)}`
  return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
}

function significant(value: number, count: number): { text: string; exponent: number } {
  if (value === 0) return { text: '0'.repeat(count), exponent: 0 }
  let exponent = Number(Math.abs(value).toExponential().split('e')[1])
  // The shortest form of a subnormal number may be the next power of ten: 9.88e-324 is written 1e-323.
  const below = scaled(value, count - exponent).toString()
  if (below.length <= count) return { text: below, exponent: exponent - 1 }
  let text = scaled(value, count - 1 - exponent).toString()
  if (text.length > count) {
    exponent++
    text = text.slice(0, count)
  }
  return { text, exponent }
}

/** The shorter of both forms with `precision` digits; zeros at the end go unless `keepZeros`. */
export function general(value: number, precision: number, keepZeros: boolean, budget: Budget) {
  const digits = Math.max(precision, 1)
  const { exponent } = significant(value, digits)
  const isFixed = exponent >= -4 && exponent < digits
  const text = isFixed
    ? fixed(value, digits - 1 - exponent, budget)
    : exponential(value, digits - 1, budget)
  if (keepZeros) return text
  return text.replace(/\.?0+(?=e|$)/, (zeros) =>
    zeros.startsWith('.') || /\..*/.test(text) ? '' : zeros,
  )
}

/** Python's `round(value, digits)` of a float. */
export function roundFloat(value: number, digits: number): number {
  if (!Number.isFinite(value) || digits > 323) return value
  if (digits < -308) return value < 0 ? -0 : 0
  const whole = scaled(value, digits)
  const size = digits > 0 ? Number(`${whole}e-${digits}`) : Number(whole * 10n ** BigInt(-digits))
  return value < 0 || Object.is(value, -0) ? -size : size
}
