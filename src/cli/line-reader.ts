/**
 * Lines from stdin: edited and with a history on a terminal, as they come from a script.
 *
 * On a terminal Ctrl-C is a key that readline reads, elsewhere a signal; both end up in the handler given here.
 */
import { createInterface, type Interface } from 'node:readline'
import type { Terminal } from './terminal.ts'
import type { Session } from './verb.ts'

export class LineReader {
  /** Whether a person types. */
  readonly isTyped: boolean
  readonly #readline: Interface
  readonly #waiting: string[] = []
  readonly #stopListening: () => void
  #deliver: ((line: string | null) => void) | null = null
  #isClosed = false

  constructor({ terminal, onInterrupt }: Session, handleInterrupt: () => void) {
    const { stdin } = terminal.streams
    const output = outputOf(terminal)
    this.isTyped = stdin.isTTY === true && output.isTTY === true
    this.#readline = createInterface({
      input: stdin,
      output,
      terminal: this.isTyped,
      historySize: 1000,
    })
    // A script may begin with a byte order mark.
    this.#readline.on('line', (line) => this.#push(line.replace(/^\uFEFF/, '')))
    this.#readline.on('SIGINT', handleInterrupt)
    this.#readline.on('close', () => {
      this.#isClosed = true
      if (this.#waiting.length === 0) this.#deliver?.(null)
    })
    this.#stopListening = onInterrupt(handleInterrupt)
  }

  /** What is typed and not sent yet. */
  get typed(): string {
    return this.#readline.line
  }

  /** Throws away what is typed and not sent yet. */
  clear(): void {
    this.#readline.write(null, { ctrl: true, name: 'e' })
    this.#readline.write(null, { ctrl: true, name: 'u' })
  }

  /** The next line, or null at the end of the input. */
  async read(prompt: string): Promise<string | null> {
    const line = this.#waiting.shift()
    if (line !== undefined) return line
    if (this.#isClosed) return null
    if (this.isTyped) {
      this.#readline.setPrompt(prompt)
      this.#readline.prompt()
    }
    return new Promise((resolve) => (this.#deliver = resolve))
  }

  /** Shows the prompt again, after something was written over it. */
  prompt(): void {
    this.#readline.prompt()
  }

  close(): void {
    this.#stopListening()
    this.#readline.close()
  }

  #push(line: string): void {
    const deliver = this.#deliver
    this.#deliver = null
    if (deliver) deliver(line)
    else this.#waiting.push(line)
  }
}

/** Prompts are no part of the answers: where stdout goes to a file they are written to stderr. */
function outputOf({ streams, isJson }: Terminal): NodeJS.WriteStream {
  return streams.stdout.isTTY && !isJson ? streams.stdout : streams.stderr
}
