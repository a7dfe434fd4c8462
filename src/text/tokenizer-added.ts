/**
 * Added tokens: strings that are one token wherever they stand, found before anything else looks at the text.
 *
 *   text ─ **added tokens** ─▶ stretches between them ─ normalizer ─ pre-tokenizer ─ model
 *
 * At each place the longest one wins. Tokens marked `normalized` are looked for in normalised text, in their own
 * normalised spelling, and their ids are decoded to that: `▁<tool>`. (So does 0.23, which then shows special tokens that it
 * was asked to leave out; here they are left out. Before, the spelling in the file was decoded: docs/decisions.md.)
 * Source: huggingface/tokenizers, src/tokenizer/added_vocabulary.rs (0.23).
 */
import type { Normalizer } from './normalizer.ts'

export type AddedToken = {
  readonly id: number
  readonly content: string
  /** Controls the model; left out by `skipSpecial` and not looked for in text that is read as plain. */
  readonly special: boolean
  /** Takes the white space before it (`lstrip`) or after it (`rstrip`) along. */
  readonly lstrip: boolean
  readonly rstrip: boolean
  /** Only between characters that are not part of words. */
  readonly singleWord: boolean
  readonly normalized: boolean
}

/** A special token as most files declare it. */
export function specialToken(id: number, content: string): AddedToken {
  const flags = { lstrip: false, rstrip: false, singleWord: false, normalized: false }
  return { id, content, special: true, ...flags }
}

/** A stretch of normalised text, or the id of a token that was found. */
export type Stretch = { readonly text: string; readonly isStart: boolean } | number

type Piece = { readonly start: number; readonly end: number; readonly token?: AddedToken }

/** Finds the added tokens of a text and normalises what lies between them. */
export class AddedTokens {
  readonly #raw: TokenTrie
  readonly #normalized: TokenTrie
  readonly #normalize: Normalizer
  readonly #spellings = new Map<number, string>()

  constructor(tokens: readonly AddedToken[], normalize: Normalizer) {
    this.#normalize = normalize
    this.#raw = new TokenTrie()
    this.#normalized = new TokenTrie()
    for (const token of tokens) {
      const spelling = token.normalized ? normalize(token.content) : token.content
      const trie = token.normalized ? this.#normalized : this.#raw
      trie.add(spelling, token)
      this.#spellings.set(token.id, spelling)
    }
  }

  /** What the id of an added token is decoded from; undefined for any other. */
  spellingOf(id: number): string | undefined {
    return this.#spellings.get(id)
  }

  /** The text in order; with `parsesSpecial` false, special tokens are plain characters. */
  split(text: string, parsesSpecial: boolean): Stretch[] {
    const result: Stretch[] = []
    for (const piece of findTokens(text, this.#raw, parsesSpecial)) {
      if (piece.token) {
        result.push(piece.token.id)
        continue
      }
      const normal = this.#normalize(text.slice(piece.start, piece.end))
      for (const part of findTokens(normal, this.#normalized, parsesSpecial)) {
        if (part.token) result.push(part.token.id)
        else {
          const isStart = piece.start === 0 && part.start === 0
          result.push({ text: normal.slice(part.start, part.end), isStart })
        }
      }
    }
    return result
  }
}

function findTokens(text: string, trie: TokenTrie, parsesSpecial: boolean): Piece[] {
  if (text === '') return []
  const pieces: Piece[] = []
  let done = 0
  for (let at = trie.next(text, 0); at < text.length; at = trie.next(text, at)) {
    const token = trie.longest(text, at)
    if (!token) {
      at++
      continue
    }
    let start = at
    let end = at + trie.lengthOf(token)
    at = end
    if (token.special && !parsesSpecial) continue
    if (token.singleWord && (isWord(charBefore(text, start)) || isWord(charAt(text, end)))) continue
    if (token.lstrip && end <= done) continue
    if (token.lstrip) while (start > done && isSpace(text[start - 1])) start--
    if (token.rstrip) while (isSpace(text[end])) end++
    if (start > done) pieces.push({ start: done, end: start })
    pieces.push({ start, end, token })
    // White space that a token took along may hold the next one all the same, unless that takes some too: as the source.
    done = end
  }
  if (done < text.length) pieces.push({ start: done, end: text.length })
  return pieces
}

/** `label`: what leads from the node above to this one. */
type TrieNode = {
  label: string
  next: Map<number, TrieNode> | null
  token?: AddedToken | undefined
}

/**
 * Tokens by what they begin with; the longest that begins at a place is found in time of its length. A node stands where
 * spellings part, so there are no more than two a token, however long they are.
 */
class TokenTrie {
  readonly #root = { label: '', next: new Map<number, TrieNode>() }
  readonly #lengths = new Map<AddedToken, number>()

  add(spelling: string, token: AddedToken): void {
    if (spelling === '') return
    this.#lengths.set(token, spelling.length)
    let node: TrieNode = this.#root
    for (let at = 0; at < spelling.length;) {
      const code = spelling.charCodeAt(at)
      const child: TrieNode | undefined = node.next?.get(code)
      if (!child) {
        node.next ??= new Map()
        node.next.set(code, { label: spelling.slice(at), next: null, token })
        return
      }
      const shared = sharedLength(child.label, spelling, at)
      if (shared < child.label.length) splitNode(child, shared)
      node = child
      at += shared
    }
    node.token = token
  }

  lengthOf(token: AddedToken): number {
    return this.#lengths.get(token) as number
  }

  /** The first place from `at` on where a token may begin, or the length of the text. */
  next(text: string, at: number): number {
    const starts = this.#root.next
    if (starts.size === 0) return text.length
    if (starts.size === 1) {
      const [code] = starts.keys()
      const found = text.indexOf(String.fromCharCode(code as number), at)
      return found < 0 ? text.length : found
    }
    while (at < text.length && !starts.has(text.charCodeAt(at))) at++
    return at
  }

  longest(text: string, at: number): AddedToken | undefined {
    let node: TrieNode | undefined = this.#root
    let found: AddedToken | undefined
    for (let end = at; ; end += node.label.length) {
      node = node.next?.get(text.charCodeAt(end))
      if (!node || !text.startsWith(node.label, end)) return found
      if (node.token) found = node.token
    }
  }
}

/** How far a label and a spelling from `at` on agree. */
function sharedLength(label: string, spelling: string, at: number): number {
  let length = 0
  while (length < label.length && label[length] === spelling[at + length]) length++
  return length
}

/** Puts a node where a label is cut. */
function splitNode(node: TrieNode, at: number): void {
  const { next, token } = node
  const lower = { label: node.label.slice(at), next, token }
  node.next = new Map([[lower.label.charCodeAt(0), lower]])
  node.label = node.label.slice(0, at)
  node.token = undefined
}

function isSpace(char: string | undefined): boolean {
  return char !== undefined && /\p{White_Space}/u.test(char)
}

function isWord(char: string): boolean {
  return /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u.test(char)
}

function charAt(text: string, at: number): string {
  const code = text.codePointAt(at)
  return code === undefined ? '' : String.fromCodePoint(code)
}

function charBefore(text: string, at: number): string {
  const pair = at > 1 ? (text.codePointAt(at - 2) as number) : 0
  return pair > 0xffff ? String.fromCodePoint(pair) : at > 0 ? (text[at - 1] as string) : ''
}
