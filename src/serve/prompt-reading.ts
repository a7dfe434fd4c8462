/** A prompt while it is read, and what of it goes into one run. */
import type { PromptPart } from './row-pool.ts'
import type { ScheduledSequence } from './scheduled-sequence.ts'

/** A sequence whose prompt is being read: its positions [at, length) are missing. */
export type Reading = {
  readonly sequence: ScheduledSequence
  /** Of the pool; another one where others went before. */
  slot: number
  readonly cachedLength: number
  /** From `cachedLength` on. */
  readonly embeddings: Float32Array
  at: number
}

/** Positions [reading.at, end). */
export type Piece = { readonly reading: Reading; readonly end: number }

/** How many positions are read in a run. */
export function positionsOf(run: readonly Piece[]): number {
  return run.reduce((sum, { reading, end }) => sum + end - reading.at, 0)
}

/** Embeddings are [·, D] with D = `width`; logits are wanted of the prompt's last position. */
export function partOf({ reading, end }: Piece, width: number): PromptPart {
  const { sequence, slot, cachedLength, embeddings, at } = reading
  const { keys } = sequence.prompt
  const rows = embeddings.subarray((at - cachedLength) * width, (end - cachedLength) * width)
  return { slot, keys: keys.slice(at, end), embeddings: rows, wantsLogits: end === keys.length }
}
