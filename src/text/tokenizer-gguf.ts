/**
 * A tokenizer from the `tokenizer.ggml.*` metadata of a GGUF file.
 *
 * `llama` is SentencePiece with scores, `gpt2` byte-level BPE with merges; how `gpt2` cuts a text into words is only
 * named (`tokenizer.ggml.pre`), and the names stand for llama.cpp's expressions.
 * Source: ggml-org/ggml, docs/gguf.md; ggml-org/llama.cpp, src/llama-vocab.cpp (b4000 and on).
 */
import { checkArgument } from '../core/check-argument.ts'
import { atOnce, type Steps } from '../core/steps.ts'
import { Bpe } from './bpe.ts'
import { compileDecoder } from './detokenizer.ts'
import { compileNormalizer } from './normalizer.ts'
import { compilePreTokenizer } from './pre-tokenizer.ts'
import {
  GPT2_PATTERN,
  LLAMA3_PATTERN,
  NUMBERS_PATTERN,
  QWEN2_PATTERN,
  SIGNS_PATTERN,
  THREE_DIGITS_PATTERN,
} from './published-patterns.ts'
import { PIECE_TYPES } from './sentencepiece-proto.ts'
import { pieceSteps } from './sentencepiece.ts'
import { specialToken, type AddedToken } from './tokenizer-added.ts'
import { readTokenizerConfig } from './tokenizer-config.ts'
import { asFlag, asText, damaged, unsupported } from './tokenizer-fields.ts'
import { mergeSteps } from './tokenizer-json.ts'
import { Tokenizer, type TokenRoles } from './tokenizer.ts'
import { vocabularySteps } from './tokenizer-vocabulary.ts'

export type GgufMetadata = ReadonlyMap<string, unknown>

/** Throws CheckpointError where the metadata are damaged, ConfigError for a vocabulary that is not supported. */
export function tokenizerFromGguf(metadata: GgufMetadata): Tokenizer {
  checkArgument('tokenizerFromGguf: metadata', metadata, 'a Map')
  return atOnce(ggufSteps(metadata))
}

/** The same with pauses. */
export function* ggufSteps(metadata: GgufMetadata): Steps<Tokenizer> {
  const model = asText(metadata.get('tokenizer.ggml.model'), 'tokenizer.ggml.model')
  if (model === 'llama') return yield* fromScores(metadata)
  if (model === 'gpt2') return yield* fromMerges(metadata)
  throw unsupported('tokenizer.ggml.model', model, 'llama, gpt2')
}

function* fromScores(metadata: GgufMetadata): Steps<Tokenizer> {
  const tokens = readTokens(metadata)
  const scores = readNumbers(metadata, 'scores', tokens.length)
  const types = readTypes(metadata, tokens.length)
  const config = readTokenizerConfig({
    tokenizerConfig: {
      add_bos_token: addsToken(metadata, 'bos', true),
      add_eos_token: addsToken(metadata, 'eos', false),
    },
  })
  // llama.cpp takes user-defined tokens out of the text before it marks spaces: they are added tokens, not pieces.
  const added = addedTokens(tokens, types).filter(({ special }) => !special)
  const pieces = tokens.map((piece, id) => {
    const type = types[id] as number
    const isHidden = type === PIECE_TYPES.userDefined || type === PIECE_TYPES.unused
    return { piece, score: scores[id] as number, type: isHidden ? PIECE_TYPES.outside : type }
  })
  const addsPrefixSpace = asFlag(
    metadata.get('tokenizer.ggml.add_space_prefix'),
    true,
    'add_space_prefix',
  )
  const roles = readRoles(metadata, tokens)
  const model = { pieces, roles, addsPrefixSpace, collapsesSpaces: false }
  return yield* pieceSteps(model, { ...config, added })
}

export type WordRule = {
  readonly patterns: readonly string[]
  readonly addsBos?: boolean
  readonly normalizer?: string
}

const SMOLLM: WordRule = { patterns: ['\\p{N}', GPT2_PATTERN] }
const LLAMA3: WordRule = { patterns: [LLAMA3_PATTERN], addsBos: true }

/** Each expression cuts what the one before it left, matches and the stretches between them alike. */
const WORD_RULES: { readonly [pre: string]: WordRule } = {
  default: { patterns: [SIGNS_PATTERN, GPT2_PATTERN, NUMBERS_PATTERN, THREE_DIGITS_PATTERN] },
  'gpt-2': { patterns: [GPT2_PATTERN] },
  smollm: SMOLLM,
  'llama-bpe': LLAMA3,
  llama3: LLAMA3,
  'llama-v3': LLAMA3,
  // llama.cpp leaves out the NFC that Qwen2's own tokenizer.json has; the model was trained with it.
  qwen2: { patterns: [QWEN2_PATTERN], normalizer: 'NFC' },
}

/** What the metadata of a byte-level BPE vocabulary say, checked. */
export type GgufBpe = {
  readonly tokens: readonly string[]
  readonly merges: readonly unknown[]
  readonly added: readonly AddedToken[]
  readonly rule: WordRule
  readonly roles: TokenRoles
}

