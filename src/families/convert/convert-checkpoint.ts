/**
 * Writes a checkpoint in another layout: original ⇄ `llava-hf`, adapters and separate parts merged.
 *
 * Everything that can be refused is refused before the first byte is written; tensors then pass through memory one at a
 * time. The vocabulary keeps its size but for the row of `<image>`, which one layout has and the other has not.
 */
import { ConfigError } from '../../core/errors.ts'
import { writeShardedSafetensors, type TensorProducer } from '../../weights/index.ts'
import { joinPath, writeFileAtomically } from '../../weights/node.ts'
import type { Tokenizer } from '../../text/tokenizer.ts'
import { llavaHfTarget } from './llava-hf-target.ts'
import { modelCard } from './model-card.ts'
import { originalTarget } from './original-target.ts'
import { elementsOf, type OutputDType, type OutputTensor } from './output-tensor.ts'
import { StoredTensors } from './stored-tensors.ts'
import type { ConvertSource, EyedConfig, OutputFolder, Target, TargetInput } from './target.ts'
import type { Files } from './tokenizer-files.ts'

export type ConvertLayout = 'llava-hf' | 'original'

export const CONVERT_LAYOUTS = ['llava-hf', 'original'] as const

export type ConvertOptions = {
  readonly to: ConvertLayout
  /** Where the result will be: the original layout has its conversation mode by the folder's name. */
  readonly out: string
  readonly dtype: OutputDType
  readonly tokenizer: Tokenizer
  /** The tokenizer's files, by name. */
  readonly tokenizerFiles: Files
  /** What was merged, for the model card. */
  readonly merged: readonly string[]
  /** Of this package, for the model card. */
  readonly version: string
  readonly maxShardBytes?: number | undefined
  readonly onProgress?: (progress: { done: number; total: number; item: string }) => void
  readonly signal?: AbortSignal | undefined
}

export type Conversion = {
  /** Folders that must exist in the target before it is written; '' is the target itself. */
  readonly folders: readonly string[]
  /** What a user should know, a sentence each. */
  readonly notices: readonly string[]
  /** Writes everything into a folder, which may be moved to `out` later. `bytes` are those of the weights. */
  write(folder: string): Promise<{ readonly files: readonly string[]; readonly bytes: number }>
}

const TARGETS: { readonly [L in ConvertLayout]: (input: TargetInput) => Target } = {
  'llava-hf': llavaHfTarget,
  original: originalTarget,
}

/**
 * Plans a conversion. Throws ConfigError for a checkpoint that the layout has no form for, CheckpointError for a missing
 * tensor; writing throws CheckpointError where the disk refuses, and the signal's reason when aborted.
 */
export function planConversion(source: ConvertSource, options: ConvertOptions): Conversion {
  const { documents, config } = source
  const { tokenizer, tokenizerFiles, dtype, to, out, merged, version } = options
  const stored = new StoredTensors(source.parts)
  const input = { out, documents, config: eyed(config), stored, tokenizer, tokenizerFiles, dtype }
  const { folders, notices } = TARGETS[to](input)
  const card = modelCard({ source: documents.name, to, dtype, parts: merged, notices, version })
  const [main, ...inner] = folders as readonly [OutputFolder, ...OutputFolder[]]
  const files = new Map(main.files).set('README.md', new TextEncoder().encode(card))
  const all = [{ ...main, files }, ...inner]
  return {
    notices,
    folders: all.map(({ folder }) => folder),
    write: (folder) => writeFolders(all, folder, options),
  }
}

function eyed(config: ConvertSource['config']): EyedConfig {
  const { family, vision, projector, image } = config
  if (vision && projector && image) return { ...config, vision, projector, image }
  throw new ConfigError(
    'CONFIG_CONVERT',
    `convert: checkpoints that see can be converted, this one is of family ${family} and has no vision tower.`,
  )
}

async function writeFolders(
  folders: readonly OutputFolder[],
  out: string,
  options: ConvertOptions,
): Promise<{ files: string[]; bytes: number }> {
  const written: string[] = []
  const progress = {
    done: 0,
    total: folders.reduce((sum, { tensors }) => sum + tensors.length, 0),
    bytes: 0,
  }
  for (const { folder, files, tensors } of folders) {
    const path = joinPath(out, folder)
    const produce = producer(tensors, options, progress)
    const names = await writeShardedSafetensors(path, tensors, produce, {
      metadata: { format: 'pt' },
      ...(options.maxShardBytes !== undefined && { maxShardBytes: options.maxShardBytes }),
    })
    for (const [name, data] of files) {
      await writeFileAtomically(joinPath(path, name), (append) => append(data))
    }
    written.push(...[...names, ...files.keys()].map((name) => joinPath(folder, name)))
  }
  return { files: written, bytes: progress.bytes }
}

/** Gives the tensors one by one; when the next is asked for, the last is written and need not stay in memory. */
function producer(
  tensors: readonly OutputTensor[],
  { onProgress, signal }: ConvertOptions,
  progress: { done: number; readonly total: number; bytes: number },
): TensorProducer {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]))
  let last: OutputTensor | undefined
  return ({ name }) => {
    signal?.throwIfAborted()
    last?.release()
    last = byName.get(name) as OutputTensor
    const elements = elementsOf(last)
    progress.bytes += elements.byteLength
    onProgress?.({ done: ++progress.done, total: progress.total, item: name })
    return elements
  }
}
