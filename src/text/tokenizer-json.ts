/**
 * A tokenizer from Hugging Face's tokenizer.json.
 *
 * Format: huggingface/tokenizers 0.23, tokenizer/serialization.rs. The model must be BPE: no language model of the
 * family uses another one.
 */
import { checkArgument } from '../core/check-argument.ts'
import { CheckpointError } from '../core/errors.ts'
import { atOnce, type Steps } from '../core/steps.ts'
import { Bpe } from './bpe.ts'
import { MergeTable } from './bpe-merges.ts'
import { compileDecoder } from './detokenizer.ts'
import { jsonSteps } from './json-steps.ts'
import { compileNormalizer } from './normalizer.ts'
import { withoutPrefixSpace } from './prefix-space.ts'
import { compilePreTokenizer } from './pre-tokenizer.ts'
import { mergeAdded, mergeRoles, readAddedToken, readTokenizerConfig } from './tokenizer-config.ts'
import type { TokenizerFiles } from './tokenizer-config.ts'
import {
  asFields,
  asFlag,
  asList,
  asText,
  damaged,
  unsupported,
  type Fields,
} from './tokenizer-fields.ts'
import { compilePostProcessor } from './tokenizer-post.ts'
import { Tokenizer } from './tokenizer.ts'
import { byteTokenIds, vocabularySteps, type Vocabulary } from './tokenizer-vocabulary.ts'

/**
 * The tokenizer that a parsed tokenizer.json describes, with the roles and added tokens of the files beside it.
 *
 * Throws CheckpointError where the file is damaged, ConfigError for a model or step that is not supported.
 */
export function tokenizerFromJson(json: unknown, files: TokenizerFiles = {}): Tokenizer {
  checkArgument('tokenizerFromJson: files', files, 'an object')
  return atOnce(tokenizerSteps(json, files))
}

/** The same with pauses: a vocabulary of a hundred thousand tokens takes a tenth of a second. It may be a Map. */
export function* tokenizerSteps(json: unknown, files: TokenizerFiles): Steps<Tokenizer> {
  const file = asFields(json, 'tokenizer.json')
  const config = readTokenizerConfig(files)
  const isLlama = /^LlamaTokenizer(?:Fast)?$/.test(config.tokenizerClass)
  const root = isLlama && !config.addsPrefixSpace ? withoutPrefixSpace(file) : file
  const model = asFields(root['model'], 'model')
  checkModelType(model)
  const vocab = asFields(model['vocab'], 'model.vocab')
  const entries = vocab instanceof Map ? (vocab as Map<string, unknown>) : Object.entries(vocab)
  yield
  const vocabulary = yield* vocabularySteps(entries, 'model.vocab')
  const preTokenizer = compilePreTokenizer(root['pre_tokenizer'])
  const bpe = yield* compileBpe(model, vocabulary, preTokenizer.byteLevel)
  const own = asList(root['added_tokens'] ?? [], 'added_tokens').map((token, i) =>
    readAddedToken(token, `added_tokens[${i}]`),
  )
  const added = mergeAdded(own, config, vocabulary)
  const around = compilePostProcessor(root['post_processor'])
  const tokenOf = (id: number | undefined): string | undefined =>
    id === undefined
      ? undefined
      : (added.find((token) => token.id === id)?.content ?? vocabulary.tokens[id])
  const unk = model['unk_token'] ?? undefined
  return new Tokenizer({
    vocabulary,
    added,
    roles: mergeRoles(config, {
      bos: tokenOf(around.before[0]),
      unk: unk === undefined ? undefined : asText(unk, 'model.unk_token'),
    }),
    normalize: compileNormalizer(root['normalizer']),
    encode: (text, isStart, ids) => bpe.encode(preTokenizer.split(text, isStart), ids),
    around,
    decoder: compileDecoder(root['decoder']),
  })
}

/** Parses the bytes of a JSON file. Throws CheckpointError unless they are UTF-8 JSON. */
export function parseJsonFile(bytes: Uint8Array, name: string): unknown {
  try {
    return JSON.parse(atOnce(textSteps(bytes))) as unknown
  } catch (error) {
    throw notJson(name, error)
  }
}

/** The same with pauses, for `tokenizerSteps`: long objects are Maps. */
export function* jsonFileSteps(bytes: Uint8Array, name: string): Steps<unknown> {
  try {
    return yield* jsonSteps(yield* textSteps(bytes))
  } catch (error) {
    throw notJson(name, error)
  }
}

