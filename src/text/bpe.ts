/**
 * Byte-pair encoding: a piece of text becomes symbols, and neighbours merge, lowest rank first, leftmost first.
 *
 *   text ─ normalizer ─ pre-tokenizer ─▶ pieces ─ Bpe ─▶ ids
 *
 * Time is linear in the text but for runs that no rule cuts, which take n log n. Words are remembered.
 * Source: arXiv:1508.07909; behaviour of unknown characters as in huggingface/tokenizers, models/bpe/model.rs (0.23).
 */
import { atOnce, type Steps } from '../core/steps.ts'
import type { MergeTable } from './bpe-merges.ts'
import { mergeSymbols } from './bpe-merge.ts'
import { toByteChars } from './tokenizer-bytes.ts'

export type BpeOptions = {
  /** Ids of the pieces that symbols are looked up in. */
  readonly ids: ReadonlyMap<string, number>
  readonly merges: MergeTable
  /** Pieces are spelt in the stand-ins of their UTF-8 bytes. */
  readonly byteLevel?: boolean
  /** A piece that is a token as it stands is not merged from its symbols (Llama 3). */
  readonly ignoreMerges?: boolean
  /** Id of each byte's token `<0xNN>`, −1 where there is none; spells characters outside the vocabulary. */
  readonly byteIds?: Int32Array
  readonly unkId?: number
  /** Neighbouring unknown characters share one unknown token. */
  readonly fuseUnk?: boolean
  readonly continuingSubwordPrefix?: string
  readonly endOfWordSuffix?: string
}

/** Words up to this length are remembered; longer ones hardly ever come back. */
const MAX_CACHED_LENGTH = 48
/** Of all of them together: some fifty thousand words of a language. */
export const MAX_CACHED_BYTES = 8 << 20
/** What V8 takes for a word and its list of ids, beside characters and ids. */
const WORD_BYTES = 120
/** Between two pauses: words, most of them remembered, and characters that are looked up. */
const [WORDS, CHARACTERS] = [4096, 16_384]
const SPACE = '▁'

const encoder = new TextEncoder()

export class Bpe {
  readonly #options: BpeOptions
  readonly #cache = new Map<string, readonly number[]>()
  #cachedBytes = 0
  readonly #uncutBefore: ReadonlySet<number> | undefined

  constructor(options: BpeOptions) {
    this.#options = options
    this.#uncutBefore = charactersJoinedToSpace(options)
  }

  /** What the remembered words take, about. */
  get cachedBytes(): number {
    return this.#cachedBytes
  }

  /** Appends the ids of pieces, with pauses. Without a pre-tokenizer there is one piece, the whole text. */
  *encode(pieces: readonly string[], ids: number[]): Steps<void> {
    let count = 0
    for (const piece of pieces) {
      for (const word of this.#words(piece)) {
        if (++count % WORDS === 0) yield
        if (word.length <= MAX_CACHED_LENGTH) this.#encodeWord(word, ids)
        else for (const id of yield* this.#mergeWord(word)) ids.push(id)
      }
    }
  }

  #words(piece: string): readonly string[] {
    const joined = this.#uncutBefore
    if (joined === undefined) return [piece]
    const words: string[] = []
    let start = 0
    for (let at = piece.indexOf(SPACE, 1); at > 0; at = piece.indexOf(SPACE, at + 1)) {
      const before = piece.charCodeAt(at - 1)
      if (before === SPACE_CODE || joined.has(before)) continue
      words.push(piece.slice(start, at))
      start = at
    }
    if (start < piece.length) words.push(start === 0 ? piece : piece.slice(start))
    return words
  }

  #encodeWord(word: string, ids: number[]): void {
    let found = this.#cache.get(word)
    if (found === undefined) {
      // Of the list that grew, a copy without the room to grow further.
      found = atOnce(this.#mergeWord(word)).slice()
      this.#remember(word, found)
    }
    for (let i = 0; i < found.length; i++) ids.push(found[i] as number)
  }

