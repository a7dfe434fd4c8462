/** How many records may be left out before a command fails. */
import { QUARANTINE_THRESHOLD } from '../data/index.ts'
import type { Arguments } from './arguments.ts'
import { UsageError } from './usage-error.ts'
import type { OptionSpec } from './verb.ts'

export const THRESHOLD_OPTION: OptionSpec = {
  name: 'threshold',
  kind: 'number',
  value: 'part',
  about: `Part of the records that may be broken (default: ${QUARANTINE_THRESHOLD})`,
}

export function thresholdOf(args: Arguments): number {
  const value = args.number('threshold') ?? QUARANTINE_THRESHOLD
  if (value >= 0 && value <= 1) return value
  throw new UsageError(`--threshold should be from 0 to 1; ${value} came.`)
}
