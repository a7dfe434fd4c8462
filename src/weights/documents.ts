/** The small files beside the weights: JSON parsed, templates as text. */
import { CheckpointError } from '../core/errors.ts'
import { parseJson } from '../core/json-numbers.ts'
import { joinPath, listFolder, openFileBytes } from './node.ts'

const TEXT_FILES = ['chat_template.jinja']

const JSON_FILES = [
  'config.json',
  'generation_config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'video_preprocessor_config.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.json',
  'adapter_config.json',
]

/** No such file of a published checkpoint has a tenth of this. */
const MAX_BYTES = 16 << 20

/** The documents of a folder by file name; those that are not there are absent. Throws CheckpointError for broken JSON. */
export function readDocuments(folder: string): ReadonlyMap<string, unknown> {
  const names = listFolder(folder) ?? []
  const documents = new Map<string, unknown>()
  for (const name of names) {
    if (TEXT_FILES.includes(name)) documents.set(name, readText(folder, name))
    if (JSON_FILES.includes(name)) documents.set(name, parse(folder, name))
  }
  return documents
}

/** One JSON document of a folder; undefined where it is not there. Throws CheckpointError for broken JSON. */
export function readDocument(folder: string, name: string): unknown {
  return listFolder(folder)?.includes(name) ? parse(folder, name) : undefined
}

function parse(folder: string, name: string): unknown {
  // Some editors write one; JSON has none.
  const text = readText(folder, name).replace(/^\ufeff/, '')
  try {
    return parseJson(text)
  } catch (error) {
    throw new CheckpointError(
      'CHECKPOINT_JSON',
      `weights: ${joinPath(folder, name)} is not valid JSON (${(error as Error).message}); is the file complete?`,
      { cause: error },
    )
  }
}

/** Throws CheckpointError where it is longer than such files are. */
export function readText(folder: string, name: string): string {
  const file = openFileBytes(joinPath(folder, name), { map: false })
  try {
    if (file.size > MAX_BYTES) {
      throw new CheckpointError(
        'CHECKPOINT_JSON',
        `weights: ${joinPath(folder, name)} has ${file.size} bytes, more than the ${MAX_BYTES} that such a file may have.`,
      )
    }
    // A byte order mark is the template's own first character, as in transformers.
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(file.bytes(0, file.size))
  } finally {
    file.close()
  }
}
