/**
 * `assembleModel`: a language model and a vision tower become a new LLaVA with an untrained projector, ready for training.
 *
 * The language model's blocks of few bits are taken over byte for byte, so that what is trained on top of the folder is
 * trained on top of exactly what ships. Channels of the tower are standardised by statistics over given pictures.
 */
import { towerStatistics } from './assemble-statistics.ts'
import { decoderTensors, embeddingSize, newProjector, towerTensors } from './assemble-tensors.ts'
import { Rng } from './core/rng.ts'
import type { HostTensor } from './core/tensor.ts'
import { assembledFiles } from './families/assembled-files.ts'
import { ggufDocuments } from './families/gguf.ts'
import { JsonReader } from './families/json-reader.ts'
import { isTimmVit, timmVitSource } from './families/timm-vit.ts'
import { parseVisionConfig } from './families/vision-config.ts'
import { readDocuments } from './weights/documents.ts'
import { writeFolderAtomically } from './weights/folder-node.ts'
import {
  openCheckpoint,
  openGguf,
  writeShardedSafetensors,
  type BlockType,
  type GgufSource,
  type TensorPlan,
  type WeightSource,
} from './weights/index.ts'
import { joinPath, writeFileAtomically } from './weights/node.ts'

export type AssembleOptions = {
  /** A .gguf file. */
  readonly decoder: string
  /** A folder with a tower's weights and config.json. */
  readonly visionTower: string
  /** Pictures whose features say how large each channel is; none: channels stay as they are. */
  readonly pictures?: readonly string[] | undefined
  /** Side of the squares of patches that become one row. */
  readonly patchMerge?: number | undefined
  /** A special token of the vocabulary that nothing uses: it becomes `<image>`. */
  readonly imageToken: string
  /** Blocks that the embeddings are stored in; default: as they are. */
  readonly embeddings?: BlockType | undefined
  readonly seed?: number | undefined
  readonly onProgress?: (progress: { done: number; total: number; item: string }) => void
}

/** Longest shard: repositories and package registries take it. */
const SHARD_BYTES = 44_000_000

/**
 * Writes the folder `out` and gives the names of its files.
 *
 * Throws ConfigError for parts that do not go together, CheckpointError for damaged files and a disk that refuses.
 */
export async function assembleModel(
  out: string,
  options: AssembleOptions,
): Promise<readonly string[]> {
  const decoder = openGguf(options.decoder)
  try {
    const opened = openCheckpoint(options.visionTower)
    const tower = isTimmVit(opened) ? timmVitSource(opened) : opened
    try {
      return await assemble(out, { decoder, tower }, options)
    } finally {
      tower.close()
    }
  } finally {
    decoder.close()
  }
}

async function assemble(
  out: string,
  { decoder, tower }: { readonly decoder: GgufSource; readonly tower: WeightSource },
  options: AssembleOptions,
): Promise<readonly string[]> {
  const { patchMerge = 1, pictures = [], seed = 0 } = options
  const towerFiles = readDocuments(options.visionTower)
  const json = new JsonReader('visionTower config.json', towerFiles.get('config.json'))
  const plain = parseVisionConfig(json, (_, { hasClassToken }) => ({
    layers: [-2],
    dropFirstRow: hasClassToken,
  }))
  const vision = { ...plain, patchMerge, isStandardised: pictures.length > 0 }
  const documents = ggufDocuments(options.decoder, decoder)
  const { processor, files } = assembledFiles({
    decoder: { ...documents, metadata: decoder.metadata },
    tower: towerFiles,
    vision,
    imageToken: options.imageToken,
  })
  const { onProgress } = options
  const scaling = { processor, pictures, ...(onProgress && { onProgress }) }
  const hiddenSize = Number(decoder.tensors.get('output_norm.weight')?.shape[0])
  const sizes = { hiddenSize, embeddingSize: embeddingSize(decoder) }
  const tensors = [
    ...decoderTensors(decoder, options.embeddings),
    ...towerTensors(plain, tower),
    ...(await towerStatistics(plain, tower, scaling)),
    ...newProjector(vision, sizes, new Rng(seed)),
  ]
  const readers = new Map(tensors.map((tensor) => [tensor.name, () => tensor.read()]))
  let names: readonly string[] = []
  const write = async (folder: string) => {
    const produce = ({ name }: TensorPlan) => (readers.get(name) as () => HostTensor)().data
    const limits = { maxShardBytes: SHARD_BYTES, metadata: { format: 'pt' } }
    names = await writeShardedSafetensors(folder, tensors, produce, limits)
    for (const [name, bytes] of files) {
      await writeFileAtomically(joinPath(folder, name), (append) => append(bytes))
    }
  }
  await writeFolderAtomically(out, write, { kind: 'model' })
  return [...names, ...files.keys()]
}
