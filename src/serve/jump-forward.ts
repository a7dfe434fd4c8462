/**
 * Jump-forward: where the form of an answer leaves its next text no choice, the tokens of that text are read in one run
 * instead of a step each.
 *
 * Which tokens a forced text is made of the model still says: each is chosen from the logits that it would be chosen from
 * alone, in the same order, and what was read behind one that was not chosen is forgotten. So an answer is what it is
 * without, token by token. What is read at once depends on the sequence alone (`jump-plan.ts`): whoever is answered beside it
 * may not change that.
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

/** What a row of `length` positions is to read ahead now, if anything. */
export function jumpOf(sequence: ScheduledSequence, row: number, length: number): Jump | null {
  const { jump: ids = [] } = sequence
  return ids.length > 0 && sequence.wait() === null ? { sequence, row, length, ids } : null
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
