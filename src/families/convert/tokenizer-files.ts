/**
 * The tokenizer's files for the target: copied, with the placeholders `<image>` and `<video>` added (`llava-hf` wants them
 * in the vocabulary) or taken out again (the original repositories put pictures in place of an id that is in none).
 */
import { CheckpointError } from '../../core/errors.ts'
import { parseJson } from '../../core/json-numbers.ts'
import type { Tokenizer } from '../../text/tokenizer.ts'
import { joinPath, listFolder, parentFolder } from '../../weights/node.ts'
import { isObject, type JsonObject } from '../json-reader.ts'
import type { HfClass, Placeholders } from './hf-class.ts'
import { sentencePieceJson } from './sentencepiece-json.ts'
import { addedTokenEntry, jsonBytes } from './written-json.ts'

export const IMAGE_TOKEN = '<image>'
export const VIDEO_TOKEN = '<video>'

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

/** Those that lie in a folder, or beside a tokenizer's file. */
export function tokenizerFiles(path: string): string[] {
  const folder = listFolder(path) === undefined ? parentFolder(path) : path
  const names = listFolder(folder) ?? []
  return TOKENIZER_FILES.filter((name) => names.includes(name)).map((name) =>
    joinPath(folder, name),
  )
}

/** The ids of the placeholders: those they have, else the next free ones. */
export function placeholderIds(
  tokenizer: Tokenizer,
  { hasVideo }: { readonly hasVideo: boolean },
): Placeholders {
  const image = tokenizer.idOf(IMAGE_TOKEN) ?? freeId(tokenizer, tokenizer.vocabSize)
  if (!hasVideo) return { image, video: null }
  const video =
    tokenizer.idOf(VIDEO_TOKEN) ?? freeId(tokenizer, Math.max(tokenizer.vocabSize, image + 1))
  return { image, video }
}

function freeId(tokenizer: Tokenizer, from: number): number {
  let id = from
  while (tokenizer.tokenOf(id) !== undefined) id++
  return id
}

/** The files with the placeholders as tokens, and with a tokenizer.json. */
export function withPlaceholders(
  files: Files,
  tokenizer: Tokenizer,
  { image, video, processorClass }: Placeholders & Pick<HfClass, 'processorClass'>,
): Files {
  const config = readJson(files, 'tokenizer_config.json')
  const named = [
    { id: image, key: 'image_token', content: IMAGE_TOKEN },
    ...(video === null ? [] : [{ id: video, key: 'video_token', content: VIDEO_TOKEN }]),
  ]
  const added = named
    .filter(({ id }) => tokenizer.tokenOf(id) === undefined)
    .map(({ id, content }) => ({ id, content, ...SPECIAL }))
  const decoder = [
    ...tokenizer.addedTokens.map((token) => [token.id, addedTokenEntry(token)] as const),
    ...added.map(({ id, ...token }) => [id, token] as const),
  ]
  const extra = config['extra_special_tokens']
  const roles = Object.fromEntries(named.map(({ key, content }) => [key, content]))
  const written = new Map(files).set(
    'tokenizer_config.json',
    jsonBytes({
      ...config,
      ...(added.length > 0 && { added_tokens_decoder: Object.fromEntries(decoder) }),
      extra_special_tokens: { ...(isObject(extra) && extra), ...roles },
      processor_class: processorClass,
    }),
  )
  const model = files.get('tokenizer.model')
  if (model && !files.has('tokenizer.json')) {
    const json = sentencePieceJson(model, tokenizer, config['legacy'] !== false)
    if (json) written.set('tokenizer.json', json)
  }
  if (added.length === 0) return written
  return editTokenizerJson(written, (tokens) => [...tokens, ...added])
}

/** The files as the original repositories read them: the SentencePiece model alone where there is one. */
export function originalTokenizerFiles(files: Files): Files {
  const names = [...files.keys()]
  const isSentencePiece = names.includes('tokenizer.model')
  return new Map([...files].filter(([name]) => !isSentencePiece || name !== 'tokenizer.json'))
}

/** The files without the placeholders `ids`, and without what is the processor's. */
export function withoutPlaceholders(files: Files, ids: readonly number[]): Files {
  const changed = new Map(files)
  const config = without(readJson(files, 'tokenizer_config.json'), 'processor_class')
  const decoder = config['added_tokens_decoder']
  const extra = config['extra_special_tokens']
  changed.set(
    'tokenizer_config.json',
    jsonBytes({
      ...config,
      ...(isObject(decoder) && { added_tokens_decoder: without(decoder, ...ids.map(String)) }),
      ...(isObject(extra) && {
        extra_special_tokens: without(extra, 'image_token', 'video_token'),
      }),
    }),
  )
  if (files.has('added_tokens.json')) {
    const added = readJson(files, 'added_tokens.json')
    changed.set('added_tokens.json', jsonBytes(without(added, IMAGE_TOKEN, VIDEO_TOKEN)))
  }
  return editTokenizerJson(changed, (tokens) =>
    tokens.filter((token) => !ids.includes(Number(token['id']))),
  )
}

function without(object: JsonObject, ...keys: readonly string[]): JsonObject {
  const rest = { ...object }
  for (const key of keys) delete rest[key]
  return rest
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
  const json = parseJson(new TextDecoder().decode(bytes))
  if (isObject(json)) return json
  throw new CheckpointError('CHECKPOINT_JSON', `convert: ${name} should hold an object.`)
}
