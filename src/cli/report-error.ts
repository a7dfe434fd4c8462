/** What went wrong, for people on stderr and for programs on stdout, and the exit code that says what kind it was. */
import { isDiskFull } from '../core/disk-full.ts'
import { LlavaError } from '../core/errors.ts'
import { interruptionOf } from './interrupt.ts'
import type { Terminal } from './terminal.ts'
import { UsageError } from './usage-error.ts'

export const EXIT_FAILURE = 1
export const EXIT_USAGE = 2

/** Options and names that the library refused: they came from the command line. */
const USAGE_CODES = [
  'INPUT_BENCHMARK_UNKNOWN',
  'INPUT_OPTION',
  'INPUT_UNKNOWN_OPTION',
  'CONFIG_OPTION',
  'CONFIG_PRECISION',
  'CONFIG_QUIRK',
  'CONFIG_PRECISION_PATTERN',
  'CONFIG_RUNTIME_OPTION',
]

/** Reports `error` and returns the exit code. */
export function reportError(error: unknown, terminal: Terminal, signal: AbortSignal): number {
  const interruption = interruptionOf(error, signal)
  if (interruption) {
    const { code, message, exitCode } = interruption
    terminal.note(message)
    if (terminal.isJson) terminal.json({ error: { code, message } })
    return exitCode
  }
  const { code, message } = describeError(error)
  const word = terminal.style('red', 'error:', 'stderr')
  terminal.note(`${word} ${message}${code === 'USAGE' ? '' : ` [${code}]`}`)
  if (code === 'INTERNAL') noteBug(error, terminal)
  if (terminal.isJson) terminal.json({ error: { code, message } })
  return code === 'USAGE' || USAGE_CODES.includes(code) ? EXIT_USAGE : EXIT_FAILURE
}

export function describeError(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof LlavaError || error instanceof UsageError) {
    return { code: error.code, message: error.message }
  }
  const refused = refusalOf(error)
  if (refused !== null) return { code: 'SYSTEM', message: refused }
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) }
}

/** What the system does not allow with a file is no bug. */
const REFUSALS = ['EACCES', 'EPERM', 'EROFS', 'EEXIST', 'ENOTDIR', 'EISDIR']

function refusalOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null
  const { code, path, syscall } = error as NodeJS.ErrnoException
  if (code === undefined) return null
  if (path === undefined) {
    // A write to an open file does not say which.
    return isDiskFull(code)
      ? `the disk should have room for what is written, it has none (${code}); free some space and start again.`
      : null
  }
  // A folder that is not there is the program's own business, unless it was to be made.
  const isMissingFolder = code === 'ENOENT' && syscall === 'mkdir'
  if (!REFUSALS.includes(code) && !isDiskFull(code) && !isMissingFolder) return null
  return `the system should allow ${syscall} of ${path}, it does not (${code}); check the path, its permissions and the free space.`
}

function noteBug(error: unknown, terminal: Terminal): void {
  if (error instanceof Error && error.stack !== undefined) terminal.note(error.stack)
  terminal.note('This is a bug in llava-ts. Please report it with the lines above and the command.')
}
