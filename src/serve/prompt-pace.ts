/** How much of prompts is read between two steps of running answers: what takes so long, by the pace of the runs until now. */
import { PREFILL_CHUNK } from './decoder-runner.ts'

/** Positions of one turn before any pace is known. */
const UNKNOWN = 256
/** Fewer cost hardly less time: a run reads all weights. Shorter runs tell nothing of the pace of longer ones. */
const FEWEST = 64
/** How much the newest run counts. */
const NEWEST = 0.3

export class PromptPace {
  readonly #turnMs: number
  #msPerPosition: number | null = null

  /** `turnMs`: how long a running answer may wait for prompts of others, where that is not too little for any run. */
  constructor(turnMs: number) {
    this.#turnMs = turnMs
  }

  /** The most positions of one turn. */
  get most(): number {
    if (this.#msPerPosition === null) return UNKNOWN
    const fitting = Math.floor(this.#turnMs / this.#msPerPosition)
    return Math.min(PREFILL_CHUNK, Math.max(FEWEST, fitting))
  }

  /** Says how long a run over so many positions took. */
  note(positions: number, ms: number): void {
    if (positions < FEWEST) return
    const now = ms / positions
    const before = this.#msPerPosition ?? now
    this.#msPerPosition = before + NEWEST * (now - before)
  }
}
