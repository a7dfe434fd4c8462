/**
 * A checkpoint in several files: the index says which tensor lies in which, and one source stands for them all.
 *
 * Source of the index's form: transformers, `save_pretrained` (`weight_map` from name to file, `metadata` beside it).
 */
import { CheckpointError } from '../core/errors.ts'
import type { FileBytes } from './file-bytes.ts'
import type { TensorInfo, WeightSource } from './source.ts'
import { decodeUtf8, parseStrictJson, type StrictJson } from './strict-json.ts'
import { isViewed, tensorRows } from './tensor-rows.ts'
import { unknownTensor } from './unknown-tensor.ts'

const MAX_INDEX_BYTES = 100_000_000

/** The index's map from tensor to file name, in its order. Throws CheckpointError if it is not one, or leads out of the folder. */
export function readShardIndex(file: FileBytes): ReadonlyMap<string, string> {
  const where = `weights: ${file.name}`
  if (file.size > MAX_INDEX_BYTES) {
    throw new CheckpointError(
      'CHECKPOINT_INDEX',
      `${where}: expected at most ${MAX_INDEX_BYTES} bytes, it has ${file.size}; this is no index.`,
    )
  }
  const text = decodeUtf8(where, file.bytes(0, file.size))
  const json = parseStrictJson(where, text, { maxDepth: 4, maxValues: 1_000_000 })
  const weightMap = json instanceof Map ? json.get('weight_map') : undefined
  if (!(weightMap instanceof Map) || weightMap.size === 0) {
    throw new CheckpointError(
      'CHECKPOINT_INDEX',
      `${where}: expected an object weight_map from tensor to file, there is none; the file is damaged.`,
    )
  }
  const shards = new Map<string, string>()
  for (const [name, shard] of weightMap) shards.set(name, checkShardName(where, name, shard))
  return shards
}

/** A shard lies beside its index: a path could name any file of the machine. */
function checkShardName(where: string, name: string, shard: StrictJson): string {
  if (typeof shard === 'string' && shard !== '' && !/[/\\:\0]|^\.\.?$/.test(shard)) return shard
  throw new CheckpointError(
    'CHECKPOINT_INDEX',
    `${where}: expected the name of a file beside the index for ${name}, ${JSON.stringify(shard)} came; correct the index.`,
  )
}

/**
 * One source over several, which it closes. `shards` maps each tensor to its file, `sources` each file to what it holds.
 * Throws CheckpointError naming every tensor that its file lacks, and every one that the index does not know.
 */
export function joinShards(
  indexName: string,
  shards: ReadonlyMap<string, string>,
  sources: ReadonlyMap<string, WeightSource>,
): WeightSource {
  const tensors = new Map<string, TensorInfo>()
  const faults: string[] = []
  for (const [name, shard] of shards) {
    const info = sources.get(shard)?.tensors.get(name)
    if (info === undefined) faults.push(`${name} is not in ${shard}`)
    else tensors.set(name, info)
  }
  for (const [shard, source] of sources) {
    for (const name of source.tensors.keys()) {
      if (!shards.has(name)) faults.push(`${name} of ${shard} is not in the index`)
    }
  }
  if (faults.length > 0) throw mismatch(indexName, faults)
  const sourceOf = (name: string) =>
    sources.get(shards.get(name) ?? '') ?? unknownTensor(name, tensors, indexName)
  return {
    tensors,
    read: (name) => sourceOf(name).read(name),
    readRows: (name, from, to) => tensorRows(sourceOf(name), name, from, to),
    isView: (name) => isViewed(sourceOf(name), name),
    release: (name) => sourceOf(name).release?.(name),
    close() {
      for (const source of sources.values()) source.close()
    },
  }
}

const MAX_FAULTS_SHOWN = 20

function mismatch(indexName: string, faults: readonly string[]): CheckpointError {
  const shown = faults.slice(0, MAX_FAULTS_SHOWN).join('; ')
  const rest =
    faults.length > MAX_FAULTS_SHOWN ? `; and ${faults.length - MAX_FAULTS_SHOWN} more` : ''
  return new CheckpointError(
    'CHECKPOINT_INDEX',
    `weights: ${indexName} and its files do not agree: ${shown}${rest}; download the checkpoint again.`,
  )
}
