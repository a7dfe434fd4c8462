/**
 * Finds the parts of a checkpoint and opens them: the model's folder, and what lies elsewhere — the base under an
 * adapter, a projector file, the vision tower, the tokenizer.
 *
 * Each part is where an option says, else in a folder beside the checkpoint, else an error that names both.
 */
import { CheckpointError } from './core/errors.ts'
import { familyOf } from './families/index.ts'
import type { CheckpointDocuments, Family, FamilyOptions, ModelConfig } from './families/family.ts'
import { ggufDocuments, ggufSource } from './families/gguf.ts'
import { isObject } from './families/json-reader.ts'
import type { WeightPart } from './families/parameter-map.ts'
import { PROJECTOR_NAMES, TOWER_EXTRAS, VISION_NAMES } from './families/parameter-names.ts'
import { publishedTower } from './families/vision-config.ts'
import { readDocuments } from './weights/documents.ts'
import { openCheckpoint, openGguf, openWeightFile, type WeightSource } from './weights/index.ts'
import { mergeLora } from './weights/lora-merge.ts'
import { openLoraAdapter } from './weights/lora.ts'
import { baseName, joinPath, listFolder, parentFolder } from './weights/node.ts'

export type CheckpointOptions = FamilyOptions & {
  readonly base?: string | undefined
  readonly adapters?: readonly string[] | undefined
  readonly projector?: string | undefined
  readonly visionTower?: string | undefined
  readonly tokenizer?: string | undefined
}

export type Checkpoint = {
  readonly documents: CheckpointDocuments
  readonly family: Family
  readonly config: ModelConfig
  /** Files of weights; later ones win. Closed by `close`. */
  readonly parts: readonly WeightPart[]
  /** Folder or file that the tokenizer is read from. */
  readonly tokenizerPath: string
  /** The folder of the checkpoint, where a quantised copy may be kept. */
  readonly folder: string
  /** Every file that weights are read from. */
  readonly files: readonly string[]
  close(): void
}

/** Opens the checkpoint at `path`, a folder or a .gguf file. */
export function openParts(path: string, options: CheckpointOptions): Checkpoint {
  const opened: WeightSource[] = []
  const keep = <S extends WeightSource>(source: S): S => {
    opened.push(source)
    return source
  }
  const close = () => opened.forEach((source) => source.close())
  try {
    const checkpoint = path.endsWith('.gguf')
      ? openGgufParts(path, options, keep)
      : openFolderParts(path, options, keep)
    return { ...checkpoint, close }
  } catch (error) {
    close()
    throw error
  }
}

type Keep = <S extends WeightSource>(source: S) => S
type Opened = Omit<Checkpoint, 'close'>

function openGgufParts(path: string, options: CheckpointOptions, keep: Keep): Opened {
  const source = keep(openGguf(path))
  const documents = ggufDocuments(baseName(path), source)
  const family = familyOf(documents)
  return {
    documents,
    family,
    config: family.parseConfig(documents, options),
    parts: [{ source: ggufSource(source), rules: family.parameterNames }],
    tokenizerPath: options.tokenizer ?? path,
    folder: parentFolder(path),
    files: [path],
  }
}

function openFolderParts(folder: string, options: CheckpointOptions, keep: Keep): Opened {
  const names = listFolder(folder) ?? []
  const files = readDocuments(folder)
  const base = baseFolder(folder, { names, files }, options)
  const towerFolder = towerOf(folder, files, options)
  const documents: CheckpointDocuments = {
    name: folder,
    files: base === null ? files : new Map([...readDocuments(base), ...files]),
    ...(towerFolder !== null && { tower: readDocuments(towerFolder) }),
  }
  const family = familyOf(documents)
  const parts: WeightPart[] = []
  if (towerFolder !== null) {
    const source = keep(openCheckpoint(towerFolder))
    parts.push({ source, rules: [...VISION_NAMES, ...TOWER_EXTRAS] })
  }
  const main = openCheckpoint(base ?? folder)
  const adapters = adapterFolders(folder, names, options)
  const source = mergeAdapters(keep(main), adapters)
  parts.push({ source, rules: family.parameterNames })
  const projectors = projectorFiles(folder, names, options)
  for (const file of projectors) {
    parts.push({
      source: keep(withoutPeftPrefix(openWeightFile(file))),
      rules: [...PROJECTOR_NAMES, ...family.parameterNames],
    })
  }
  return {
    documents,
    family,
    config: family.parseConfig(documents, options),
    parts,
    tokenizerPath: options.tokenizer ?? tokenizerFolder([folder, base]),
    folder,
    files: [
      ...[towerFolder, base ?? folder, ...adapters].flatMap((part) =>
        part === null ? [] : weightFiles(part),
      ),
      ...projectors,
    ],
  }
}

