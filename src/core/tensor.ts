/** A tensor in host memory: the currency between files, pixels and the runtime. */
import { describeValue } from './describe-value.ts'
import {
  arrayName,
  bfloat16ToFloat32,
  float16ToFloat32,
  isArrayOf,
  type DType,
  type TypedArray,
} from './dtype.ts'
import { ShapeError } from './errors.ts'
import { elementCount, formatType } from './shape.ts'

export type HostTensor = {
  readonly dtype: DType
  readonly shape: readonly number[]
  /** Row-major elements. float16 and bfloat16 are bits in a Uint16Array. May be a read-only view of a mapped file. */
  readonly data: TypedArray
}

/** Makes a tensor. Throws ShapeError as `checkData` does. */
export function hostTensor(dtype: DType, shape: readonly number[], data: TypedArray): HostTensor {
  const tensor = { dtype, shape, data }
  checkData('tensor', tensor)
  return tensor
}

/** Throws ShapeError SHAPE_DATA unless the data are the elements of the shape in the array of the dtype. */
export function checkData(where: string, { dtype, shape, data }: HostTensor): void {
  const [name, count] = [arrayName(dtype), elementCount(shape)]
  if (isArrayOf(dtype, data) && data.length === count) return
  const came = isArrayOf(dtype, data) ? `one of ${data.length}` : describeValue(data)
  throw new ShapeError(
    'SHAPE_DATA',
    `${where}: the data of ${formatType(dtype, shape)} should be ${count} elements in a ${name}, ${came} came.`,
  )
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
