/**
 * Text as it is generated: one piece per id, never half a character.
 *
 * The bytes of the tokens run through an incremental UTF-8 decoder (WHATWG: one U+FFFD per maximal broken part), so a
 * piece may be empty and the next longer. Only where bytes are broken can the concatenation differ from decoding the
 * whole list at once, whose byte fallback gives up valid characters beside broken ones too.
 */
import type { Decoder } from './detokenizer.ts'

export type StreamOptions = {
  /** Leave special tokens out. Default true. */
  readonly skipSpecial?: boolean
  /** The ids continue a text, so its leading space is kept. Default false. */
  readonly continuation?: boolean
}

export type TokenSource = {
  readonly isSpecial: (id: number) => boolean
  /** The bytes of a token; none for an id outside the vocabulary. */
  readonly bytes: (id: number) => Uint8Array
}

export class DetokenizerStream {
  readonly #source: TokenSource
  readonly #skipsSpecial: boolean
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
  #leadingSpaces: number

  constructor(source: TokenSource, decoder: Decoder, options: StreamOptions) {
    this.#source = source
    this.#skipsSpecial = options.skipSpecial ?? true
    this.#leadingSpaces = options.continuation ? 0 : decoder.leadingSpaces
  }

  /** The text that `id` completes; empty while a character is incomplete. */
  push(id: number): string {
    if (this.#skipsSpecial && this.#source.isSpecial(id)) return ''
    return this.#cutStart(this.#utf8.decode(this.#source.bytes(id), { stream: true }))
  }

  /** What is left: U+FFFD if the ids ended inside a character. */
  end(): string {
    return this.#cutStart(this.#utf8.decode())
  }

  #cutStart(text: string): string {
    if (text === '' || this.#leadingSpaces === 0) return text
    let cut = 0
    while (cut < this.#leadingSpaces && text[cut] === ' ') cut++
    this.#leadingSpaces = 0
    return cut === 0 ? text : text.slice(cut)
  }
}
