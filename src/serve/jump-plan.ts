/**
 * Where an answer reads several tokens at once: decided once for each place in it, by what its form says and never by when,
 * and kept. A run adds up in another order than steps do, so an answer that is computed again, or waits for its form, has the
 * same numbers only by the same runs.
 */

/** A run holds the other rows up about as long as a step; fewer tokens are not worth that. */
const FEWEST = 4

const NONE: readonly number[] = []

/** Tokens that are likely to be chosen after the newest one, whenever it is known. */
export type Ahead = () => Promise<readonly number[]>

export class JumpPlan {
  readonly #ahead: Ahead | undefined
  readonly #maxTokens: number
  readonly #jumps = new Map<number, readonly number[]>()
  #asked: Promise<void> | null = null

  /** Without `ahead` all are steps. */
  constructor(ahead: Ahead | undefined, maxTokens: number) {
    this.#ahead = ahead
    this.#maxTokens = maxTokens
  }

  /** What is read at once behind so many tokens of the answer: none where a step is made, undefined where it is not decided. */
  after(count: number): readonly number[] | undefined {
    return this.#ahead ? this.#jumps.get(count) : NONE
  }

  /** Resolves when it is decided what comes after the newest token, of so many; null where it is. */
  decided(count: number): Promise<void> | null {
    if (!this.#ahead || this.#jumps.has(count)) return null
    this.#asked ??= this.#decide(this.#ahead, count)
    return this.#asked
  }

  async #decide(ahead: Ahead, count: number): Promise<void> {
    const ids = (await ahead()).slice(0, Math.max(0, this.#maxTokens - count))
    this.#jumps.set(count, ids.length < FEWEST ? NONE : ids)
    this.#asked = null
  }
}
