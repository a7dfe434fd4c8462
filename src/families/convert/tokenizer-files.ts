/**
 * The tokenizer's files for the target: copied, with the placeholder `<image>` added (`llava-hf` wants it in the
 * vocabulary) or taken out again (the original repositories put pictures in place of an id that is in none).
 */
import { CheckpointError } from '../../core/errors.ts'
import type { Tokenizer } from '../../text/tokenizer.ts'
import { isObject, type JsonObject } from '../json-reader.ts'
import { sentencePieceJson } from './sentencepiece-json.ts'
import { addedTokenEntry, jsonBytes } from './written-json.ts'

export const IMAGE_TOKEN = '<image>'

/** What is copied byte for byte unless it is changed below. */
export const TOKENIZER_FILES = [
  'tokenizer.json',
  'tokenizer.model',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
]

export type Files = ReadonlyMap<string, Uint8Array>

/** The id of `<image>`: the one it has, else the next free one. */
export function imageTokenId(tokenizer: Tokenizer): number {
  const known = tokenizer.idOf(IMAGE_TOKEN)
  if (known !== undefined) return known
  let id = tokenizer.vocabSize
  while (tokenizer.tokenOf(id) !== undefined) id++
  return id
}

/** The files with `<image>` as token `id`, and with a tokenizer.json. */
export function withImageToken(files: Files, tokenizer: Tokenizer, id: number): Files {
  const config = readJson(files, 'tokenizer_config.json')
  const isKnown = tokenizer.tokenOf(id) !== undefined
  const image = { content: IMAGE_TOKEN, ...SPECIAL }
  const decoder = tokenizer.addedTokens.map((token) => [token.id, addedTokenEntry(token)] as const)
  const extra = config['extra_special_tokens']
  const written = new Map(files).set(
    'tokenizer_config.json',
    jsonBytes({
      ...config,
      ...(!isKnown && { added_tokens_decoder: Object.fromEntries([...decoder, [id, image]]) }),
      extra_special_tokens: { ...(isObject(extra) && extra), image_token: IMAGE_TOKEN },
      processor_class: 'LlavaProcessor',
    }),
  )
  const model = files.get('tokenizer.model')
  if (model && !files.has('tokenizer.json')) {
    const json = sentencePieceJson(model, tokenizer, config['legacy'] !== false)
    if (json) written.set('tokenizer.json', json)
  }
  if (isKnown) return written
  return editTokenizerJson(written, (tokens) => [...tokens, { id, ...image }])
}

/** The files as the original repositories read them: the SentencePiece model alone where there is one. */
export function originalTokenizerFiles(files: Files): Files {
  const names = [...files.keys()]
  const isSentencePiece = names.includes('tokenizer.model')
  return new Map([...files].filter(([name]) => !isSentencePiece || name !== 'tokenizer.json'))
}

/** The files without `<image>`, and without what is the processor's. */
export function withoutImageToken(files: Files, id: number): Files {
  const changed = new Map(files)
  const config = without(readJson(files, 'tokenizer_config.json'), 'processor_class')
  const decoder = config['added_tokens_decoder']
  const extra = config['extra_special_tokens']
  changed.set(
    'tokenizer_config.json',
    jsonBytes({
      ...config,
      ...(isObject(decoder) && { added_tokens_decoder: without(decoder, String(id)) }),
      ...(isObject(extra) && { extra_special_tokens: without(extra, 'image_token') }),
    }),
  )
  if (files.has('added_tokens.json')) {
    const added = readJson(files, 'added_tokens.json')
    changed.set('added_tokens.json', jsonBytes(without(added, IMAGE_TOKEN)))
  }
  return editTokenizerJson(changed, (tokens) => tokens.filter((token) => token['id'] !== id))
}

function without(object: JsonObject, key: string): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== key))
}

const SPECIAL = {
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
}

function editTokenizerJson(files: Files, edit: (tokens: JsonObject[]) => JsonObject[]): Files {
  if (!files.has('tokenizer.json')) return files
  const json = readJson(files, 'tokenizer.json')
  const tokens = Array.isArray(json['added_tokens']) ? json['added_tokens'].filter(isObject) : []
  return new Map(files).set('tokenizer.json', jsonBytes({ ...json, added_tokens: edit(tokens) }))
}

/** A file's object, empty where there is no such file. */
function readJson(files: Files, name: string): JsonObject {
  const bytes = files.get(name)
  if (!bytes) return {}
  const json: unknown = JSON.parse(new TextDecoder().decode(bytes))
  if (isObject(json)) return json
  throw new CheckpointError('CHECKPOINT_JSON', `convert: ${name} should hold an object.`)
}
