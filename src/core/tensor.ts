/** A tensor in host memory: the currency between files, pixels and the runtime. */
import { bfloat16ToFloat32, float16ToFloat32, type DType, type TypedArray } from './dtype.ts'
import { ShapeError } from './errors.ts'
import { elementCount, formatType } from './shape.ts'

export type HostTensor = {
  readonly dtype: DType
  readonly shape: readonly number[]
  /** Row-major elements. float16 and bfloat16 are bits in a Uint16Array. May be a read-only view of a mapped file. */
  readonly data: TypedArray
}

/** Makes a tensor after checking that the data has as many elements as the shape says. */
export function hostTensor(dtype: DType, shape: readonly number[], data: TypedArray): HostTensor {
  if (data.length !== elementCount(shape)) {
    throw new ShapeError(
      'SHAPE_DATA',
      `tensor: ${formatType(dtype, shape)} needs ${elementCount(shape)} elements, the data has ${data.length}.`,
    )
  }
  return { dtype, shape, data }
}

/** The elements as float32: a view where they already are, otherwise an exact widening copy. */
export function toFloat32(tensor: HostTensor): Float32Array {
  const { dtype, data } = tensor
  if (data instanceof Float32Array) return data
  if (dtype === 'float16' && data instanceof Uint16Array) return float16ToFloat32(data)
  if (dtype === 'bfloat16' && data instanceof Uint16Array) return bfloat16ToFloat32(data)
  if (data instanceof BigInt64Array) return Float32Array.from(data, Number)
  return Float32Array.from(data)
}
