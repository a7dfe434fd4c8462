/** How long an engine that was asked has said nothing. */
export class Silence {
  readonly #firstMs: number
  readonly #now: () => number
  #questions = 0
  #since = 0
  #tellAfterMs: number

  /** Silence is told of after `firstMs`, then whenever it is twice as long. */
  constructor(firstMs: number, now: () => number) {
    this.#firstMs = firstMs
    this.#tellAfterMs = firstMs
    this.#now = now
  }

  /** One question, answered in the end or not: either is a word of the engine's. */
  async during<T>(asked: Promise<T>): Promise<T> {
    if (this.#questions === 0) this.#heard()
    this.#questions++
    try {
      return await asked
    } finally {
      this.#questions--
      this.#heard()
    }
  }

  /** What is to be told now; null: nothing. */
  toTell(): { readonly seconds: number; readonly questions: number } | null {
    const silentMs = this.#now() - this.#since
    if (this.#questions === 0 || silentMs < this.#tellAfterMs) return null
    this.#tellAfterMs = 2 * silentMs
    return { seconds: Math.round(silentMs / 1000), questions: this.#questions }
  }

  #heard(): void {
    this.#since = this.#now()
    this.#tellAfterMs = this.#firstMs
  }
}
