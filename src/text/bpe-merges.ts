/**
 * The merges of a byte-pair encoding: (left id, right id) → (rank, resulting id).
 *
 * An open-addressing table over typed arrays: a few hundred thousand pairs cost 20 bytes each, and a look-up, of which
 * encoding makes one per symbol and merge, allocates nothing.
 */
import { atOnce, type Steps } from '../core/steps.ts'
import { damaged } from './tokenizer-fields.ts'

/** Ranks share a float64 with a position when long runs are merged, so both are bounded. */
export const MAX_RANK = 2 ** 22

/** Far above any real piece (128 spaces in Llama 3); bounds the work on a hostile file. */
const MAX_PIECE = 1024

export class MergeTable {
  readonly #slots: Int32Array // entry + 1; 0 is free
  readonly #mask: number
  readonly #left: Int32Array
  readonly #right: Int32Array
  readonly #rank: Int32Array
  readonly #result: Int32Array
  #count = 0

  /** A table for at most `capacity` pairs. */
  constructor(capacity: number) {
    if (capacity > MAX_RANK) throw damaged('merges', `at most ${MAX_RANK} pairs`, capacity)
    const slots = 2 ** Math.ceil(Math.log2(Math.max(8, capacity * 1.8)))
    this.#slots = new Int32Array(slots)
    this.#mask = slots - 1
    this.#left = new Int32Array(capacity)
    this.#right = new Int32Array(capacity)
    this.#rank = new Int32Array(capacity)
    this.#result = new Int32Array(capacity)
  }

  get size(): number {
    return this.#count
  }

  /** Adds a pair; a pair given twice keeps what came last, as tokenizers does. */
  set(left: number, right: number, rank: number, result: number): void {
    const slot = this.#slotOf(left, right)
    let entry = (this.#slots[slot] as number) - 1
    if (entry < 0) {
      entry = this.#count++
      this.#slots[slot] = entry + 1
      this.#left[entry] = left
      this.#right[entry] = right
    }
    this.#rank[entry] = rank
    this.#result[entry] = result
  }

  /** The entry of a pair, or −1 if these two never merge. */
  find(left: number, right: number): number {
    return (this.#slots[this.#slotOf(left, right)] as number) - 1
  }

  rank(entry: number): number {
    return this.#rank[entry] as number
  }

  result(entry: number): number {
    return this.#result[entry] as number
  }

  #slotOf(left: number, right: number): number {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35)
    let slot = (hash ^ (hash >>> 13)) & this.#mask
    for (;;) {
      const entry = (this.#slots[slot] as number) - 1
      if (entry < 0 || (this.#left[entry] === left && this.#right[entry] === right)) return slot
      slot = (slot + 1) & this.#mask
    }
  }
}

type OrderedPiece = { readonly id: number; readonly piece: string; readonly isTie: boolean }

/** Pieces between two pauses. */
const PIECES = 1024

/**
 * The merges of a vocabulary that has scores or ranks of its pieces and no list of merges (SentencePiece, tiktoken).
 *
 * Two neighbours merge if their concatenation is a piece; `order` holds the ids of the pieces, the first to merge
 * first, and `ties` says that a piece has the same score as the one before it: then the leftmost pair goes first.
 * LLaMA needs the scores: its runs of ▁ have early ids and the score −1e9.
 * Source: google/sentencepiece, src/bpe_model.cc, SampleEncode.
 */
export function mergesOfPieces(
  ids: ReadonlyMap<string, number>,
  order: readonly OrderedPiece[],
): MergeTable {
  return atOnce(pieceMergeSteps(ids, order))
}

/** The same with pauses. */
export function* pieceMergeSteps(
  ids: ReadonlyMap<string, number>,
  order: readonly OrderedPiece[],
): Steps<MergeTable> {
  const found: number[] = []
  let rank = -1
  for (const [i, { id, piece, isTie }] of order.entries()) {
    if (i % PIECES === 0) yield
    if (piece.length > MAX_PIECE) throw damaged(`piece ${id}`, `at most ${MAX_PIECE} long`, piece)
    if (!isTie || rank < 0) rank++
    for (let cut = 1; cut < piece.length; cut++) {
      if (isLowSurrogate(piece.charCodeAt(cut))) continue
      const left = ids.get(piece.slice(0, cut))
      if (left === undefined) continue
      const right = ids.get(piece.slice(cut))
      if (right !== undefined) found.push(left, right, rank, id)
    }
  }
  const table = new MergeTable(found.length / 4)
  for (let i = 0; i < found.length; i += 4) {
    if (i % (64 * PIECES) === 0) yield
    table.set(
      found[i] as number,
      found[i + 1] as number,
      found[i + 2] as number,
      found[i + 3] as number,
    )
  }
  return table
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code < 0xe000
}
