/** Part of a tensor: the rows [from, to) of its first dimension. */
import type { HostTensor } from '../core/tensor.ts'
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

export function sliceRows(
  { dtype, shape, data }: HostTensor,
  from: number,
  to: number,
): HostTensor {
  const [rows = 1, ...inner] = shape
  const size = rows === 0 ? 0 : data.length / rows
  return { dtype, shape: [to - from, ...inner], data: data.subarray(from * size, to * size) }
}
