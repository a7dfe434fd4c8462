/** What keeps an answer to a form: it bans tokens before each is chosen, and hears which one was. */
import type { Grammar } from './response-format.ts'

export type TokenConstraint = {
  /** Resolves when the next mask is there, or will not come, which `mask` then says; null where it is there. */
  ready(): Promise<void> | null
  /** Sets the logits [V] of tokens that cannot come next to −∞, when it is ready. Throws InputError where none can. */
  mask(logits: Float32Array): void
  accept(id: number): void
  /**
   * Tokens that the text which must come next is likely made of; none where there is a choice. A guess that saves work and
   * decides no token, and the same however long it takes: what is read at once by it counts in the last digits.
   */
  ahead(): Promise<readonly number[]>
  /** Nothing can come any more; known when it is ready. */
  readonly isDone: boolean
  dispose(): void
}

export type ConstraintOptions = {
  /** Of those that wait for a grammar to be out of use, the highest goes first. Default 0. */
  readonly priority?: number
  readonly signal?: AbortSignal | undefined
}

/** Makes constraints of one vocabulary; a grammar is compiled once and kept for a while. */
export type ConstraintMaker = {
  /** Throws InputError for a grammar that cannot be compiled, or not in time. */
  create(grammar: Grammar, options?: ConstraintOptions): Promise<TokenConstraint>
  dispose(): Promise<void>
}
