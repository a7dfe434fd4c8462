/**
 * A tokenizer from a SentencePiece model (BPE): LLaMA, Vicuna, Mistral, Yi.
 *
 * Spaces are written ▁, and a text gets one in front. Where exactly is the difference between transformers' versions
 * of the same tokenizer, and checkpoints were trained with each of them: see SpaceRule.
 * Source: google/sentencepiece, src/bpe_model.cc, src/normalizer.cc (0.2); huggingface/transformers 4.37,
 * models/llama/tokenization_llama.py.
 */
import { checkArgument } from '../core/check-argument.ts'
import { checkChoice } from '../core/check-choice.ts'
import { atOnce, type Steps } from '../core/steps.ts'
import { Bpe } from './bpe.ts'
import { pieceMergeSteps } from './bpe-merges.ts'
import { compileDecoder } from './detokenizer.ts'
import {
  PIECE_TYPES,
  sentencePieceSteps,
  type Piece,
  type SentencePieceModel,
} from './sentencepiece-proto.ts'
import { AddedTokens, specialToken, type AddedToken } from './tokenizer-added.ts'
import { mergeAdded, mergeRoles, readTokenizerConfig } from './tokenizer-config.ts'
import type { TokenizerConfig, TokenizerFiles } from './tokenizer-config.ts'
import { damaged, unsupported } from './tokenizer-fields.ts'
import { Tokenizer, type TokenizerParts } from './tokenizer.ts'
import { byteTokenIds, vocabularySteps } from './tokenizer-vocabulary.ts'

/**
 * Where ▁ is put in front.
 *
 *   legacy   of every stretch between added tokens (tokenizer_config.json `legacy: true`, its default; SentencePiece)
 *   once     of the whole text, even if it begins with a space, unless an added token comes first (`legacy: false`)
 *   first    of the whole text, unless it begins with a space or an added token (transformers' fast tokenizer)
 *   always   of every stretch that does not begin with a space (transformers 5)
 */
export type SpaceRule = (typeof SPACE_RULES)[number]

export const SPACE_RULES = ['legacy', 'once', 'first', 'always'] as const

/** The tokenizer of a `tokenizer.model` file; `spaces` overrides the rule that the files beside it give. */
export function tokenizerFromSentencePiece(
  bytes: Uint8Array,
  files: TokenizerFiles = {},
  spaces?: SpaceRule,
): Tokenizer {
  checkArgument('tokenizerFromSentencePiece: bytes', bytes, 'bytes in a Uint8Array')
  checkArgument('tokenizerFromSentencePiece: files', files, 'an object')
  checkChoice('tokenizerFromSentencePiece: spaces', spaces, SPACE_RULES)
  return atOnce(modelSteps(bytes, files, spaces))
}

/** The same with pauses. */
export function* modelSteps(
  bytes: Uint8Array,
  files: TokenizerFiles,
  spaces?: SpaceRule,
): Steps<Tokenizer> {
  const config = readTokenizerConfig(files)
  return yield* pieceSteps(yield* sentencePieceSteps(bytes), config, spaces)
}

/** The same from pieces, wherever they were read. */
export function* pieceSteps(
  model: SentencePieceModel,
  config: TokenizerConfig,
  spaces?: SpaceRule,
): Steps<Tokenizer> {
  const { pieces } = model
  const vocabulary = yield* vocabularySteps(
    pieces.map(({ piece }, id) => [piece, id] as const),
    'pieces',
  )
  if (vocabulary.ids.size < pieces.length) throw damaged('pieces', 'all different', pieces.length)
  const roles = mergeRoles(config, model.roles)
  const added = mergeAdded(controlTokens(pieces), config, vocabulary)
  const rule = spaces ?? (config.legacy ? 'legacy' : 'once')
  const isPrefixed = model.addsPrefixSpace && config.addsPrefixSpace
  const around = (token: string | undefined): number[] => {
    const id = added.find(({ content }) => content === token)?.id
    return id === undefined ? [] : [id]
  }
  const encode = yield* encoderSteps(model)
  return new Tokenizer({
    vocabulary,
    added,
    roles,
    normalize: (text) => text,
    ...spacing(rule, isPrefixed, tidied(rule, model, encode), vocabulary.ids.get(SPACE)),
    around: {
      before: config.addsBos ? around(roles.bos) : [],
      after: config.addsEos ? around(roles.eos) : [],
    },
    decoder: compileDecoder(decoderOf(isPrefixed)),
  })
}

const SPACE = '▁'