/** Bytes that are decoded at once. */
const DECODED = 1 << 20

/** Throws TypeError for bytes that are not UTF-8. */
function* textSteps(bytes: Uint8Array): Steps<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const parts: string[] = []
  for (let at = 0; at < bytes.length; at += DECODED) {
    parts.push(decoder.decode(bytes.subarray(at, at + DECODED), { stream: true }))
    yield
  }
  parts.push(decoder.decode())
  return parts.join('')
}

function notJson(name: string, error: unknown): CheckpointError {
  const reason = error instanceof Error ? error.message : String(error)
  return new CheckpointError(
    'CHECKPOINT_TOKENIZER',
    `tokenizer: ${name} should be JSON in UTF-8, it is not (${reason}); is the file damaged?`,
    { cause: error },
  )
}

/** Old files leave the type out; only BPE has merges. */
function checkModelType(model: Fields): void {
  const type = model['type'] ?? (Array.isArray(model['merges']) ? 'BPE' : undefined)
  if (asText(type, 'model.type') !== 'BPE') throw unsupported('model.type', String(type), 'BPE')
  const dropout = model['dropout'] ?? 0
  if (dropout !== 0) throw unsupported('model.dropout', String(dropout), '0')
}

function* compileBpe(model: Fields, vocabulary: Vocabulary, byteLevel: boolean): Steps<Bpe> {
  const { ids } = vocabulary
  const prefix = asText(model['continuing_subword_prefix'] ?? '', 'model.continuing_subword_prefix')
  const unk = model['unk_token'] ?? undefined
  const unkId = unk === undefined ? undefined : ids.get(asText(unk, 'model.unk_token'))
  if (unk !== undefined && unkId === undefined) {
    throw damaged('model.unk_token', 'in the vocabulary', unk)
  }
  return new Bpe({
    ids,
    merges: yield* mergeSteps(asList(model['merges'], 'model.merges'), vocabulary, prefix),
    byteLevel,
    ignoreMerges: asFlag(model['ignore_merges'], false, 'model.ignore_merges'),
    byteIds: asFlag(model['byte_fallback'], false, 'model.byte_fallback')
      ? byteTokenIds(ids)
      : undefined,
    unkId,
    fuseUnk: asFlag(model['fuse_unk'], false, 'model.fuse_unk'),
    continuingSubwordPrefix: prefix,
    endOfWordSuffix: asText(model['end_of_word_suffix'] ?? '', 'model.end_of_word_suffix'),
  })
}

/** Merges between two pauses. */
const MERGES = 4096

/** Merges are pairs, or in older files strings with a space between the halves; their order is their rank. */
export function* mergeSteps(
  list: readonly unknown[],
  { ids, tokens }: Vocabulary,
  prefix = '',
): Steps<MergeTable> {
  const table = new MergeTable(list.length)
  let last = -1
  for (const [rank, merge] of list.entries()) {
    if (rank % MERGES === 0) yield
    const [left, right] = readMerge(merge, rank)
    const leftId = ids.get(left)
    const rightId = ids.get(right)
    const rest = right.slice(prefix.length)
    // Nearly always the token of the merge before or its successor: comparing is cheaper than looking up a new string.
    let result: number | undefined = last
    if (!isJoined(tokens[result], left, rest)) result = last + 1
    if (!isJoined(tokens[result], left, rest)) result = ids.get(left + rest)
    if (leftId === undefined || rightId === undefined || result === undefined) {
      throw damaged(`model.merges[${rank}]`, 'made of tokens of the vocabulary', `${left} ${right}`)
    }
    table.set(leftId, rightId, rank, result)
    last = result
  }
  return table
}

function isJoined(token: string | undefined, left: string, right: string): boolean {
  return (
    token !== undefined &&
    token.length === left.length + right.length &&
    token.startsWith(left) &&
    token.endsWith(right)
  )
}

function readMerge(merge: unknown, rank: number): readonly [string, string] {
  if (typeof merge === 'string') {
    const cut = merge.indexOf(' ')
    if (cut > 0 && cut === merge.lastIndexOf(' '))
      return [merge.slice(0, cut), merge.slice(cut + 1)]
  }
  if (Array.isArray(merge) && merge.length === 2) {
    const [left, right] = merge as readonly unknown[]
    if (typeof left === 'string' && typeof right === 'string') return [left, right]
  }
  throw damaged(`model.merges[${rank}]`, 'a pair of tokens', merge)
}
