/** Recorded tensors, all as float32. */
import { toFloat32 } from '../../src/core/tensor.ts'
import { openFileBytes, readSafetensors } from '../../src/weights/index.ts'

export type Tensors = Map<
  string,
  { readonly data: Float32Array; readonly shape: readonly number[] }
>

export function readTensors(path: string): Tensors {
  const source = readSafetensors(openFileBytes(path))
  const tensors: Tensors = new Map()
  for (const [name, { shape }] of source.tensors) {
    tensors.set(name, { data: toFloat32(source.read(name)).slice(), shape })
  }
  source.close()
  return tensors
}
