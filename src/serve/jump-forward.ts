/**
 * Jump-forward: where the form of an answer leaves its next text no choice, the tokens of that text are read in one run
 * instead of a step each.
 *
 * Which tokens a forced text is made of the model still says: each is chosen from the logits that it would be chosen from
 * alone, in the same order, and what was read behind one that was not chosen is forgotten. So an answer is what it is
 * without, token by token.
 * Source: lmsys.org/blog/2024-02-05-compressed-fsm, which appends its own tokens instead and may change the rest by it.
 */
import type { ScheduledSequence } from './scheduled-sequence.ts'

export type Ahead = {
  /** Tokens that were read and chosen. */
  readonly accepted: number
  readonly read: number
}

/** Beside more rows a forced text is hardly ever long enough, and asking for it costs as well. */
export const MOST_JUMPING_ROWS = 8

/** Whether reading so many tokens ahead for one row is worth holding the others up: a run costs about what a step of all does. */
export function isWorthReading(tokens: number, rows: number): boolean {
  return tokens > 0 && tokens >= rows
}

/**
 * Reads a sequence's newest token and `ids` behind it by `extend`, which gives the logits after each, and chooses as long
 * as what is chosen was read. Gives how much of it may stay.
 */
export async function jumpForward(
  sequence: ScheduledSequence,
  ids: readonly number[],
  {
    extend,
    choose,
  }: {
    readonly extend: (ids: readonly number[]) => Promise<Float32Array | null>
    readonly choose: (logits: Float32Array) => void
  },
): Promise<Ahead | null> {
  const logits = await extend([sequence.token as number, ...ids])
  if (!logits) return null
  const vocabSize = logits.length / (ids.length + 1)
  let accepted = 0
  for (let i = 0; i <= ids.length; i++) {
    if (sequence.signal.aborted) break
    choose(logits.subarray(i * vocabSize, (i + 1) * vocabSize))
    if (sequence.end || i === ids.length || sequence.token !== ids[i]) break
    accepted++
  }
  return { accepted, read: ids.length }
}
