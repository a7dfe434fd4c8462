/** What the thread of a grammar and the engine's thread say to each other. */
import type { Grammar } from './response-format.ts'

/** The bytes of all tokens one after another; token i has [offsets[i], offsets[i + 1]), nothing where it cannot be chosen. */
export type TokenTable = {
  readonly bytes: Uint8Array
  readonly offsets: Uint32Array
  readonly stopIds: readonly number[]
}

export type VocabularyBytes = {
  readonly vocabSize: number
  /** End tokens: the grammar says where they may come. */
  readonly stopIds: readonly number[]
  /** Empty for ids that no constrained answer may have. */
  tokenBytes(id: number): Uint8Array
}

export type ToGrammar =
  | { readonly kind: 'compile'; readonly grammar: Grammar; readonly tokens: TokenTable }
  | { readonly kind: 'open'; readonly matcher: number; readonly shared: SharedArrayBuffer }
  | { readonly kind: 'accept'; readonly matcher: number; readonly id: number }
  | { readonly kind: 'close'; readonly matcher: number }

export type FromGrammar =
  | { readonly kind: 'compiled' }
  | { readonly kind: 'refused'; readonly reason: string }

/** Bytes of the text that must come next; more of it is told when they have come. */
export const MOST_AHEAD = 256

/**
 * Words of a matcher's shared memory: how many masks were written, what the last one is; how often the text that must come
 * next was written, how many bytes it has, and the bytes; the bits of the mask from `BITS` on.
 */
export const [TURN, STATE, AHEAD_TURN, AHEAD_LENGTH, AHEAD, BITS] = [
  0,
  1,
  2,
  3,
  4,
  4 + MOST_AHEAD / 4,
] as const

/** `over`: the answer is complete; `broken`: XGrammar failed, or a banned token was accepted; `slow`: it took too long. */
export const STATES = { open: 0, over: 1, broken: 2, slow: 3 } as const

/** A mask takes microseconds, some milliseconds; where one takes longer than this, the next take longer still. */
export const MASK_MS = 500

export function sharedWords(vocabSize: number): number {
  return BITS + Math.ceil(vocabSize / 32)
}
