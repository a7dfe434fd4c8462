/**
 * A trained model as a folder that transformers and `loadModel` read: the `llava-hf` layout, or the original one where
 * transformers has no form for how the checkpoint cuts and merges pictures.
 */
import { withDType } from '../families/convert/config-dtype.ts'
import {
  CONVERT_LAYOUTS,
  planConversion,
  type Conversion,
  type ConvertLayout,
} from '../families/convert/convert-checkpoint.ts'
import { usualDType } from '../families/convert/plan-tensors.ts'
import { jsonBytes } from '../families/convert/written-json.ts'
import { TOKENIZER_FILES, tokenizerFiles } from '../families/convert/tokenizer-files.ts'
import type { LearntFiles } from '../families/convert/learnt-files.ts'
import type { Quirks } from '../families/family.ts'
import { isOriginalConfig } from '../families/original-parts.ts'
import { isObject } from '../families/json-reader.ts'
import type { NameRule } from '../families/parameter-names.ts'
import type { Checkpoint } from '../load-checkpoint.ts'
import { loadTokenizer } from '../text/node.ts'
import type { Replaced } from '../weights/check-replaced-node.ts'
import { copyFileInto, makeSubfolder, writeFolderAtomically } from '../weights/folder-node.ts'
import { openFileBytes, writeShardedSafetensors, type WeightSource } from '../weights/index.ts'
import {
  baseName,
  joinPath,
  listFolder,
  parentFolder,
  writeFileAtomically,
} from '../weights/node.ts'
import { checkSavable } from './check-savable.ts'
import { learntOrTold } from './learnt-or-told.ts'
import type { ParameterStore } from './parameter-store.ts'
import { savedTensors, type SavedTensor } from './saved-tensors.ts'
import type { StoredName } from './trained-parameters.ts'

export type SaveParts = {
  readonly checkpoint: Checkpoint
  readonly store: ParameterStore
  /** Name and shape of a trained parameter in the checkpoint. */
  readonly stored: (path: string) => StoredName
  /** That the checkpoint was opened with. */
  readonly quirks: Quirks
  /** README.md */
  readonly card: string
  /** Of what is in the folder. */
  readonly replaces: Replaced
}

/**
 * Writes the whole model, trained weights in float32 and the others as they are stored; the config names the dtype of most.
 * Returns what its reader should know, a sentence each.
 *
 * Throws ConfigError for checkpoints that cannot be written so, CheckpointError where the disk refuses or the folder is
 * another's.
 */
export async function saveModel(folder: string, parts: SaveParts): Promise<readonly string[]> {
  checkSavable(parts.checkpoint)
  const { documents } = parts.checkpoint
  const config = documents.files.get(CONFIG)
  const isOriginal = isObject(config) && isOriginalConfig(config)
  let notices: readonly string[] = []
  await writeFolderAtomically(
    folder,
    async (temporary) => {
      notices = isOriginal
        ? await writeConverted(temporary, folder, parts)
        : await writeAsStored(temporary, parts)
      const card = new TextEncoder().encode(withNotices(parts.card, notices))
      await writeFileAtomically(joinPath(temporary, 'README.md'), (append) => append(card))
    },
    { kind: 'model', replaces: parts.replaces },
  )
  return notices
}

/** A model's card with a chapter about what its reader should know. */
export function withNotices(card: string, notices: readonly string[]): string {
  if (notices.length === 0) return card
  return `${card}\n## How it is read\n\n${notices.map((text) => `- ${text}\n`).join('')}`
}