function weightFiles(folder: string): string[] {
  const names = listFolder(folder) ?? []
  return names
    .filter((name) => /\.(?:safetensors|bin|gguf)$/.test(name))
    .map((name) => joinPath(folder, name))
}

const WEIGHT_FILE = /^(?:model|pytorch_model)\b.*\.(?:safetensors|bin|index\.json)$|\.gguf$/

/** The folder of the language model where `folder` holds only what was trained on top; null where it holds all. */
function baseFolder(
  folder: string,
  { names, files }: { names: readonly string[]; files: ReadonlyMap<string, unknown> },
  { base }: CheckpointOptions,
): string | null {
  if (base !== undefined) return base
  if (names.some((name) => WEIGHT_FILE.test(name))) return null
  const adapter = files.get('adapter_config.json')
  const config = files.get('config.json')
  const named =
    (isObject(adapter) && adapter['base_model_name_or_path']) ||
    (isObject(config) && config['_name_or_path'])
  if (typeof named !== 'string' || named === '') return null
  return besideOrThrow(folder, named, 'base')
}

/** The folder of the vision tower of an original checkpoint, or null where its own files hold all that is needed. */
function towerOf(
  folder: string,
  files: ReadonlyMap<string, unknown>,
  { visionTower }: CheckpointOptions,
): string | null {
  if (visionTower !== undefined) return visionTower
  const config = files.get('config.json')
  const named = isObject(config) ? config['mm_vision_tower'] : undefined
  if (typeof named !== 'string') return null
  const found = beside(folder, named)
  if (found !== null || publishedTower(named) !== undefined) return found
  return besideOrThrow(folder, named, 'visionTower')
}

/** A folder of that name in the checkpoint's folder or beside it. */
function beside(folder: string, name: string): string | null {
  const candidates = [name, joinPath(folder, name), joinPath(parentFolder(folder), baseName(name))]
  return candidates.find((path) => listFolder(path) !== undefined) ?? null
}

function besideOrThrow(folder: string, name: string, option: string): string {
  const found = beside(folder, name)
  if (found !== null) return found
  throw new CheckpointError(
    'CHECKPOINT_PART_MISSING',
    `${folder}: it needs "${name}", which is neither in ${joinPath(folder, name)} nor in ${joinPath(parentFolder(folder), baseName(name))}; give its folder as ${option}.`,
  )
}

function adapterFolders(
  folder: string,
  names: readonly string[],
  { adapters = [] }: CheckpointOptions,
): readonly string[] {
  return names.includes('adapter_config.json') ? [folder, ...adapters] : adapters
}

function mergeAdapters(source: WeightSource, folders: readonly string[]): WeightSource {
  if (folders.length === 0) return source
  const adapters = folders.map(openLoraAdapter)
  return mergeLora(source, adapters, baseNames(source))
}

/** PEFT names modules as they were in memory when it trained them; files may use the other prefix. */
function baseNames(source: WeightSource): (trained: string) => string {
  const byLeaf = new Map([...source.tensors.keys()].map((name) => [decoderLeaf(name), name]))
  return (trained) =>
    source.tensors.has(trained) ? trained : (byLeaf.get(decoderLeaf(trained)) ?? trained)
}

function decoderLeaf(name: string): string {
  return name.replace(/^(?:model\.)?(?:language_model\.)?(?:model\.)?/, '')
}

/** Weights trained beside the language model: a stage-1 projector, or what a LoRA run trained in full. */
function projectorFiles(
  folder: string,
  names: readonly string[],
  { projector }: CheckpointOptions,
): string[] {
  const own = ['mm_projector.bin', 'non_lora_trainables.bin']
    .filter((name) => names.includes(name))
    .map((name) => joinPath(folder, name))
  if (projector === undefined) return own
  const inside = listFolder(projector)
  return [...own, inside ? joinPath(projector, 'mm_projector.bin') : projector]
}

/** Tensor names as they were before PEFT wrapped the model. */
function withoutPeftPrefix(source: WeightSource): WeightSource {
  const names = new Map(
    [...source.tensors.keys()].map((name) => [name.replace(/^base_model\.(?:model\.)?/, ''), name]),
  )
  const original = (name: string) => names.get(name) ?? name
  return {
    tensors: new Map(
      [...names].flatMap(([ours, theirs]) => {
        const info = source.tensors.get(theirs)
        return info ? [[ours, info] as const] : []
      }),
    ),
    read: (name) => source.read(original(name)),
    release: (name) => source.release?.(original(name)),
    close: () => source.close(),
  }
}

function tokenizerFolder(folders: readonly (string | null)[]): string {
  const has = (folder: string) =>
    (listFolder(folder) ?? []).some((name) => /^tokenizer\.(json|model)$/.test(name))
  const present = folders.filter((folder) => folder !== null)
  return present.find(has) ?? (present[0] as string)
}
