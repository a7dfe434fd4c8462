/**
 * `packModel`: a base folder and what was trained on top of it become one small folder that loads as it is.
 *
 *   model-….safetensors          the language model byte for byte as the base stores it: it never changes
 *   the last of them             tower and projector, trained or not, in blocks of few bits
 *   adapter_model.safetensors    the LoRA adapter in blocks, and what of the language model was trained in full beside it;
 *                                merged when the folder is loaded
 *
 * Training again changes the two small files alone.
 */
import { ConfigError } from './core/errors.ts'
import { learntBeside } from './families/convert/learnt-beside.ts'
import { jsonBytes } from './families/convert/written-json.ts'
import { familyOf } from './families/index.ts'
import { openParts } from './load-checkpoint.ts'
import { modelGraphs, parameterMap } from './load-model.ts'
import {
  adapterTensors,
  baseTensors,
  heldInFull,
  seeingTensors,
  type PackedTensor,
  type PackSources,
} from './pack-tensors.ts'
import { readDocuments } from './weights/documents.ts'
import { copyFileInto, writeFolderAtomically } from './weights/folder-node.ts'
import {
  openLoraAdapter,
  openStored,
  writeSafetensors,
  writeShardedSafetensors,
  type BlockType,
  type LoraAdapter,
  type TensorPlan,
} from './weights/index.ts'
import { isSavedBy } from './weights/lora.ts'
import { joinPath, listFolder, writeFileAtomically } from './weights/node.ts'

export type PackOptions = {
  /** The folder that was trained from. */
  readonly base: string
  /** The adapter's folder that training saved. */
  readonly adapter: string
  /** The README.md of the folder. */
  readonly card: string
  /** Blocks that tower and projector are stored in. */
  readonly blocks?: BlockType | undefined
  readonly adapterBlocks?: BlockType | undefined
  /** How much of the adapter counts: with less than 1 more is left of what the base knew. */
  readonly adapterScale?: number | undefined
  /** The same of modules by the end of their names, such as `up_proj`: times `adapterScale`. */
  readonly moduleScales?: Readonly<Record<string, number>> | undefined
  /** What whoever packs should know, a sentence each. */
  readonly onNotice?: ((notice: string) => void) | undefined
}

/** Longest shard: repositories and package registries take it. */
const SHARD_BYTES = 44_000_000

/** Writes the folder `out`. Throws CheckpointError for an adapter that does not fit its base. */
export async function packModel(out: string, options: PackOptions): Promise<readonly string[]> {
  checkScale('adapterScale', options.adapterScale ?? 1)
  for (const [name, scale] of Object.entries(options.moduleScales ?? {})) {
    checkScale(`moduleScales.${name}`, scale)
  }
  const stored = openStored(options.base)
  try {
    const adapter = openLoraAdapter(options.adapter)
    try {
      return await pack(out, { stored, adapter }, options)
    } finally {
      adapter.source.close()
    }
  } finally {
    stored.close()
  }
}

async function pack(out: string, sources: PackSources, options: PackOptions): Promise<string[]> {
  const documents = { name: options.base, files: readDocuments(options.base) }
  const trained = { path: options.adapter, documents: readDocuments(options.adapter) }
  const { files: learnt, notices } = learntBeside(documents.files, [trained])
  notices.forEach((notice) => options.onNotice?.(notice))
  const { parameterNames: rules, parseConfig } = familyOf(documents)
  const held = heldInFull(sources.adapter, rules)
  const config = adapterConfig(options, { modules: sources.adapter.modules, held })
  const { vision } = parseConfig(documents, { processor: 'derived' })
  const { blocks = 'Q8_0', adapterBlocks = 'Q8_0' } = options
  const base = baseTensors(sources, rules)
  const seeing = vision ? seeingTensors(sources, { rules, vision, blocks }) : []
  const first = seeing[0]?.name
  const names: string[] = []
  const writeAll = async (folder: string) => {
    const write = async (name: string, bytes: Uint8Array) => {
      await writeFileAtomically(joinPath(folder, name), (append) => append(bytes))
      names.push(name)
    }
    const shards = await writeShardedSafetensors(folder, [...base, ...seeing], produce, {
      maxShardBytes: SHARD_BYTES,
      beginsShard: (name) => name === first,
      metadata: { format: 'pt' },
    })
    const path = joinPath(folder, 'adapter_model.safetensors')
    const lora = adapterTensors(sources.adapter, { held, blocks: adapterBlocks })
    await writeSafetensors(path, lora, produce, { metadata: { format: 'pt' } })
    names.push(...shards, 'adapter_model.safetensors')
    for (const name of (listFolder(options.base) ?? []).filter(isCopied)) {
      if (learnt.has(name)) continue
      await copyFileInto(joinPath(options.base, name), folder)
      names.push(name)
    }
    for (const [name, json] of learnt) await write(name, jsonBytes(json))
    await write('adapter_config.json', config)
    await write('README.md', new TextEncoder().encode(options.card))
    await checkWhole(folder)
  }
  await writeFolderAtomically(out, writeAll, { kind: 'model' })
  return names
}

