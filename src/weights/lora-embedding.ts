/**
 * The adapter of an embedding, whose matrices PEFT keeps as those of the transposed weight:
 *
 *   W' = W + scale · (B A)ᵀ = W + scale · Aᵀ Bᵀ       W [V, D], lora_embedding_A [rank, V], lora_embedding_B [D, rank]
 *
 * Source: huggingface/peft 0.21, src/peft/tuners/lora/layer.py, `Embedding.get_delta_weight`.
 */
import { CheckpointError } from '../core/errors.ts'
import { toFloat32, type HostTensor } from '../core/tensor.ts'
import type { TensorInfo, WeightSource } from './source.ts'

/**
 * The source with the matrices of embeddings as those of linear layers: Aᵀ is `lora_B.weight`, Bᵀ is `lora_A.weight`, in
 * float32. Throws CheckpointError for a matrix that is there under both names.
 */
export function withLinearNames(source: WeightSource): WeightSource {
  const stored = new Map<string, string>()
  const tensors = new Map<string, TensorInfo>()
  for (const [name, info] of source.tensors) {
    const linear = linearName(name)
    const own = linear ?? name
    if (tensors.has(own)) throw storedTwice(own, info.file)
    tensors.set(own, info)
    if (linear === undefined) continue
    tensors.set(own, { ...info, dtype: 'float32', shape: info.shape.toReversed() })
    stored.set(own, name)
  }
  if (stored.size === 0) return source
  return {
    tensors,
    read(name) {
      const found = stored.get(name)
      return found === undefined ? source.read(name) : transpose(source.read(found))
    },
    release: (name) => source.release?.(stored.get(name) ?? name),
    close: () => source.close(),
  }
}

/** The name in the file ends with the side, or, as in memory, with the adapter's name behind it. */
function linearName(name: string): string | undefined {
  const [, path, side, adapter] = /^(.+)\.lora_embedding_([AB])(|\.[^.]+)$/.exec(name) ?? []
  if (path === undefined) return undefined
  return `${path}.lora_${side === 'A' ? 'B' : 'A'}${adapter}.weight`
}

function storedTwice(name: string, file: string): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_DUPLICATE',
    `weights: expected every matrix of an adapter once, ${file} holds ${name} as one of an embedding and of a linear layer; save the adapter again.`,
  )
}

function transpose(tensor: HostTensor): HostTensor {
  const [rows = 0, columns = 0] = tensor.shape
  const values = toFloat32(tensor)
  const data = new Float32Array(values.length)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      data[column * rows + row] = values[row * columns + column] as number
    }
  }
  return { dtype: 'float32', shape: [columns, rows], data }
}
