/** A path in, a source of tensors out, whatever the file's format. */
import { CheckpointError } from '../core/errors.ts'
import { inTurns } from '../core/steps.ts'
import { chooseCheckpointFiles } from './checkpoint-files.ts'
import type { FileBytes } from './file-bytes.ts'
import { ggufMetadataSteps, ggufSourceSteps, readGguf, type GgufSource } from './gguf.ts'
import type { GgufMetadata } from './gguf-metadata.ts'
import { joinPath, listFolder, openFileBytes } from './node.ts'
import { readPytorch } from './pytorch.ts'
import { readSafetensors } from './safetensors.ts'
import { joinShards, readShardIndex } from './sharded.ts'
import type { WeightSource } from './source.ts'
import { withoutBlocks } from './stored-blocks.ts'

/**
 * Opens the checkpoint in a folder (safetensors, PyTorch, GGUF; one file or several), or the one file that the path names.
 * Throws CheckpointError if there is none, a shard is missing, or anything is damaged.
 */
export function openCheckpoint(path: string): WeightSource {
  return withoutBlocks(openStored(path))
}

/** The same with every tensor as it lies in its file: blocks of few bits as bytes, under names that say so. */
export function openStored(path: string): WeightSource {
  const names = listFolder(path)
  if (names === undefined) return openStoredFile(path)
  const chosen = chooseCheckpointFiles(path, names)
  return chosen.kind === 'file'
    ? openStoredFile(joinPath(path, chosen.file))
    : openSharded(path, chosen.index, names)
}

/** Opens one file by the end of its name: `.safetensors`, `.bin`, `.pt`, `.pth` or `.gguf`. */
export function openWeightFile(path: string): WeightSource {
  return withoutBlocks(openStoredFile(path))
}

function openStoredFile(path: string): WeightSource {
  return openWith(path, (file) => {
    if (path.endsWith('.safetensors')) return readSafetensors(file)
    if (/\.(bin|pt|pth)$/.test(path)) return readPytorch(file)
    if (path.endsWith('.gguf')) return readGguf(file)
    throw new CheckpointError(
      'CHECKPOINT_FORMAT',
      `weights: expected a name that ends with .safetensors, .bin, .pt, .pth or .gguf, ${file.name} came; rename or convert it.`,
    )
  })
}

/** Opens a GGUF file with its metadata and stored blocks. Throws CheckpointError if it is damaged. */
export function openGguf(path: string): GgufSource {
  return openWith(path, readGguf)
}

/** The same with turns for others while a vocabulary of a hundred thousand tokens is read. */
export async function openGgufInTurns(path: string): Promise<GgufSource> {
  const file = openFileBytes(path)
  try {
    return await inTurns(ggufSourceSteps(file))
  } catch (error) {
    file.close()
    throw error
  }
}

/** The source that `read` makes owns the file; if it makes none, the file is closed here. */
function openWith<S extends WeightSource>(path: string, read: (file: FileBytes) => S): S {
  const file = openFileBytes(path)
  try {
    return read(file)
  } catch (error) {
    file.close()
    throw error
  }
}

/** The metadata of a GGUF file, tokenizer included; its tensors are not looked at. Throws CheckpointError if it is damaged. */
export async function readGgufMetadata(path: string): Promise<GgufMetadata> {
  const file = openFileBytes(path)
  try {
    return await inTurns(ggufMetadataSteps(file))
  } finally {
    file.close()
  }
}

function openSharded(folder: string, indexName: string, names: readonly string[]): WeightSource {
  const index = openFileBytes(joinPath(folder, indexName))
  const sources = new Map<string, WeightSource>()
  try {
    const shards = readShardIndex(index)
    const files = new Set(shards.values())
    checkPresent(folder, indexName, files, names)
    for (const file of files) sources.set(file, openStoredFile(joinPath(folder, file)))
    return joinShards(indexName, shards, sources)
  } catch (error) {
    for (const source of sources.values()) source.close()
    throw error
  } finally {
    index.close()
  }
}

function checkPresent(
  folder: string,
  indexName: string,
  files: ReadonlySet<string>,
  names: readonly string[],
): void {
  const missing = [...files].filter((file) => !names.includes(file))
  if (missing.length === 0) return
  throw new CheckpointError(
    'CHECKPOINT_SHARD_MISSING',
    `weights: ${indexName} names ${missing.join(', ')}, not in ${folder}; download the missing ${missing.length === 1 ? 'file' : 'files'}.`,
  )
}
