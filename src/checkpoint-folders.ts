/**
 * The folders that a model is spread over: the given one, the base under it, that one's base, … down to the one that
 * holds the language model.
 *
 * Each may bring an adapter, a projector and documents of its own; what lies above counts more.
 */
import { CheckpointError, ConfigError } from './core/errors.ts'
import { nextTurn } from './core/steps.ts'
import { isObject } from './families/json-reader.ts'
import { locate, type HubOptions } from './locate-model.ts'
import { readDocuments } from './weights/documents.ts'
import { repositoryOf } from './weights/hub.ts'
import {
  absolutePath,
  baseName,
  joinPath,
  linkedPath,
  listFolder,
  parentFolder,
} from './weights/node.ts'

export type CheckpointFolder = {
  readonly path: string
  readonly names: readonly string[]
  readonly documents: ReadonlyMap<string, unknown>
}

export type BaseOptions = HubOptions & { readonly base?: string | undefined }

/** Adapters over adapters: more than anyone trains, few enough that a mistake is told at once. */
const MAX_FOLDERS = 16

/**
 * From `path` downwards, each with the base that it names, or `base` under the first.
 *
 * Throws CheckpointError for a base that is not to be had and for folders that are their own base, ConfigError for a base
 * that cannot be one.
 */
export async function checkpointFolders(
  path: string,
  { base, ...options }: BaseOptions,
): Promise<readonly CheckpointFolder[]> {
  const folders: CheckpointFolder[] = []
  for (let next: string | null = path; next !== null;) {
    const isGiven = folders.length === 1 && base !== undefined
    if (next.endsWith('.gguf')) throw ggufBase(folders, { base: next, isGiven })
    if (folders.some((one) => absolutePath(one.path) === absolutePath(next as string)))
      throw endless(path, `${next} again`)
    if (folders.length === MAX_FOLDERS) throw endless(path, `${MAX_FOLDERS} folders and no end`)
    const folder = readFolder(next)
    folders.push(folder)
    next = folders.length === 1 && base !== undefined ? base : await baseOf(folder, options)
    await nextTurn()
  }
  return folders
}

/** The hub id whose snapshot a folder is, else the folder. */
export function modelName(folder: string): string {
  return repositoryOf(absolutePath(folder)) ?? folder
}

/**
 * Names that the conversation mode follows from, in their order: what is trained on top of a model goes on in its mode. A
 * link to a folder counts by its own name, then by the folder's.
 */
export function modeNames(folders: readonly CheckpointFolder[]): readonly string[] {
  const seeing = folders.filter(({ documents }) => hasEyes(documents.get('config.json')))
  return (seeing.length > 0 ? seeing : folders)
    .toReversed()
    .flatMap(({ path }) => [modelName(path), modelName(linkedPath(path))])
}

function hasEyes(config: unknown): boolean {
  return isObject(config) && ('mm_vision_tower' in config || 'vision_config' in config)
}

/** A folder of that name in the checkpoint's folder or beside it. */
export function beside(folder: string, name: string): string | null {
  const candidates = [name, joinPath(folder, name), joinPath(parentFolder(folder), baseName(name))]
  return candidates.find((path) => listFolder(path) !== undefined) ?? null
}

export async function besideOrHub(
  folder: string,
  name: string,
  { advice, ...options }: HubOptions & { readonly advice: string },
): Promise<string> {
  const found = beside(folder, name)
  if (found !== null) return found
  const places = `${joinPath(folder, name)}, ${joinPath(parentFolder(folder), baseName(name))}`
  try {
    return await locate(name, options)
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error
    throw new CheckpointError(
      'CHECKPOINT_PART_MISSING',
      `${folder}: it needs "${name}", which is not in ${places} and not to be had from the hub; ${advice}. ${error.message}`,
      { cause: error },
    )
  }
}

function readFolder(path: string): CheckpointFolder {
  return { path, names: listFolder(path) ?? [], documents: readDocuments(path) }
}

const WEIGHT_FILE = /^(?:model|pytorch_model)\b.*\.(?:safetensors|bin|index\.json)$|\.gguf$/

export function hasWeightFile(names: readonly string[]): boolean {
  return names.some((name) => WEIGHT_FILE.test(name))
}

/** Weights trained beside the language model: a stage-1 projector, or what a LoRA run trained in full. */
export const TRAINED_BESIDE: readonly string[] = ['mm_projector.bin', 'non_lora_trainables.bin']

/**
 * What lies under a folder that holds only what was trained on top, a .gguf file be it there or not; null under one that
 * holds all.
 *
 * Every config that transformers saved has `_name_or_path`: a folder whose weights are missing has no other's for that.
 */
async function baseOf(
  { path, names, documents }: CheckpointFolder,
  options: HubOptions,
): Promise<string | null> {
  if (hasWeightFile(names)) return null
  const adapter = documents.get('adapter_config.json')
  if (adapter === undefined && !names.some((name) => TRAINED_BESIDE.includes(name))) return null
  const config = documents.get('config.json')
  const named =
    (isObject(adapter) && adapter['base_model_name_or_path']) ||
    (isObject(config) && config['_name_or_path'])
  if (typeof named !== 'string' || named === '') return null
  if (named.endsWith('.gguf')) return named
  return besideOrHub(path, named, { ...options, advice: 'give its folder as base (--base)' })
}

/** `folders`: those above it, the lowest last. */
function ggufBase(
  folders: readonly CheckpointFolder[],
  { base, isGiven }: { readonly base: string; readonly isGiven: boolean },
): ConfigError {
  const adapters = folders.map(({ path }) => path).toReversed()
  const by = isGiven ? 'base (--base)' : 'its adapter_config.json'
  return new ConfigError(
    'CONFIG_OPTION',
    `${adapters[0]}: expected the folder of a language model as its base, ${by} names ${base}; give the .gguf file as the model and ${adapters.join(', then ')} as adapters (--adapter).`,
  )
}

function endless(folder: string, what: string): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_BASE',
    `${folder}: expected bases that end at a whole model, ${what} came; give the model's folder as base (--base).`,
  )
}
