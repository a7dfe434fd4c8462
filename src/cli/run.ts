/** A command line to an exit code: 0 success, 1 failure, 2 wrong usage, 130 interrupted. */
import { setVariables } from '../core/set-variables.ts'
import { Interrupts } from './interrupt.ts'
import { packageVersion } from './package.ts'
import { parseArguments } from './parse-arguments.ts'
import { EXIT_FAILURE, reportError } from './report-error.ts'
import { Terminal } from './terminal.ts'
import { VERBS } from './verbs.ts'

export async function run(argv: readonly string[], source: NodeJS.Process): Promise<number> {
  const environment = setVariables(source.env)
  const terminal = new Terminal(source, environment)
  // Also where the command line is wrong: a program that asked for JSON gets its error as JSON.
  terminal.isJson = optionsOf(argv).includes('--json')
  const interrupts = new Interrupts(source)
  const { signal, onInterrupt } = interrupts
  // Whoever reads stdout has gone (llava ask … | head): nothing is left to be done.
  source.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') source.exit(0)
    terminal.note(
      `error: the answer should go to stdout, it cannot be written (${error.code}); check where it leads and the free space. [SYSTEM]`,
    )
    source.exit(EXIT_FAILURE)
  })
  // Whoever reads notes and a server's log may go; the work is for others.
  source.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
  try {
    const parsed = await parseArguments(argv, VERBS, packageVersion())
    await parsed?.verb.run(parsed.args, { terminal, signal, onInterrupt, environment })
    return 0
  } catch (error) {
    return reportError(error, terminal, signal)
  }
}

/** What stands before a lone `--`. */
function optionsOf(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--')
  return end < 0 ? argv : argv.slice(0, end)
}
