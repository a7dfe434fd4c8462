/**
 * Jump-forward: where the form of an answer leaves its next text no choice, the tokens of that text are read in one run
 * instead of a step each.
 *
 * Which tokens a forced text is made of the model still says: each is chosen from the logits that it would be chosen from
 * alone, in the same order, and what was read behind one that was not chosen is forgotten. So an answer is what it is
 * without, token by token. What is read at once depends on the sequence alone: a run adds up in another order than steps
 * do, and whoever is answered beside it may not change that.
 * Source: lmsys.org/blog/2024-02-05-compressed-fsm, which appends its own tokens instead and may change the rest by it.
 */
import { isReady } from './late-rows.ts'
import type { ScheduledSequence } from './scheduled-sequence.ts'

/** Tokens to be read at once behind the newest one. */
export type Jump = {
  readonly sequence: ScheduledSequence
  /** Of the pool, which has `length` positions. */
  readonly row: number
  readonly length: number
  readonly ids: readonly number[]
}

/** A run holds the other rows up about as long as a step; fewer tokens are not worth that. */
const FEWEST = 4

/** What a row of `length` positions is to read ahead, if anything; one that came back reads what it read before. */
export async function jumpOf(
  sequence: ScheduledSequence,
  row: number,
  length: number,
): Promise<Jump | null> {
  // One that was late is likely to be so again: it sits steps out until it can choose.
  if (sequence.isLate && sequence.ready() !== null) return null
  if (sequence.isHeld || sequence.lost > 0) {
    sequence.isHeld = false
    const ids = sequence.jumps.get(length)
    return ids ? { sequence, row, length, ids } : null
  }
  const forced = (await sequence.request.ahead?.()) ?? []
  // The newest token takes a position, and the last one that may be chosen needs none.
  const ids = forced.slice(0, Math.max(0, sequence.lengthWith(Infinity) - length - 1))
  if (ids.length < FEWEST) return null
  sequence.jumps.set(length, ids)
  return { sequence, row, length, ids }
}

/** So long a jump may hold the other rows up where its form is late; reading it again holds them up about as long as a step. */
const PATIENCE_MS = 50

/** What became of a jump. */
export type Landing = {
  /** How many of its tokens were chosen. */
  readonly accepted: number
  /** How many of the positions that were read may stay. */
  readonly kept: number
}

/**
 * Chooses from the logits [ids + 1, V] after the newest token and each of `ids`, as long as what is chosen was read. Where the
 * form is late nothing stays: what is cut off would be read in another run, which adds up in another order.
 */
export async function chooseAhead(
  { sequence, ids }: Jump,
  logits: Float32Array,
  choose: (logits: Float32Array) => void,
): Promise<Landing> {
  const vocabSize = logits.length / (ids.length + 1)
  const until = performance.now() + PATIENCE_MS
  const newest = sequence.token as number
  let accepted = 0
  for (let i = 0; i <= ids.length; i++) {
    if (sequence.signal.aborted) break
    if (!(await isReady(sequence, until - performance.now()))) {
      sequence.hold(newest, ids.slice(0, i))
      return { accepted: 0, kept: 0 }
    }
    choose(logits.subarray(i * vocabSize, (i + 1) * vocabSize))
    if (sequence.end || i === ids.length || sequence.token !== ids[i]) break
    accepted++
  }
  return { accepted, kept: accepted + 1 }
}
