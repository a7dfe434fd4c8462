/**
 * Safetensors whose weights lie in blocks of few bits: a tensor `NAME` is stored as the bytes `NAME.Q4_1`, and is read as
 * the float32 matrix that they stand for.
 *
 * The blocks are ggml's (`ggml-types.ts`), so that a weight of a GGUF file can be taken over byte for byte. Rows are whole
 * numbers of blocks: uint8 [rows, columns/32 · bytes of a block] stands for float32 [rows, columns]. Rows that are shorter
 * than a block share it: `NAME.Q8_0.16`, uint8 [rows · 16/32, bytes of a block], stands for float32 [rows, 16].
 */
import { CheckpointError } from '../core/errors.ts'
import { elementCount } from '../core/shape.ts'
import { toFloat32, type HostTensor } from '../core/tensor.ts'
import { GGML_TYPES, type GgmlType } from './ggml-types.ts'
import type { TensorInfo, WeightSource } from './source.ts'
import { rowsInto, sliceRows, tensorRows } from './tensor-rows.ts'

/** The types that tensors are stored in so, by name. */
const BLOCK_TYPES: ReadonlyMap<string, GgmlType> = new Map(
  [...GGML_TYPES.values()].flatMap((type) => (type.dequantize ? [[type.name, type] as const] : [])),
)

type Stored = {
  readonly name: string
  readonly type: GgmlType
  readonly shape: readonly number[]
  /** Whether every row begins with a block. */
  readonly hasWholeRows: boolean
}

/** The source with every tensor of blocks under its own name, widened when it is read; the others are as they were. */
export function withoutBlocks(source: WeightSource): WeightSource {
  const stored = new Map<string, Stored>()
  const tensors = new Map<string, TensorInfo>()
  for (const [name, info] of source.tensors) {
    const found = storedBlocks(name, info)
    const own = found?.own ?? name
    if (tensors.has(own)) throw storedTwice(own, info.file)
    if (found) stored.set(own, found)
    tensors.set(
      own,
      found ? { ...info, dtype: 'float32', shape: found.shape, isInBlocks: true } : info,
    )
  }
  if (stored.size === 0) return source
  const read = (name: string) => {
    const found = stored.get(name)
    return found ? widen(source.read(found.name), found.type, found.shape) : source.read(name)
  }
  return {
    tensors,
    read,
    readRows(name, from, to) {
      const found = stored.get(name)
      if (!found) return tensorRows(source, name, from, to)
      if (!found.hasWholeRows) return sliceRows(read(name), from, to)
      const shape = [to - from, ...found.shape.slice(1)]
      return widen(tensorRows(source, found.name, from, to), found.type, shape)
    },
    readInto(name, from, target) {
      const found = stored.get(name)
      if (!found) return rowsInto(source, name, from, target)
      const width = elementCount(found.shape.slice(1))
      const to = from + target.length / width
      if (!found.hasWholeRows) return target.set(toFloat32(sliceRows(read(name), from, to)))
      const { data } = tensorRows(source, found.name, from, to)
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      found.type.dequantize?.(bytes, target)
    },
    release: (name) => source.release?.(stored.get(name)?.name ?? name),
    close: () => source.close(),
  }
}

function storedTwice(name: string, file: string): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_DUPLICATE',
    `weights: expected every tensor once, ${file} holds ${name} in two forms; write the file again.`,
  )
}

function widen({ data }: HostTensor, type: GgmlType, shape: readonly number[]): HostTensor {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const values = (type.dequantize as (blocks: Uint8Array) => Float32Array)(bytes)
  return { dtype: 'float32', shape, data: values }
}

/** What a tensor's name says about its bytes; undefined unless they are whole blocks of a known type. */
function storedBlocks(
  name: string,
  { dtype, shape }: TensorInfo,
): (Stored & { readonly own: string }) | undefined {
  const [, own, typeName, columns] = /^(.+)\.(Q\d_\w+?)(?:\.(\d+))?$/.exec(name) ?? []
  const type = BLOCK_TYPES.get(typeName ?? '')
  const bytes = shape.at(-1) ?? 0
  if (own === undefined || !type || dtype !== 'uint8' || bytes % type.blockBytes !== 0) {
    return undefined
  }
  const width = (bytes / type.blockBytes) * type.blockElements
  if (columns === undefined) {
    return { own, name, type, shape: [...shape.slice(0, -1), width], hasWholeRows: true }
  }
  const rows = (elementCount(shape.slice(0, -1)) * width) / Number(columns)
  if (!Number.isInteger(rows)) return undefined
  return { own, name, type, shape: [rows, Number(columns)], hasWholeRows: false }
}

/** The name of a tensor without what says how its bytes are stored. */
export function ownName(name: string, info: TensorInfo): string {
  return storedBlocks(name, info)?.own ?? name
}

/** Whether `encodeBlocks` can store a tensor of this shape: matrices whose elements fill whole blocks. */
export function fitsBlocks(shape: readonly number[]): boolean {
  return shape.length === 2 && elementCount(shape) % 32 === 0 && elementCount(shape) > 0
}

/** Name, dtype and shape under which a float32 matrix is stored in blocks of 32 elements. */
export function storedPlan(
  name: string,
  shape: readonly number[],
  typeName: string,
): { readonly name: string; readonly dtype: 'uint8'; readonly shape: readonly number[] } {
  const type = BLOCK_TYPES.get(typeName)
  if (type?.blockElements !== 32 || !fitsBlocks(shape)) {
    throw new Error(`internal: ${name} [${shape}] cannot be stored as ${typeName}`)
  }
  const [rows, columns] = shape as readonly [number, number]
  const { blockBytes } = type
  return columns % 32 === 0
    ? { name: `${name}.${typeName}`, dtype: 'uint8', shape: [rows, (columns / 32) * blockBytes] }
    : {
        name: `${name}.${typeName}.${columns}`,
        dtype: 'uint8',
        shape: [(rows * columns) / 32, blockBytes],
      }
}
