import type { Arguments } from './arguments.ts'
import { UsageError } from './usage-error.ts'

/** How often a server is tried, by `--engine-attempts`. Throws UsageError. */
export function engineAttempts(args: Arguments): number | undefined {
  const value = args.number('engine-attempts')
  if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) return value
  throw new UsageError(`--engine-attempts should be a whole number from 1; ${value} came.`)
}
