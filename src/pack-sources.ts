/** What `packModel` makes one folder of: the base's folders, and the adapters in them and on top of them, opened. */
import {
  besideOrHub,
  beside,
  checkpointFolders,
  TRAINED_BESIDE,
  type CheckpointFolder,
} from './checkpoint-folders.ts'
import { isOfTower } from './checkpoint-tower.ts'
import { CheckpointError, ConfigError } from './core/errors.ts'
import { learntBeside } from './families/convert/learnt-beside.ts'
import type { LearntFiles } from './families/convert/learnt-files.ts'
import type { CheckpointDocuments } from './families/family.ts'
import { isObject } from './families/json-reader.ts'
import { publishedTower } from './families/vision-config.ts'
import { locate } from './locate-model.ts'
import { readDocuments } from './weights/documents.ts'
import {
  openLoraAdapter,
  openStored,
  type LoraAdapter,
  type WeightSource,
} from './weights/index.ts'
import { linkedPath, listFolder } from './weights/node.ts'

export type PackSources = {
  /** Of the base, the lowest first: the one with the language model, what lies on top of it. */
  readonly folders: readonly CheckpointFolder[]
  /** Of what was trained, the lowest first. */
  readonly adapters: readonly CheckpointFolder[]
  readonly documents: CheckpointDocuments
  /** The folder of the tower that lies apart. */
  readonly tower: string | null
  /** How pictures were learnt, as `documents` have it, and what is to be told of that. */
  readonly learnt: LearntFiles
  /** The base's tensors as they lie in its files. */
  readonly stored: WeightSource
  /** Those that the base brings. */
  readonly under: readonly LoraAdapter[]
  /** Those that were trained on it. */
  readonly trained: readonly LoraAdapter[]
  close(): void
}

export type PackedParts = {
  /** The folder that was trained from, or its name; its own adapters count. */
  readonly base: string
  /** Folders that training saved, the lowest first. */
  readonly adapters: readonly string[]
}

/**
 * Throws CheckpointError for what is not there, from `out` in the case of a tower, and for adapters on top of others that
 * neither the base nor `adapters` has, ConfigError for a base that is no folder.
 */
export async function openPackSources(
  out: string,
  { base, adapters }: PackedParts,
): Promise<PackSources> {
  const opened: WeightSource[] = []
  const close = () => opened.forEach((source) => source.close())
  const open = (folder: string) => {
    const adapter = openLoraAdapter(folder)
    opened.push(adapter.source)
    return adapter
  }
  try {
    const trained = adapters.map(open)
    const own = (await checkpointFolders(await baseFolder(base), {})).toReversed()
    const above = adapters.map(readFolder)
    checkCounted([...own, ...above], { base, adapters })
    const under = own.filter(hasAdapter).map(({ path }) => open(path))
    const stored = openStored((own[0] as CheckpointFolder).path)
    opened.push(stored)
    const ownFiles = new Map(own.flatMap(({ documents }) => [...documents]))
    const learnt = learntBeside(ownFiles, above)
    const files = new Map([...ownFiles, ...learnt.files])
    const full = [...under, ...trained].flatMap(({ replacements }) => [...replacements.keys()])
    const names = [...stored.tensors.keys(), ...full]
    const tower = await towerFolder(files.get('config.json'), { out, names })
    const documents = { name: base, files, ...(tower !== null && { tower: readDocuments(tower) }) }
    return {
      folders: own,
      adapters: above,
      documents,
      tower,
      learnt,
      stored,
      under,
      trained,
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}

async function baseFolder(base: string): Promise<string> {
  const path = await locate(base, {})
  if (listFolder(path) !== undefined) return path
  throw new ConfigError(
    'CONFIG_OPTION',
    `pack: expected the folder of a checkpoint as the base, the file ${path} came; give a folder ("llava assemble" makes one of a .gguf file and a tower).`,
  )
}

function readFolder(path: string): CheckpointFolder {
  return { path, names: listFolder(path) ?? [], documents: readDocuments(path) }
}

function hasAdapter({ names }: CheckpointFolder): boolean {
  return names.includes('adapter_config.json')
}

/** All that was trained is to be in the packed folder: what is in none of `folders` or is no adapter would be lost. */
function checkCounted(folders: readonly CheckpointFolder[], { base, adapters }: PackedParts): void {
  const isCounted = (path: string) =>
    folders.some((folder) => linkedPath(folder.path) === linkedPath(path))
  for (const { path, names, documents } of folders) {
    const other = TRAINED_BESIDE.find((name) => names.includes(name))
    if (other !== undefined) {
      throw new CheckpointError(
        'CHECKPOINT_BASE',
        `pack: expected adapters of PEFT alone, ${path} has ${other} as well; merge it first (llava convert ${path} --to llava-hf).`,
      )
    }
    if (!adapters.includes(path)) continue
    const config = documents.get('adapter_config.json')
    const named = isObject(config) ? config['base_model_name_or_path'] : undefined
    const below = typeof named === 'string' ? beside(path, named) : null
    if (below === null || !hasAdapter(readFolder(below)) || isCounted(below)) continue
    throw new CheckpointError(
      'CHECKPOINT_BASE',
      `pack: ${path} was trained on ${below}, which has an adapter of its own, ${base} came as the base; give ${below}, whose adapter is packed with it.`,
    )
  }
}

/**
 * The folder of the tower that an original checkpoint names, as it is found from where the packed one lies; null where the
 * packed one holds all of it, as of a published one whose weights are among `names`.
 */
async function towerFolder(
  config: unknown,
  { out, names }: { readonly out: string; readonly names: readonly string[] },
): Promise<string | null> {
  const named = isObject(config) ? config['mm_vision_tower'] : undefined
  if (typeof named !== 'string') return null
  if (names.some(isOfTower) && publishedTower(named) !== undefined) return null
  const advice =
    'put its folder there, or train and pack the checkpoint in the llava-hf layout, which holds its tower (llava convert)'
  return besideOrHub(out, named, { advice })
}
