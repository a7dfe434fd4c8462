/**
 * Which pieces of which prompts are read in one run.
 *
 * A prompt that is longer than a turn is cut. Those that came later and are short have every other turn, so that nobody
 * waits for the end of what somebody else sent.
 */
import { runEnd } from './decoder-runner.ts'
import { positionsOf, type Piece, type Reading } from './prompt-reading.ts'
import { SEGMENTS } from './segmented-prefill.ts'

/** Further prompts are read while so many positions of a turn are left. */
export const LEAST_CHUNK = 32

/**
 * Lets one in of which at most `most` positions are missing, null where there is none or no room. `overtaken` is being read,
 * and will go on behind it.
 */
export type Admit = (most: number, overtaken?: Reading) => Promise<Reading | null>

export class PromptTurns {
  readonly #admit: Admit
  /** Whether the turn before was others' than that of the long one. */
  #hasYielded = false

  constructor(admit: Admit) {
    this.#admit = admit
  }

  /**
   * The pieces of one run, of `left` positions together, of prompts that were begun and of further ones; of those that are
   * not the turn's first, only whole ones.
   */
  async gather(
    readings: readonly Reading[],
    { left, isFirst }: { readonly left: number; readonly isFirst: boolean },
  ): Promise<Piece[]> {
    const begun = readings.toSorted((a, b) => a.slot - b.slot)
    const last = begun.at(-1)
    if (last && pieceOf(last, left).end < lengthOf(last)) return this.#gatherBefore(begun, left)
    const run: Piece[] = []
    for (let rest = left; run.length < SEGMENTS && rest >= LEAST_CHUNK;) {
      const mayCut = isFirst && run.length === 0
      const reading = begun[run.length] ?? (await this.#admit(mayCut ? Infinity : rest))
      if (!reading) break
      const piece = pieceOf(reading, rest)
      run.push(piece)
      if (piece.end < lengthOf(reading)) break
      rest -= positionsOf([piece])
    }
    return run
  }

  /** Where the last that began is long. The slots of others come before its slot, as they are going to join before it. */
  async #gatherBefore(begun: readonly Reading[], left: number): Promise<Piece[]> {
    const long = begun.at(-1) as Reading
    const others = begun.slice(0, -1)
    const run: Piece[] = []
    let rest = left
    while (run.length < SEGMENTS && rest >= LEAST_CHUNK) {
      const reading =
        others[run.length] ?? (this.#hasYielded ? null : await this.#admit(rest, long))
      if (!reading) break
      const piece = pieceOf(reading, rest)
      run.push(piece)
      rest -= positionsOf([piece])
      if (piece.end < lengthOf(reading)) break
    }
    this.#hasYielded = run.length > 0
    return this.#hasYielded ? run : [pieceOf(long, left)]
  }
}

function lengthOf({ sequence }: Reading): number {
  return sequence.prompt.keys.length
}

/** As much of a prompt as goes into a run of `most` positions. */
function pieceOf(reading: Reading, most: number): Piece {
  return { reading, end: runEnd(reading.at, lengthOf(reading), most) }
}