function controlTokens(pieces: readonly Piece[]): AddedToken[] {
  const isControl = ({ type }: Piece): boolean =>
    type === PIECE_TYPES.control || type === PIECE_TYPES.unknown
  return pieces.flatMap((piece, id) => (isControl(piece) ? [specialToken(id, piece.piece)] : []))
}

type EncodeMarked = (text: string, ids: number[]) => Steps<void>

/** Models that remove extra white space never see a space beside another one, nor at an end. */
function tidied(rule: SpaceRule, model: SentencePieceModel, encode: EncodeMarked): TidyAndEncode {
  if (!model.collapsesSpaces) return { tidy: (text) => text, encode }
  // Under `once` a stretch is shielded by what transformers puts in front of it, so its leading space stays.
  const ends = rule === 'once' ? / $/ : /^ | $/g
  return { tidy: (text) => text.replace(/ {2,}/g, ' ').replace(ends, ''), encode }
}

type TidyAndEncode = { readonly tidy: (text: string) => string; readonly encode: EncodeMarked }

/** Encodes text whose spaces are marks already. User-defined pieces are taken out first and never merge. */
function* encoderSteps(model: SentencePieceModel): Steps<EncodeMarked> {
  const { pieces } = model
  if (pieces.some(({ type }) => type === PIECE_TYPES.unused)) {
    throw unsupported('tokenizer.model', 'a model with unused pieces', 'models without them')
  }
  const normal = pieces.flatMap(({ piece, score, type }, id) =>
    type === PIECE_TYPES.normal ? [{ id, piece, score }] : [],
  )
  const ids = new Map(normal.map(({ id, piece }) => [piece, id]))
  // Sorting is stable, so that equal scores keep the order of their ids; they share one rank all the same.
  const order = normal.sort((a, b) => b.score - a.score)
  const ranked = order.map((piece, i) => ({ ...piece, isTie: order[i - 1]?.score === piece.score }))
  const unknown = pieces.findIndex(({ type }) => type === PIECE_TYPES.unknown)
  const bpe = new Bpe({
    ids,
    merges: yield* pieceMergeSteps(ids, ranked),
    byteIds: byteTokenIds(new Map(bytePieces(pieces))),
    unkId: unknown < 0 ? undefined : unknown,
    fuseUnk: true,
  })
  const fixed = pieces.flatMap(({ piece, type }, id) =>
    type === PIECE_TYPES.userDefined ? [{ ...specialToken(id, piece), special: false }] : [],
  )
  const splitter = new AddedTokens(fixed, (text) => text)
  return function* (text, out) {
    for (const stretch of splitter.split(text, true)) {
      if (typeof stretch === 'number') out.push(stretch)
      else yield* bpe.encode([stretch.text], out)
    }
  }
}

function bytePieces(pieces: readonly Piece[]): [string, number][] {
  return pieces.flatMap(({ piece, type }, id) =>
    type === PIECE_TYPES.byte ? [[piece, id] as [string, number]] : [],
  )
}

/** What a rule does to the text before, in and after encoding. */
function spacing(
  rule: SpaceRule,
  isPrefixed: boolean,
  model: TidyAndEncode,
  spaceId: number | undefined,
): Pick<TokenizerParts, 'prepare' | 'encode' | 'finish'> {
  const wantsSpace = (marked: string, isStart: boolean): boolean => {
    if (!isPrefixed || rule === 'once') return false
    if (rule === 'legacy') return true
    return !marked.startsWith(SPACE) && (rule === 'always' || isStart)
  }
  const encode: TokenizerParts['encode'] = function* (text, isStart, ids) {
    const marked = model.tidy(text).replaceAll(' ', SPACE)
    if (marked === '') return
    yield* model.encode(wantsSpace(marked, isStart) ? SPACE + marked : marked, ids)
  }
  if (rule !== 'once' || !isPrefixed) return { encode }
  return {
    encode,
    prepare: (text) => (text === '' ? '' : SPACE + text.replaceAll(SPACE, ' ')),
    finish: (ids, isSpecial) => {
      const isLone = ids.length > 1 && ids[0] === spaceId && isSpecial(ids[1] as number)
      return isLone ? ids.slice(1) : ids
    },
  }
}

/** The steps that LLaMA's tokenizer.json names. */
function decoderOf(isPrefixed: boolean): unknown {
  return {
    type: 'Sequence',
    decoders: [
      { type: 'Replace', pattern: { String: SPACE }, content: ' ' },
      { type: 'ByteFallback' },
      { type: 'Fuse' },
      { type: 'Strip', content: ' ', start: isPrefixed ? 1 : 0, stop: 0 },
    ],
  }
}