const produce = (plan: TensorPlan) => (plan as PackedTensor).read().data

/** Small files that come along; weights, adapter and card are made here. */
function isCopied(name: string): boolean {
  return /\.(?:json|jinja|model)$/.test(name) && !/\.index\.json$|^adapter_/.test(name)
}

/** The trained adapter's config; its base is the folder itself, and of what was trained in full it has what `held` names. */
function adapterConfig(
  { adapter, adapterScale = 1, moduleScales = {} }: PackOptions,
  { modules, held }: Pick<LoraAdapter, 'modules'> & { held: LoraAdapter['replacements'] },
): Uint8Array {
  const config = readDocuments(adapter).get('adapter_config.json') as AdapterConfig
  const own = Object.entries(config.alpha_pattern ?? {})
  const scales = Object.entries(moduleScales)
  const saved = (config.modules_to_save ?? []).filter((name) =>
    [...held.keys()].some((trained) => isSavedBy(name, trained)),
  )
  checkModules(scales, { paths: [...modules.keys()], hasPatterns: own.length > 0 })
  const patterns = [
    ...own,
    ...scales.map(([of, scale]) => [of, config.lora_alpha * scale] as const),
  ]
  const packed = {
    ...config,
    base_model_name_or_path: '.',
    modules_to_save: saved.length > 0 ? saved : null,
    lora_alpha: config.lora_alpha * adapterScale,
    alpha_pattern: Object.fromEntries(patterns.map(([of, alpha]) => [of, alpha * adapterScale])),
  }
  return jsonBytes(packed)
}

function checkModules(
  scales: readonly (readonly [string, number])[],
  { paths, hasPatterns }: { readonly paths: readonly string[]; readonly hasPatterns: boolean },
): void {
  if (scales.length > 0 && hasPatterns) {
    throw new ConfigError(
      'CONFIG_ADAPTER_SCALE',
      'pack: moduleScales were given, but the adapter has an alpha_pattern of its own; change that one.',
    )
  }
  const names = new Set(paths.map((path) => path.slice(path.lastIndexOf('.') + 1)))
  const unknown = scales.find(([name]) => !names.has(name))?.[0]
  if (unknown === undefined) return
  throw new ConfigError(
    'CONFIG_ADAPTER_SCALE',
    `pack: moduleScales should name modules of the adapter, ${[...names].sort().join(', ')}; ${unknown} came.`,
  )
}

/** What packing changes of a config that the adapter was opened with. */
type AdapterConfig = {
  readonly lora_alpha: number
  readonly alpha_pattern?: Readonly<Record<string, number>> | null
  readonly modules_to_save?: readonly string[] | null
}

function checkScale(name: string, scale: number): void {
  if (scale > 0 && scale <= 1) return
  throw new ConfigError(
    'CONFIG_ADAPTER_SCALE',
    `pack: ${name} should be over 0 and at most 1, ${scale} came; leave it out for the whole.`,
  )
}

/** Throws CheckpointError unless the folder holds every weight of its model and an adapter that fits. */
async function checkWhole(folder: string): Promise<void> {
  const checkpoint = await openParts(folder, {})
  try {
    parameterMap(checkpoint, modelGraphs(checkpoint))
  } finally {
    checkpoint.close()
  }
}
