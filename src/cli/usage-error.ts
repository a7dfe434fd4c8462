/** The command line itself is wrong: exit code 2, and the help of the verb is named. */
export class UsageError extends Error {
  readonly code = 'USAGE'
  override readonly name = 'UsageError'
}
