/**
 * Progress on stderr: a bar on a terminal; elsewhere a line now and then, as JSON where stdout is JSON too. What is over
 * within a second shows nothing.
 */
import { Presets, SingleBar } from 'cli-progress'
import type { Terminal } from './terminal.ts'

export type ProgressState = {
  readonly stage: string
  readonly done: number
  readonly total: number
  readonly item: string
}

const FIRST_MS = 1000
const LINES_EVERY_MS = 5000

export class Progress {
  readonly #terminal: Terminal
  readonly #now: () => number
  readonly #start: number
  #bar: SingleBar | null = null
  #stage: string | null = null
  #lastLine: number

  constructor(terminal: Terminal, now: () => number = () => performance.now()) {
    this.#terminal = terminal
    this.#now = now
    this.#start = now()
    this.#lastLine = this.#start - LINES_EVERY_MS
  }

  readonly update = (state: ProgressState): void => {
    if (state.stage === 'notice') {
      this.end()
      this.#terminal.note(`note: ${state.item}`)
      return
    }
    if (this.#now() - this.#start < FIRST_MS) return
    if (this.#terminal.streams.stderr.isTTY) this.#showBar(state)
    else this.#showLine(state)
  }

  /** Takes the bar away. */
  end(): void {
    this.#bar?.stop()
    this.#bar = null
  }

  #showBar({ stage, done, total, item }: ProgressState): void {
    if (stage !== this.#stage) this.end()
    this.#stage = stage
    if (!this.#bar) {
      const format = `${stage.padEnd(9)} {bar} {percentage} % {item}`
      const stream = this.#terminal.streams.stderr
      const options = { format, stream, clearOnComplete: true, hideCursor: true, barsize: 24 }
      this.#bar = new SingleBar(options, Presets.shades_classic)
      this.#bar.start(total, done, { item })
    }
    this.#bar.update(done, { item })
  }

  #showLine(state: ProgressState): void {
    const isOver = state.done >= state.total
    if (!isOver && this.#now() - this.#lastLine < LINES_EVERY_MS) return
    this.#lastLine = this.#now()
    const percent = Math.floor((100 * state.done) / Math.max(1, state.total))
    const text = `${state.stage}: ${percent} % ${state.item}`
    this.#terminal.note(this.#terminal.isJson ? JSON.stringify({ progress: state }) : text)
  }
}
