import type { Arguments } from './arguments.ts'
import { UsageError } from './usage-error.ts'

/** Throws UsageError naming those of the options that are given; `where` says beside what they would do nothing. */
export function refuseIdle(args: Arguments, names: readonly string[], where: string): void {
  const idle = names.filter((name) => args.has(name)).map((name) => `--${name}`)
  if (idle.length > 0) throw new UsageError(`${idle.join(', ')} would do nothing ${where}.`)
}