  #remember(word: string, ids: readonly number[]): void {
    const bytes = WORD_BYTES + 2 * word.length + 8 * ids.length
    if (this.#cachedBytes + bytes > MAX_CACHED_BYTES) {
      this.#cache.clear()
      this.#cachedBytes = 0
    }
    this.#cache.set(detach(word), ids)
    this.#cachedBytes += bytes
  }

  *#mergeWord(word: string): Steps<number[]> {
    const { byteLevel, ignoreMerges, ids, merges } = this.#options
    const spelt = byteLevel ? toByteChars(word) : word
    if (ignoreMerges) {
      const whole = ids.get(spelt)
      if (whole !== undefined) return [whole]
    }
    return yield* mergeSymbols(yield* this.#symbols(spelt), merges)
  }

  *#symbols(word: string): Steps<number[]> {
    const { ids, byteIds, unkId, fuseUnk } = this.#options
    const prefix = this.#options.continuingSubwordPrefix ?? ''
    const suffix = this.#options.endOfWordSuffix ?? ''
    const symbols: number[] = []
    let isUnkPending = false
    let [end, count] = [0, 0]
    for (const char of word) {
      if (++count % CHARACTERS === 0) yield
      let symbol = end > 0 ? prefix + char : char
      end += char.length
      if (end === word.length) symbol += suffix
      const id = ids.get(symbol)
      // The pending unknown comes out before the next known character, not before byte tokens: so does the model's source.
      if (id !== undefined) {
        if (isUnkPending) symbols.push(unkId as number)
        isUnkPending = false
        symbols.push(id)
      } else if (!pushBytes(byteIds, symbol, symbols) && unkId !== undefined) {
        if (isUnkPending && !fuseUnk) symbols.push(unkId)
        isUnkPending = true
      }
    }
    if (isUnkPending) symbols.push(unkId as number)
    return symbols
  }
}

const SPACE_CODE = SPACE.charCodeAt(0)

/** Spells a symbol in byte tokens; false if one of its bytes has none. */
function pushBytes(byteIds: Int32Array | undefined, symbol: string, symbols: number[]): boolean {
  if (byteIds === undefined) return false
  const bytes = encoder.encode(symbol)
  if (bytes.some((byte) => (byteIds[byte] as number) < 0)) return false
  for (const byte of bytes) symbols.push(byteIds[byte] as number)
  return true
}

/**
 * Where a text without pre-tokenizer may be cut before a ▁ without changing its ids: wherever no piece holds the
 * character before it and ▁ side by side. Then no merge ever crosses the cut, and merges on one side do not depend on
 * the other. Returns the last code units before which nothing may be cut, or undefined where cutting is not provably
 * safe at all. LLaMA's and Mistral's vocabularies allow every cut.
 */
function charactersJoinedToSpace(options: BpeOptions): ReadonlySet<number> | undefined {
  const { ids, byteIds, unkId, ignoreMerges, byteLevel } = options
  const isWordBound = options.continuingSubwordPrefix || options.endOfWordSuffix
  if (!ids.has(SPACE) || ignoreMerges || byteLevel || isWordBound) return undefined
  // A character that vanishes brings its neighbours together, whatever stands between them in the text.
  const vanishes = unkId === undefined && !byteIds?.every((id) => id >= 0)
  if (vanishes) return undefined
  const joined = new Set<number>()
  for (const piece of ids.keys()) {
    for (let at = piece.indexOf(SPACE, 1); at > 0; at = piece.indexOf(SPACE, at + 1)) {
      // A byte or unknown token stands for characters that its spelling does not show.
      const before = ids.get(piece.slice(0, at))
      if (before !== undefined && (before === unkId || byteIds?.includes(before))) return undefined
      joined.add(piece.charCodeAt(at - 1))
    }
  }
  return joined
}

/** A copy that does not keep alive the long text it was cut from (V8 slices share their parent from 13 characters on). */
function detach(word: string): string {
  return word.length < 13 ? word : ` ${word}`.slice(1)
}
