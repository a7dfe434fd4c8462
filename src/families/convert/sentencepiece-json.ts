/**
 * A SentencePiece model as a tokenizer.json: transformers 5 reads a bare tokenizer.model of a `llava` checkpoint without
 * the space in front, so a folder in its layout needs the other file too.
 *
 * Source: huggingface/transformers 5.23, convert_slow_tokenizer.py, `LlamaConverter` and `generate_merges`.
 */
import { PIECE_TYPES, readSentencePiece, type Piece } from '../../text/sentencepiece-proto.ts'
import type { Tokenizer } from '../../text/tokenizer.ts'
import { addedTokenEntry, jsonBytes } from './written-json.ts'

const SPACE = '▁'

/**
 * The file's bytes, or null for a model that tokenizer.json has no form for. `isLegacy`: every stretch of text between
 * special tokens gets a space in front, and not the first alone.
 */
export function sentencePieceJson(
  model: Uint8Array,
  tokenizer: Tokenizer,
  isLegacy: boolean,
): Uint8Array | null {
  const { pieces, roles, collapsesSpaces, addsPrefixSpace } = readSentencePiece(model)
  if (collapsesSpaces || !addsPrefixSpace) return null
  return jsonBytes({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: tokenizer.addedTokens.map((token) => ({
      id: token.id,
      ...addedTokenEntry(token),
    })),
    ...(isLegacy ? LEGACY_SPACES : FIRST_SPACE),
    post_processor: postProcessor(tokenizer),
    decoder: DECODER,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: roles.unk ?? null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: pieces.some(({ type }) => type === PIECE_TYPES.byte),
      ignore_merges: false,
      vocab: Object.fromEntries(pieces.map(({ piece }, id) => [piece, id])),
      merges: mergesOf(pieces),
    },
  })
}

const MARK_SPACES = { type: 'Replace', pattern: { String: ' ' }, content: SPACE }

const LEGACY_SPACES = {
  normalizer: {
    type: 'Sequence',
    normalizers: [{ type: 'Prepend', prepend: SPACE }, MARK_SPACES],
  },
  pre_tokenizer: null,
}

const FIRST_SPACE = {
  normalizer: null,
  pre_tokenizer: { type: 'Metaspace', replacement: SPACE, prepend_scheme: 'first', split: false },
}

const DECODER = {
  type: 'Sequence',
  decoders: [
    { type: 'Replace', pattern: { String: SPACE }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    { type: 'Strip', content: ' ', start: 1, stop: 0 },
  ],
}

/** BOS in front of a text, where the tokenizer puts one there. */
function postProcessor(tokenizer: Tokenizer): unknown {
  const before = tokenizer.prefixIds.map((id) => ({ id, token: tokenizer.tokenOf(id) ?? '' }))
  const special = (type: number) =>
    before.map(({ token }) => ({ SpecialToken: { id: token, type_id: type } }))
  const sequence = (id: string, type: number) => ({ Sequence: { id, type_id: type } })
  return {
    type: 'TemplateProcessing',
    single: [...special(0), sequence('A', 0)],
    pair: [...special(0), sequence('A', 0), ...special(1), sequence('B', 1)],
    special_tokens: Object.fromEntries(
      before.map(({ id, token }) => [token, { id: token, ids: [id], tokens: [token] }]),
    ),
  }
}

/** Every way to join two pieces to one, the best piece first; the ways to the same piece by the ids of its parts. */
function mergesOf(pieces: readonly Piece[]): string[] {
  const ids = new Map(pieces.map(({ piece }, id) => [piece, id]))
  const merges: { left: string; right: string; score: number }[] = []
  for (const { piece, score } of pieces) {
    const letters = Array.from(piece)
    const ways = letters.slice(1).flatMap((_, i) => {
      const left = letters.slice(0, i + 1).join('')
      const right = letters.slice(i + 1).join('')
      return ids.has(left) && ids.has(right) ? [{ left, right, score }] : []
    })
    const rank = (text: string) => ids.get(text) as number
    merges.push(
      ...ways.sort((a, b) => rank(a.left) - rank(b.left) || rank(a.right) - rank(b.right)),
    )
  }
  return merges.sort((a, b) => b.score - a.score).map(({ left, right }) => `${left} ${right}`)
}
