/** Numbers of the command line within their bounds. */
import type { Arguments } from './arguments.ts'
import { UsageError } from './usage-error.ts'

/** Throws UsageError. */
export function wholeFrom1(args: Arguments, name: string, most = Infinity): number | undefined {
  const value = args.number(name)
  if (value === undefined || (Number.isSafeInteger(value) && value >= 1 && value <= most)) {
    return value
  }
  throw outOfBounds(name, `a whole number ${range(1, most)}`, value)
}

/** Throws UsageError. */
export function numberFrom(
  args: Arguments,
  name: string,
  [least, most = Infinity]: readonly [least: number, most?: number],
): number | undefined {
  const value = args.number(name)
  if (value === undefined || (value >= least && value <= most)) return value
  throw outOfBounds(name, `a number ${range(least, most)}`, value)
}

function range(least: number, most: number): string {
  return most === Infinity ? `from ${least}` : `from ${least} to ${most}`
}

function outOfBounds(name: string, expected: string, value: number): UsageError {
  return new UsageError(`--${name} should be ${expected}; ${value} came.`)
}
