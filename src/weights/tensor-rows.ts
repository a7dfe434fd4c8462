/** Part of a tensor: the rows [from, to) of its first dimension. */
import { elementCount } from '../core/shape.ts'
import { toFloat32, type HostTensor } from '../core/tensor.ts'
import type { WeightSource } from './source.ts'

/** A view where the source gives views; a source that computes its tensors computes these rows only. */
export function tensorRows(
  source: WeightSource,
  name: string,
  from: number,
  to: number,
): HostTensor {
  return source.readRows ? source.readRows(name, from, to) : sliceRows(source.read(name), from, to)
}

/** Whether `source` reads this tensor as a view of its file's memory. */
export function isViewed(source: WeightSource, name: string): boolean {
  return source.isView?.(name) ?? source.readRows === undefined
}

export function sliceRows(
  { dtype, shape, data }: HostTensor,
  from: number,
  to: number,
): HostTensor {
  const [rows = 1, ...inner] = shape
  const size = rows === 0 ? 0 : data.length / rows
  return { dtype, shape: [to - from, ...inner], data: data.subarray(from * size, to * size) }
}

/** As many rows from `from` on as `target` takes, as float32. */
export function rowsInto(
  source: WeightSource,
  name: string,
  from: number,
  target: Float32Array,
): void {
  if (source.readInto) return source.readInto(name, from, target)
  const [, ...inner] = source.tensors.get(name)?.shape ?? []
  const rows = target.length / elementCount(inner)
  target.set(toFloat32(tensorRows(source, name, from, from + rows)))
}