/** Under the names that it came with; returns notices. */
async function writeAsStored(folder: string, parts: SaveParts): Promise<readonly string[]> {
  const { checkpoint, store } = parts
  const { config, family } = checkpoint
  const rules = family.parameterNames
  const tensors = savedTensors({ config, parts: checkpoint.parts, rules, store })
  const { files: learnt, notices } = learntOrTold(checkpoint, parts.quirks)
  const files = withStoredDType(learnt, { ownFiles: checkpoint.ownFiles, tensors })
  await writeTensors(folder, tensors)
  for (const path of copiedFiles(checkpoint)) {
    if (!files.has(baseName(path))) await copyFileInto(path, folder)
  }
  for (const [name, json] of files) {
    await writeFileAtomically(joinPath(folder, name), (append) => append(jsonBytes(json)))
  }
  return notices
}

/** Files that say otherwise than the checkpoint's own, its config among them where it names another dtype than most are in. */
function withStoredDType(
  files: LearntFiles['files'],
  { ownFiles, tensors }: Pick<Checkpoint, 'ownFiles'> & { tensors: readonly SavedTensor[] },
): LearntFiles['files'] {
  const own = ownFiles.get(CONFIG)
  const config = files.get(CONFIG) ?? own
  if (!isObject(config)) return files
  const written = withDType(config, usualDType(tensors))
  return written === own ? files : new Map([...files, [CONFIG, written]])
}

async function writeTensors(folder: string, tensors: readonly SavedTensor[]): Promise<void> {
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
}

const CONFIG = 'config.json'

const COPIED = new Set([
  ...TOKENIZER_FILES,
  CONFIG,
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

/** From the original layout. A run of days is not lost because no layout has a form for what it trained. */
async function writeConverted(
  folder: string,
  out: string,
  parts: SaveParts,
): Promise<readonly string[]> {
  const conversion = await conversionOf(out, parts)
  if (conversion instanceof Error) {
    const told = `The model could not be written as others read it (${conversion.message}): its files are those of the checkpoint that it came from; load it with that one's vision tower.`
    return [told, ...(await writeAsStored(folder, parts))]
  }
  for (const inner of conversion.folders) await makeSubfolder(joinPath(folder, inner))
  await conversion.write(folder)
  return conversion.notices
}

/** In the first layout that has a form for the model, or why the last has none. */
async function conversionOf(out: string, parts: SaveParts): Promise<Conversion | Error> {
  let reason = new Error('internal: there is no layout')
  for (const to of CONVERT_LAYOUTS) {
    try {
      return await plannedAs({ to, out }, parts)
    } catch (error) {
      reason = error instanceof Error ? error : new Error(String(error))
    }
  }
  return reason
}

async function plannedAs(
  place: { readonly to: ConvertLayout; readonly out: string },
  saved: SaveParts,
): Promise<Conversion> {
  const { checkpoint } = saved
  const { documents, config, parts, tokenizerPath } = checkpoint
  const trained = { source: storeSource(saved), rules: OWN_PATHS }
  return planConversion(
    { documents, config, parts: [...parts, trained] },
    {
      ...place,
      dtype: 'stored',
      tokenizer: await loadTokenizer(tokenizerPath),
      tokenizerFiles: new Map(
        tokenizerFiles(tokenizerPath).map((file) => [baseName(file), readBytes(file)]),
      ),
      merged: [],
      version: '',
    },
  )
}

/** Names that are our paths. */
const OWN_PATHS: readonly NameRule[] = [{ pattern: /^(.*)$/, path: '$1' }]

/** Trained parameters as a file would hold them: a graph has some of them in other shapes, the tower's patches as a matrix. */
function storeSource({ store, stored }: SaveParts): WeightSource {
  const tensors = store.paths.map((path) => {
    const { shape } = stored(path)
    return [path, { dtype: 'float32' as const, shape, file: 'training' }] as const
  })
  return {
    tensors: new Map(tensors),
    read: (path) => ({
      dtype: 'float32',
      shape: stored(path).shape,
      data: store.weight(path).data,
    }),
    close: () => {},
  }
}

function readBytes(path: string): Uint8Array {
  const file = openFileBytes(path, { map: false })
  try {
    return file.bytes(0, file.size)
  } finally {
    file.close()
  }
}
