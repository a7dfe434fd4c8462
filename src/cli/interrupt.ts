/** Ctrl-C: the first stops the work, one more ends the program. */
import type { Session } from './verb.ts'

/** Why the work was aborted: not a failure, exit code 130 (128 + SIGINT) or 143 (SIGTERM). */
export class Interruption extends Error {
  override readonly name = 'Interruption'
  readonly code = 'INTERRUPTED'
  readonly exitCode: number
  constructor(signal: NodeJS.Signals) {
    super('interrupted')
    this.exitCode = signal === 'SIGTERM' ? 143 : 130
  }
}

/** The interruption behind `error`: itself, or the reason of the signal that a call was aborted by. */
export function interruptionOf(error: unknown, signal: AbortSignal): Interruption | null {
  if (error instanceof Interruption) return error
  const isAbort = error instanceof Error && error.name === 'AbortError'
  return signal.aborted && isAbort ? (signal.reason as Interruption) : null
}

export class Interrupts {
  readonly #controller = new AbortController()
  readonly #handlers: (() => void)[] = []

  constructor(source: NodeJS.Process) {
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      source.on(name, () => {
        const handler = name === 'SIGINT' ? this.#handlers.at(-1) : undefined
        if (handler) return handler()
        const interruption = new Interruption(name)
        if (this.#controller.signal.aborted) source.exit(interruption.exitCode)
        this.#controller.abort(interruption)
      })
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  readonly onInterrupt: Session['onInterrupt'] = (handler) => {
    this.#handlers.push(handler)
    return () => {
      const index = this.#handlers.lastIndexOf(handler)
      if (index >= 0) this.#handlers.splice(index, 1)
    }
  }
}
