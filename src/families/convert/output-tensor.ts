/** A tensor to be written: from the checkpoint, or made up because the target layout wants it. */
import {
  FLOAT_DTYPES,
  float32ToBfloat16,
  float32ToFloat16,
  type DType,
  type TypedArray,
} from '../../core/dtype.ts'
import { CheckpointError } from '../../core/errors.ts'
import { hostTensor, toFloat32, type HostTensor } from '../../core/tensor.ts'
import type { WeightPart } from '../parameter-map.ts'

/** `stored` keeps every tensor as it lies in the source; one in blocks is float32. */
export type OutputDType = 'stored' | 'float32' | 'float16' | 'bfloat16'

export const OUTPUT_DTYPES = ['stored', 'float32', 'float16', 'bfloat16'] as const

/** What is written unless something else is asked for: blocks of few bits have no form there, and are worth 16. */
export function usualOutput(parts: readonly WeightPart[]): OutputDType {
  const infos = parts.flatMap(({ source }) => [...source.tensors.values()])
  return infos.some(({ isInBlocks }) => isInBlocks) ? 'float16' : 'stored'
}

export type OutputTensor = {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  read(): HostTensor
  release(): void
}

/** What a tensor of `stored` dtype is written as. */
export function outputDType(stored: DType, wanted: OutputDType): DType {
  return wanted === 'stored' || !FLOAT_DTYPES.includes(stored) ? stored : wanted
}

/** The elements as the tensor is to be written. Throws CheckpointError for values that float16 cannot hold. */
export function elementsOf({ name, dtype, read }: OutputTensor): TypedArray {
  const tensor = read()
  return tensor.dtype === dtype ? tensor.data : narrow(toFloat32(tensor), dtype, name)
}

function narrow(values: Float32Array, dtype: DType, name: string): TypedArray {
  if (dtype === 'float32') return values
  if (dtype === 'bfloat16') return float32ToBfloat16(values)
  if (dtype !== 'float16') throw new Error(`internal: ${name} cannot become ${dtype}`)
  const bits = float32ToFloat16(values)
  const overflow = bits.findIndex(
    (half, i) => (half & 0x7fff) === 0x7c00 && Number.isFinite(values[i]),
  )
  if (overflow < 0) return bits
  throw new CheckpointError(
    'CHECKPOINT_FLOAT16_RANGE',
    `convert: ${name} holds ${values[overflow]}, float16 ends at 65504; write bfloat16 or float32.`,
  )
}

/** Float32 elements as a tensor of `dtype`. */
export function fromFloat32(shape: readonly number[], values: Float32Array): HostTensor {
  return hostTensor('float32', shape, values)
}
