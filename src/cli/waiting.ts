/** A line on stderr that says that work goes on, from the second second until the answer begins. */
import type { Terminal } from './terminal.ts'

const TICK_MS = 250
const FIRST_MS = 1000

export class Waiting {
  readonly #terminal: Terminal
  readonly #timer: NodeJS.Timeout | null
  #isShown = false

  constructor(terminal: Terminal) {
    this.#terminal = terminal
    const start = performance.now()
    this.#timer = terminal.streams.stderr.isTTY
      ? setInterval(() => this.#show(performance.now() - start), TICK_MS).unref()
      : null
  }

  /** Takes the line away. */
  end(): void {
    if (this.#timer) clearInterval(this.#timer)
    if (this.#isShown) this.#terminal.streams.stderr.write('\r\x1b[K')
    this.#isShown = false
  }

  #show(ms: number): void {
    if (ms < FIRST_MS) return
    this.#isShown = true
    const text = this.#terminal.style('dim', `reading … ${Math.floor(ms / 1000)} s`, 'stderr')
    this.#terminal.streams.stderr.write(`\r${text}\x1b[K`)
  }
}
