/**
 * Safetensors whose weights lie in blocks of few bits: a tensor `NAME` is stored as the bytes `NAME.Q4_1`, and is read as
 * the float32 matrix that they stand for.
 *
 * The blocks are ggml's (`ggml-types.ts`), so that a weight of a GGUF file can be taken over byte for byte. Rows are whole
 * numbers of blocks: uint8 [rows, columns/32 · bytes of a block] stands for float32 [rows, columns].
 */
import { elementCount } from '../core/shape.ts'
import type { HostTensor } from '../core/tensor.ts'
import { GGML_TYPES, type GgmlType } from './ggml-types.ts'
import type { TensorInfo, WeightSource } from './source.ts'
import { tensorRows } from './tensor-rows.ts'

/** The types that tensors are stored in so, by name. */
const BLOCK_TYPES: ReadonlyMap<string, GgmlType> = new Map(
  [...GGML_TYPES.values()].flatMap((type) => (type.dequantize ? [[type.name, type] as const] : [])),
)

type Stored = { readonly name: string; readonly type: GgmlType }

/** The source with every tensor of blocks under its own name, widened when it is read; the others are as they were. */
export function withoutBlocks(source: WeightSource): WeightSource {
  const stored = new Map<string, Stored>()
  const tensors = new Map<string, TensorInfo>()
  for (const [name, info] of source.tensors) {
    const block = blockOf(name, info)
    const own = block ? name.slice(0, -block.name.length - 1) : name
    if (block) stored.set(own, { name, type: block })
    tensors.set(
      own,
      block ? { ...info, dtype: 'float32', shape: widened(info.shape, block) } : info,
    )
  }
  if (stored.size === 0) return source
  const widen = (tensor: HostTensor, type: GgmlType): HostTensor => {
    const { buffer, byteOffset, byteLength } = tensor.data
    const data = type.dequantize?.(new Uint8Array(buffer, byteOffset, byteLength))
    return { dtype: 'float32', shape: widened(tensor.shape, type), data: data ?? tensor.data }
  }
  return {
    tensors,
    read(name) {
      const found = stored.get(name)
      return found ? widen(source.read(found.name), found.type) : source.read(name)
    },
    readRows(name, from, to) {
      const found = stored.get(name)
      const rows = tensorRows(source, found?.name ?? name, from, to)
      return found ? widen(rows, found.type) : rows
    },
    release: (name) => source.release?.(stored.get(name)?.name ?? name),
    close: () => source.close(),
  }
}

/** The type of blocks that a tensor's name ends with, unless its bytes are no whole rows of them. */
function blockOf(name: string, { dtype, shape }: TensorInfo): GgmlType | undefined {
  if (dtype !== 'uint8' || shape.length === 0) return undefined
  const type = BLOCK_TYPES.get(name.slice(name.lastIndexOf('.') + 1))
  return type && (shape.at(-1) as number) % type.blockBytes === 0 ? type : undefined
}

function widened(shape: readonly number[], { blockBytes, blockElements }: GgmlType): number[] {
  return [...shape.slice(0, -1), ((shape.at(-1) as number) / blockBytes) * blockElements]
}

/** Name, dtype and shape under which a float32 matrix is stored in blocks of `type`. */
export function storedPlan(
  name: string,
  shape: readonly number[],
  typeName: string,
): { readonly name: string; readonly dtype: 'uint8'; readonly shape: readonly number[] } {
  const type = BLOCK_TYPES.get(typeName)
  const columns = shape.at(-1) ?? 0
  if (!type || elementCount(shape) === 0 || columns % type.blockElements !== 0) {
    throw new Error(`internal: ${name} [${shape}] cannot be stored as ${typeName}`)
  }
  const bytes = (columns / type.blockElements) * type.blockBytes
  return { name: `${name}.${typeName}`, dtype: 'uint8', shape: [...shape.slice(0, -1), bytes] }
}
