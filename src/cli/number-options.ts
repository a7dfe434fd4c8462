/** Numbers of the command line within their bounds. */
import type { Arguments } from './arguments.ts'
import { UsageError } from './usage-error.ts'

/** Throws UsageError. */
export function wholeFrom0(args: Arguments, name: string): number | undefined {
  const value = args.number(name)
  if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) return value
  throw outOfBounds(name, 'a whole number', value)
}

/** Throws UsageError. */
export function wholeFrom1(args: Arguments, name: string, most?: number): number | undefined {
  return wholeNumber(args, name, [1, most])
}

/** Throws UsageError. */
export function wholeNumber(
  args: Arguments,
  name: string,
  [least, most = Infinity]: Bounds,
): number | undefined {
  const value = args.number(name)
  if (value === undefined || (Number.isSafeInteger(value) && value >= least && value <= most)) {
    return value
  }
  throw outOfBounds(name, `a whole number ${range(least, most)}`, value)
}

/** Throws UsageError. */
export function numberFrom(
  args: Arguments,
  name: string,
  [least, most = Infinity]: Bounds,
): number | undefined {
  const value = args.number(name)
  if (value === undefined || (value >= least && value <= most)) return value
  throw outOfBounds(name, `a number ${range(least, most)}`, value)
}

type Bounds = readonly [least: number, most?: number | undefined]

function range(least: number, most: number): string {
  return most === Infinity ? `from ${least}` : `from ${least} to ${most}`
}

function outOfBounds(name: string, expected: string, value: number): UsageError {
  return new UsageError(`--${name} should be ${expected}; ${value} came.`)
}
