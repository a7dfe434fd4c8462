/** What keeps an answer to a form: it bans tokens before each is chosen, and hears which one was. */
import type { Grammar } from './response-format.ts'

export type TokenConstraint = {
  /** Sets the logits [V] of tokens that cannot come next to −∞. Throws InputError where none can. */
  mask(logits: Float32Array): void
  accept(id: number): void
  /** Nothing can come any more. */
  readonly isDone: boolean
  dispose(): void
}

/** Makes constraints of one vocabulary; a grammar is compiled once and kept for a while. */
export type ConstraintMaker = {
  /** Throws InputError for a grammar that cannot be compiled, or not in time. */
  create(grammar: Grammar, signal?: AbortSignal): Promise<TokenConstraint>
  dispose(): Promise<void>
}
