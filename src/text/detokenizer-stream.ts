/**
 * Text as it is generated: one piece per id, never half a character.
 *
 * The bytes of the tokens run through an incremental UTF-8 decoder (WHATWG: one U+FFFD per maximal broken part), so a
 * piece may be empty and the next longer. Byte fallback gives up valid characters beside broken bytes, however much later
 * in the same run these come: where pieces are to be together what decoding the whole list gives, its bytes are held until
 * another token ends the run.
 */
import { decodeRun, type Decoder } from './detokenizer.ts'

export type StreamOptions = {
  /** Leave special tokens out. Default true. */
  readonly skipSpecial?: boolean
  /** The ids continue a text, so its leading space is kept. Default false. */
  readonly continuation?: boolean
  /** Holds runs of bytes until they end, so that all pieces together are what decoding gives. Default false. */
  readonly wholeRuns?: boolean
}

export type TokenSource = {
  readonly isSpecial: (id: number) => boolean
  /** The bytes of a token, which may be others at the beginning of a text; undefined for an id outside the vocabulary. */
  readonly bytes: (id: number, isFirst: boolean) => Uint8Array | undefined
  /** Whether it is one byte of a run that is decoded as a whole. */
  readonly isByteOfRun: (id: number) => boolean
}

export class DetokenizerStream {
  readonly #source: TokenSource
  readonly #skipsSpecial: boolean
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
  #leadingSpaces: number
  #isFirst: boolean
  readonly #holdsRuns: boolean
  #run: number[] = []
  readonly #runUtf8 = new TextDecoder('utf-8', { ignoreBOM: true })
  #open = ''

  constructor(source: TokenSource, decoder: Decoder, options: StreamOptions) {
    this.#source = source
    this.#skipsSpecial = options.skipSpecial ?? true
    this.#holdsRuns = options.wholeRuns ?? false
    this.#isFirst = !options.continuation
    this.#leadingSpaces = options.continuation ? 0 : decoder.leadingSpaces
  }

  /** The text that `id` completes; empty while a character or a run of bytes is incomplete. */
  push(id: number): string {
    this.#open = ''
    if (this.#skipsSpecial && this.#source.isSpecial(id)) return ''
    const bytes = this.#source.bytes(id, this.#isFirst)
    if (bytes === undefined) return ''
    this.#isFirst = false
    if (this.#holdsRuns && this.#source.isByteOfRun(id)) {
      this.#run.push(...bytes)
      this.#open = this.#runUtf8.decode(bytes, { stream: true })
      return ''
    }
    return this.#cutStart(this.#endRun() + this.#utf8.decode(bytes, { stream: true }))
  }

  /** What is left: U+FFFD if the ids ended inside a character. */
  end(): string {
    return this.#cutStart(this.#endRun() + this.#utf8.decode())
  }

  /** What the last id completed in a run that is still held: characters, and U+FFFD for what is broken. */
  get open(): string {
    return this.#open
  }

  /** What is left, without so many bytes at the end of the run that is held. */
  endBefore(bytes: number): string {
    this.#run.length = Math.max(0, this.#run.length - bytes)
    return this.end()
  }

  #endRun(): string {
    if (this.#run.length === 0) return ''
    const text = decodeRun(Uint8Array.from(this.#run))
    this.#run = []
    this.#runUtf8.decode()
    return text
  }

  #cutStart(text: string): string {
    if (text === '' || this.#leadingSpaces === 0) return text
    let cut = 0
    while (cut < this.#leadingSpaces && text[cut] === ' ') cut++
    this.#leadingSpaces = 0
    return cut === 0 ? text : text.slice(cut)
  }
}
