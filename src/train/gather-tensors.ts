/** The numbers of a row gather as the tensors that its graph reads. */
import type { Tensor } from '../runtime/runtime.ts'
import type { RowGather } from './row-gather.ts'
import type { Scratch } from './scratch.ts'

export function gatherTensors(
  scratch: Scratch,
  { form: { combine, taps }, rows, indices, shares }: RowGather,
  suffix: string,
): Map<string, Tensor> {
  const shape = combine === 'copy' ? [rows] : [rows, taps]
  const name = `indices${suffix}`
  const tensors = new Map([[name, scratch.filled(name, shape, indices)]])
  if (!shares) return tensors
  const sharesName = `shares${suffix}`
  return tensors.set(sharesName, scratch.filled(sharesName, [rows, taps, 1], shares))
}
