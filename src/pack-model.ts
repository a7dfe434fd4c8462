/**
 * `packModel`: a base folder and what was trained on top of it become one small folder that loads as it is.
 *
 *   model-….safetensors          the language model byte for byte as the base stores it: it never changes
 *   the last of them             tower and projector, trained or not, in blocks of few bits
 *   adapter_model.safetensors    the LoRA adapter in blocks, all of the base's and the trained ones as one, and what of the
 *                                language model was trained in full beside it; merged when the folder is loaded
 *
 * Training again changes the two small files alone.
 */
import type { CheckpointFolder } from './checkpoint-folders.ts'
import { ConfigError } from './core/errors.ts'
import { jsonBytes } from './families/convert/written-json.ts'
import { familyOf } from './families/index.ts'
import { openParts, type CheckpointOptions } from './load-checkpoint.ts'
import { modelGraphs, parameterMap } from './load-model.ts'
import {
  checkShares,
  packedAdapterConfig,
  scaledAdapters,
  type AdapterConfig,
  type AdapterShares,
} from './pack-adapter.ts'
import { openPackSources, type PackedParts, type PackSources } from './pack-sources.ts'
import {
  adapterTensors,
  baseTensors,
  isRead,
  seeingTensors,
  type PackedTensor,
} from './pack-tensors.ts'
import { stackAdapters } from './stack-adapters.ts'
import { readText } from './weights/documents.ts'
import { copyFileInto, writeFolderAtomically } from './weights/folder-node.ts'
import {
  writeSafetensors,
  writeShardedSafetensors,
  type BlockType,
  type TensorPlan,
} from './weights/index.ts'
import { joinPath, writeFileAtomically } from './weights/node.ts'

export type PackOptions = PackedParts &
  AdapterShares & {
    /** The README.md of the folder; by default that of the last adapter. */
    readonly card?: string | undefined
    /** Blocks that tower and projector are stored in. */
    readonly blocks?: BlockType | undefined
    readonly adapterBlocks?: BlockType | undefined
    /** What whoever packs should know, a sentence each. */
    readonly onNotice?: ((notice: string) => void) | undefined
  }

/** Longest shard: repositories and package registries take it. */
const SHARD_BYTES = 44_000_000

/**
 * Writes the folder `out`. Throws CheckpointError for adapters that do not fit the base or are not all there, ConfigError for
 * one that comes twice, shares that are none and a card that is missing.
 */
export async function packModel(out: string, options: PackOptions): Promise<readonly string[]> {
  checkShares(options)
  const sources = await openPackSources(out, options)
  try {
    return await pack(out, sources, options)
  } finally {
    sources.close()
  }
}

async function pack(out: string, sources: PackSources, options: PackOptions): Promise<string[]> {
  const { documents, learnt, stored, under } = sources
  await checkWhole(options.base, {
    adapters: options.adapters,
    visionTower: sources.tower ?? undefined,
  })
  learnt.notices.forEach((notice) => options.onNotice?.(notice))
  const card = options.card ?? ownCard(sources)
  const { parameterNames: rules, parseConfig } = familyOf(documents)
  const { vision } = parseConfig(documents, { processor: 'derived' })
  const { blocks = 'Q8_0', adapterBlocks = 'Q8_0' } = options
  const stack = stackAdapters([...under, ...scaledAdapters(sources.trained, options)], rules)
  const trained = new Map([...stack].filter(([path]) => isRead(path, vision)))
  const config = packedAdapterConfig(adapterConfigs(sources), trained)
  const base = baseTensors(stored, rules)
  const seeing = vision ? seeingTensors(stored, trained, { rules, vision, blocks }) : []
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
    const lora = adapterTensors(trained, adapterBlocks)
    await writeSafetensors(path, lora, produce, { metadata: { format: 'pt' } })
    names.push(...shards, 'adapter_model.safetensors')
    for (const [name, from] of copiedFiles(sources)) {
      await copyFileInto(joinPath(from, name), folder)
      names.push(name)
    }
    for (const [name, json] of learnt.files) await write(name, jsonBytes(json))
    await write('adapter_config.json', jsonBytes(config))
    await write('README.md', new TextEncoder().encode(card))
    await checkWhole(folder, {})
  }
  await writeFolderAtomically(out, writeAll, { kind: 'model' })
  return names
}

/** What training wrote about the last adapter. */
function ownCard({ adapters }: PackSources): string {
  const { path, names } = adapters.at(-1) as CheckpointFolder
  if (names.includes('README.md')) return readText(path, 'README.md')
  throw new ConfigError(
    'CONFIG_OPTION',
    `pack: expected a README.md in ${path}, there is none; name a file with its text as card (--card).`,
  )
}

const produce = (plan: TensorPlan) => (plan as PackedTensor).read().data

/** Small files that come along, by name, and the folder of each: weights, adapter, card and what was learnt are made here. */
function copiedFiles({ folders, adapters, learnt }: PackSources): ReadonlyMap<string, string> {
  const isSmall = (name: string) =>
    /\.(?:json|jinja|model)$/.test(name) && !/\.index\.json$|^adapter_/.test(name)
  const named = ({ path, names }: CheckpointFolder) =>
    names.filter(isSmall).map((name) => [name, path] as const)
  const beside = adapters.flatMap(named).filter(([name]) => !OF_THE_MODEL.test(name))
  const all = [...folders.flatMap(named), ...beside]
  return new Map(all.filter(([name]) => !learnt.files.has(name)))
}

/** Beside an adapter they say how pictures were learnt, which `learnt` has, and else what is the model's own affair. */
const OF_THE_MODEL = /^(?:config|processor_config|(?:video_)?preprocessor_config)\.json$/

function adapterConfigs({ folders, adapters }: PackSources): AdapterConfig[] {
  return [...folders, ...adapters].flatMap(
    ({ documents }) => (documents.get('adapter_config.json') as AdapterConfig | undefined) ?? [],
  )
}

/** Throws CheckpointError unless there is every weight of the model, and each adapter fits it. */
async function checkWhole(folder: string, parts: CheckpointOptions): Promise<void> {
  const checkpoint = await openParts(folder, parts)
  try {
    parameterMap(checkpoint, modelGraphs(checkpoint))
  } finally {
    checkpoint.close()
  }
}