/** Throws as `tokenizerFromGguf` does, and ConfigError for a vocabulary of another model. */
export function readGgufBpe(metadata: GgufMetadata): GgufBpe {
  const model = asText(metadata.get('tokenizer.ggml.model'), 'tokenizer.ggml.model')
  if (model !== 'gpt2') throw unsupported('tokenizer.ggml.model', model, 'gpt2')
  const tokens = readTokens(metadata)
  const pre = asText(metadata.get('tokenizer.ggml.pre') ?? 'default', 'tokenizer.ggml.pre')
  const rule = Object.hasOwn(WORD_RULES, pre) ? WORD_RULES[pre] : undefined
  if (!rule) throw unsupported('tokenizer.ggml.pre', pre, Object.keys(WORD_RULES).join(', '))
  return {
    tokens,
    merges: readList(metadata, 'merges'),
    added: addedTokens(tokens, readTypes(metadata, tokens.length)),
    rule,
    roles: readRoles(metadata, tokens),
  }
}

/** Whether a word that is a token is taken whole, whatever the merges would make of it. */
export function ignoresMerges(rule: WordRule): boolean {
  return rule === LLAMA3
}

function* fromMerges(metadata: GgufMetadata): Steps<Tokenizer> {
  const { tokens, merges, added, rule, roles } = readGgufBpe(metadata)
  yield
  const vocabulary = yield* vocabularySteps(
    tokens.map((token, id) => [token, id] as const),
    'tokenizer.ggml.tokens',
  )
  const bpe = new Bpe({
    ids: vocabulary.ids,
    merges: yield* mergeSteps(merges, vocabulary),
    byteLevel: true,
    ignoreMerges: ignoresMerges(rule),
  })
  const words = compilePreTokenizer({ type: 'Sequence', pretokenizers: wordSteps(rule) })
  return new Tokenizer({
    vocabulary,
    added,
    roles,
    normalize: compileNormalizer(rule.normalizer ? { type: rule.normalizer } : null),
    encode: (text, isStart, ids) => bpe.encode(words.split(text, isStart), ids),
    around: {
      before: addsToken(metadata, 'bos', rule.addsBos ?? false) ? idsOf(roles.bos, tokens) : [],
      after: addsToken(metadata, 'eos', false) ? idsOf(roles.eos, tokens) : [],
    },
    decoder: compileDecoder({ type: 'ByteLevel' }),
  })
}

/** Steps of a pre-tokenizer as tokenizer.json has them. */
export function wordSteps(rule: WordRule): unknown[] {
  const splits = rule.patterns.map((Regex) => ({
    type: 'Split',
    pattern: { Regex },
    behavior: 'Isolated',
  }))
  return [...splits, { type: 'ByteLevel', add_prefix_space: false, use_regex: false }]
}

function addsToken(metadata: GgufMetadata, role: 'bos' | 'eos', fallback: boolean): boolean {
  const key = `tokenizer.ggml.add_${role}_token`
  return asFlag(metadata.get(key), fallback, key)
}

function idsOf(token: string | undefined, tokens: readonly string[]): number[] {
  return token === undefined ? [] : [tokens.indexOf(token)]
}

/** Control tokens are special; user-defined ones are whole wherever they stand, but ordinary text. */
function addedTokens(tokens: readonly string[], types: readonly number[]): AddedToken[] {
  return tokens.flatMap((content, id) => {
    const type = types[id]
    if (type === PIECE_TYPES.userDefined) return [{ ...specialToken(id, content), special: false }]
    const isControl = type === PIECE_TYPES.control || type === PIECE_TYPES.unknown
    return isControl ? [specialToken(id, content)] : []
  })
}

const ROLE_KEYS = { bos: 'bos', eos: 'eos', pad: 'padding', unk: 'unknown' } as const

function readRoles(metadata: GgufMetadata, tokens: readonly string[]): TokenRoles {
  const role = (name: keyof TokenRoles): string | undefined => {
    const id = metadata.get(`tokenizer.ggml.${ROLE_KEYS[name]}_token_id`)
    return id === undefined ? undefined : tokens[Number(id)]
  }
  return { bos: role('bos'), eos: role('eos'), pad: role('pad'), unk: role('unk') }
}

function readTokens(metadata: GgufMetadata): string[] {
  return readList(metadata, 'tokens').map((token, id) => {
    if (typeof token !== 'string') throw damaged(`tokenizer.ggml.tokens[${id}]`, 'a string', token)
    return token
  })
}

function readTypes(metadata: GgufMetadata, count: number): number[] {
  if (!metadata.has('tokenizer.ggml.token_type'))
    return Array.from({ length: count }, () => PIECE_TYPES.normal)
  return readNumbers(metadata, 'token_type', count)
}

function readNumbers(metadata: GgufMetadata, name: string, count: number): number[] {
  const list = readList(metadata, name)
  if (list.length !== count) {
    throw damaged(`tokenizer.ggml.${name}`, `as long as the ${count} tokens`, list)
  }
  return list.map((value, i) => {
    if (typeof value !== 'number') throw damaged(`tokenizer.ggml.${name}[${i}]`, 'a number', value)
    return value
  })
}

/** Lists come as arrays or, of numbers, as typed arrays. */
function readList(metadata: GgufMetadata, name: string): readonly unknown[] {
  const value = metadata.get(`tokenizer.ggml.${name}`)
  if (Array.isArray(value)) return value
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    return Array.from(value as unknown as ArrayLike<number>)
  }
  throw damaged(`tokenizer.ggml.${name}`, 'a list', value)
}
