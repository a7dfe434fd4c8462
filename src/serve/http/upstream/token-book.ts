/**
 * Which bytes are which token, where the tokenizer is somewhere else: ids are looked up at a worker once, and tokens that
 * are named by their bytes alone get numbers of ours below zero, which no client is shown.
 */
export class TokenBook {
  readonly #bytes = new Map<number, Uint8Array>()
  readonly #numbers = new Map<string, number>()
  readonly #detokenize: Detokenize

  constructor(detokenize: Detokenize) {
    this.#detokenize = detokenize
  }

  /** Of ids that were learnt or numbered. */
  bytesOf(id: number): Uint8Array {
    const bytes = this.#bytes.get(id)
    if (bytes) return bytes
    throw new Error(`internal: token ${id} was not looked up`)
  }

  numberOf(bytes: Uint8Array): number {
    const name = bytes.join(' ')
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    const number = -1 - this.#numbers.size
    this.#numbers.set(name, number)
    this.#bytes.set(number, bytes)
    return number
  }

  async learn(ids: readonly number[], signal: AbortSignal): Promise<void> {
    const unknown = [...new Set(ids)].filter((id) => !this.#bytes.has(id))
    await Promise.all(
      unknown.map(async (id) => {
        this.#bytes.set(id, new TextEncoder().encode(await this.#detokenize(id, signal)))
      }),
    )
  }
}

type Detokenize = (id: number, signal: AbortSignal) => Promise<string>
