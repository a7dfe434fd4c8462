/** What a verb of the command line is, and what it is given to work with. */
import type { Environment } from '../core/set-variables.ts'
import type { Arguments } from './arguments.ts'
import type { Terminal } from './terminal.ts'

export type OptionSpec = {
  /** Kebab-case, without dashes. Where the library has such an option, it is that name. */
  readonly name: string
  readonly short?: string
  /** `texts` may come several times, the others once. */
  readonly kind: 'flag' | 'text' | 'texts' | 'number'
  /** What stands for the value in help. */
  readonly value?: string
  readonly choices?: readonly string[]
  readonly about: string
  /** The heading in help. */
  readonly group?: string
  /** It does nothing for this verb: help leaves it out, and who gives it is told what does. */
  readonly instead?: string
}

/** What is known of a verb before its file is read. */
export type VerbEntry = {
  readonly name: string
  /** Positional arguments as help shows them: `[prompt]`, `<folder>`. */
  readonly places: string
  readonly about: string
  load(): Promise<Verb>
}

export type Verb = {
  readonly options: readonly OptionSpec[]
  /** Without the `llava` in front. */
  readonly examples: readonly string[]
  run(args: Arguments, session: Session): Promise<void>
}

export type Session = {
  readonly terminal: Terminal
  /** Aborted by Ctrl-C. Its reason is an Interruption. */
  readonly signal: AbortSignal
  /** Makes Ctrl-C call `handler` until the returned function is called. */
  onInterrupt(handler: () => void): () => void
  /** The variables that are set. */
  readonly environment: Environment
}

/** Taken by every verb. */
export const COMMON_OPTIONS: readonly OptionSpec[] = [
  { name: 'json', kind: 'flag', about: 'Print one JSON object on stdout and nothing else' },
]
