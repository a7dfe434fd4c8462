/** Tensors whose elements do not lie in row-major order, as torch keeps transposed and sliced ones. */
import { allocate, bytesPerElement, viewBytes, type DType, type TypedArray } from '../core/dtype.ts'
import { elementCount } from '../core/shape.ts'

export type StridedLayout = {
  readonly dtype: DType
  readonly shape: readonly number[]
  /** Distance of neighbours along each dimension, in elements. */
  readonly stride: readonly number[]
}

/** The elements in row-major order: a view of `bytes` where they already are (and aligned), otherwise a copy. */
export function readStrided(
  { dtype, shape, stride }: StridedLayout,
  bytes: Uint8Array,
): TypedArray {
  const length = bytes.byteLength / bytesPerElement(dtype)
  const elements = viewBytes(dtype, bytes.buffer, bytes.byteOffset, length)
  if (isContiguous(shape, stride)) return elements
  const target = allocate(dtype, elementCount(shape))
  copyDimension(elements, target, { shape, stride, axis: 0, from: 0, to: 0 })
  return target
}

/** How many elements of the storage a tensor reaches over, from its first to its last; 0 if it has none. */
export function stridedLength(shape: readonly number[], stride: readonly number[]): number {
  if (shape.includes(0)) return 0
  return shape.reduce((last, dim, axis) => last + (dim - 1) * (stride[axis] as number), 1)
}

/** The stride of a dimension with one element is never used, so it may be anything; without elements all of them may. */
function isContiguous(shape: readonly number[], stride: readonly number[]): boolean {
  if (shape.includes(0)) return true
  let step = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const dim = shape[axis] as number
    if (dim !== 1 && stride[axis] !== step) return false
    step *= dim
  }
  return true
}

type Place = {
  readonly shape: readonly number[]
  readonly stride: readonly number[]
  readonly axis: number
  readonly from: number
  readonly to: number
}

/** Copies one dimension and those inside it; returns where the next element goes. */
function copyDimension(source: TypedArray, target: TypedArray, place: Place): number {
  const { shape, stride, axis, from } = place
  const dim = shape[axis] as number
  const step = stride[axis] as number
  let to = place.to
  if (axis < shape.length - 1) {
    for (let i = 0; i < dim; i++)
      to = copyDimension(source, target, {
        shape,
        stride,
        axis: axis + 1,
        from: from + i * step,
        to,
      })
    return to
  }
  for (let i = 0; i < dim; i++) target[to + i] = source[from + i * step] as number
  return to + dim
}
