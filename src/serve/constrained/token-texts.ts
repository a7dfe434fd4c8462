/** From the bytes of a text to tokens that it may be made of: the longest at each place. */
import type { TokenTable } from './grammar-messages.ts'

export class TokenTexts {
  readonly #idOf = new Map<string, number>()
  #longest = 0

  constructor({ bytes, offsets }: TokenTable) {
    for (let id = 0; id + 1 < offsets.length; id++) {
      const [from, to] = [offsets[id] as number, offsets[id + 1] as number]
      if (from === to) continue
      // Where a byte is a token of its own and a character is one, the character comes later and is what models write.
      this.#idOf.set(characters(bytes.subarray(from, to)), id)
      this.#longest = Math.max(this.#longest, to - from)
    }
  }

  /** Ends where no token fits. */
  tokensOf(bytes: Uint8Array): number[] {
    const text = characters(bytes)
    const ids: number[] = []
    for (let at = 0; at < text.length;) {
      let length = Math.min(this.#longest, text.length - at)
      while (length > 0 && !this.#idOf.has(text.slice(at, at + length))) length--
      if (length === 0) break
      ids.push(this.#idOf.get(text.slice(at, at + length)) as number)
      at += length
    }
    return ids
  }
}

/** A character for each byte. */
function characters(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes)
}
