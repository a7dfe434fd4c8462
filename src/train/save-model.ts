/**
 * A trained model as a folder that transformers and `loadModel` read: the `llava-hf` layout, or the original one where
 * transformers has no form for how the checkpoint cuts and merges pictures.
 */
import { ConfigError } from '../core/errors.ts'
import { planConversion, type Conversion } from '../families/convert/convert-checkpoint.ts'
import { TOKENIZER_FILES } from '../families/convert/tokenizer-files.ts'
import { isObject } from '../families/json-reader.ts'
import type { NameRule } from '../families/parameter-names.ts'
import type { Checkpoint } from '../load-checkpoint.ts'
import { loadTokenizer } from '../text/node.ts'
import { copyFileInto, makeSubfolder, writeFolderAtomically } from '../weights/folder-node.ts'
import { openFileBytes, writeShardedSafetensors, type WeightSource } from '../weights/index.ts'
import { joinPath, listFolder, parentFolder, writeFileAtomically } from '../weights/node.ts'
import type { ParameterStore } from './parameter-store.ts'
import { savedTensors } from './saved-tensors.ts'

export type SaveParts = {
  readonly checkpoint: Checkpoint
  readonly store: ParameterStore
  /** README.md */
  readonly card: string
}

/**
 * Writes the whole model, trained weights in float32 and the others as they are stored. Returns what its reader should know,
 * a sentence each.
 *
 * Throws ConfigError for checkpoints that cannot be written so, CheckpointError where the disk refuses.
 */
export async function saveModel(folder: string, parts: SaveParts): Promise<readonly string[]> {
  const { documents, files } = parts.checkpoint
  if (files.some((file) => file.endsWith('.gguf'))) {
    throw new ConfigError(
      'CONFIG_SAVE',
      'save: training started from a .gguf file, which has no config and tokenizer that others read; start from a folder.',
    )
  }
  const config = documents.files.get('config.json')
  const isOriginal = isObject(config) && 'mm_vision_tower' in config
  let notices: readonly string[] = []
  await writeFolderAtomically(folder, async (temporary) => {
    if (isOriginal) notices = await writeConverted(temporary, parts)
    else await writeAsStored(temporary, parts)
    const card = new TextEncoder().encode(withNotices(parts.card, notices))
    await writeFileAtomically(joinPath(temporary, 'README.md'), (append) => append(card))
  })
  return notices
}

function withNotices(card: string, notices: readonly string[]): string {
  if (notices.length === 0) return card
  return `${card}\n## How it is read\n\n${notices.map((text) => `- ${text}\n`).join('')}`
}

async function writeAsStored(folder: string, { checkpoint, store }: SaveParts): Promise<void> {
  const { config, parts, family } = checkpoint
  const tensors = savedTensors({ config, parts, rules: family.parameterNames, store })
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]))
  let release = () => {}
  await writeShardedSafetensors(
    folder,
    tensors,
    ({ name }) => {
      // What was asked for before is written by now.
      release()
      const tensor = byName.get(name)
      if (!tensor) throw new Error(`internal: ${name} is not to be written`)
      release = () => tensor.release()
      return tensor.read()
    },
    { metadata: { format: 'pt' } },
  )
  for (const path of copiedFiles(checkpoint)) await copyFileInto(path, folder)
}

const COPIED = new Set([
  ...TOKENIZER_FILES,
  'config.json',
  'generation_config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'video_preprocessor_config.json',
  'chat_template.json',
  'chat_template.jinja',
])

/**
 * Config, processor, tokenizer and template, byte for byte: from the checkpoint's folder, else from where the tokenizer is
 * or the weights under an adapter.
 */
function copiedFiles({ folder, tokenizerPath, files }: Checkpoint): string[] {
  const isFile = listFolder(tokenizerPath) === undefined
  const tokenizerFolder = isFile ? parentFolder(tokenizerPath) : tokenizerPath
  const paths = new Map<string, string>()
  for (const place of [folder, tokenizerFolder, ...files.map(parentFolder)]) {
    for (const name of listFolder(place) ?? []) {
      if (COPIED.has(name) && !paths.has(name)) paths.set(name, joinPath(place, name))
    }
  }
  return [...paths.values()]
}

/** From the original layout. */
async function writeConverted(folder: string, parts: SaveParts): Promise<readonly string[]> {
  const conversion = await conversionOf(parts)
  for (const inner of conversion.folders) await makeSubfolder(joinPath(folder, inner))
  await conversion.write(folder)
  return conversion.notices
}

async function conversionOf({ checkpoint, store }: SaveParts): Promise<Conversion> {
  const { documents, config, parts, tokenizerPath } = checkpoint
  const trained = { source: storeSource(store), rules: OWN_PATHS }
  const source = { documents, config, parts: [...parts, trained] }
  const options = {
    dtype: 'stored',
    tokenizer: await loadTokenizer(tokenizerPath),
    tokenizerFiles: tokenizerFiles(tokenizerPath),
    merged: [],
    version: '',
  } as const
  try {
    return planConversion(source, { ...options, to: 'llava-hf' })
  } catch (error) {
    // A run of days is not lost because others have no form for what it trained.
    if (!(error instanceof ConfigError) || error.code !== 'CONFIG_CONVERT') throw error
    return planConversion(source, { ...options, to: 'original' })
  }
}

/** Names that are our paths. */
const OWN_PATHS: readonly NameRule[] = [{ pattern: /^(.*)$/, path: '$1' }]

/** Trained parameters as a file would hold them. */
function storeSource(store: ParameterStore): WeightSource {
  const read = (name: string) => {
    const { shape, data } = store.weight(name)
    return { dtype: 'float32' as const, shape, data }
  }
  const tensors = store.paths.map((path) => {
    const { shape } = store.weight(path)
    return [path, { dtype: 'float32' as const, shape, file: 'training' }] as const
  })
  return { tensors: new Map(tensors), read, close: () => {} }
}

function tokenizerFiles(path: string): Map<string, Uint8Array> {
  const folder = listFolder(path) === undefined ? parentFolder(path) : path
  const names = (listFolder(folder) ?? []).filter((name) => TOKENIZER_FILES.includes(name))
  return new Map(names.map((name) => [name, readBytes(joinPath(folder, name))]))
}

function readBytes(path: string): Uint8Array {
  const file = openFileBytes(path, { map: false })
  try {
    return file.bytes(0, file.size)
  } finally {
    file.close()
  }
}
