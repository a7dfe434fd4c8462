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
    return piecesOf(left, (i, rest) => {
      const mayCut = isFirst && i === 0
      return begun[i] ?? this.#admit(mayCut ? Infinity : rest)
    })
  }

  /** Where the last that began is long. The slots of others come before its slot, as they are going to join before it. */
  async #gatherBefore(begun: readonly Reading[], left: number): Promise<Piece[]> {
    const long = begun.at(-1) as Reading
    const others = begun.slice(0, -1)
    const run = await piecesOf(
      left,
      (i, rest) => others[i] ?? (this.#hasYielded ? null : this.#admit(rest, long)),
    )
    this.#hasYielded = run.length > 0
    return this.#hasYielded ? run : [pieceOf(long, left)]
  }
}

/** Pieces of `left` positions together, up to the first that is cut; `next` gives the i-th prompt, with what is left for it. */
async function piecesOf(
  left: number,
  next: (i: number, rest: number) => Reading | null | Promise<Reading | null>,
): Promise<Piece[]> {
  const run: Piece[] = []
  for (let rest = left; run.length < SEGMENTS && rest >= LEAST_CHUNK;) {
    const reading = await next(run.length, rest)
    if (!reading) break
    const piece = pieceOf(reading, rest)
    run.push(piece)
    if (piece.end < lengthOf(reading)) break
    rest -= positionsOf([piece])
  }
  return run
}

function lengthOf({ sequence }: Reading): number {
  return sequence.prompt.keys.length
}

/** As much of a prompt as goes into a run of `most` positions. */
function pieceOf(reading: Reading, most: number): Piece {
  return { reading, end: runEnd(reading.at, lengthOf(reading), most) }
}
