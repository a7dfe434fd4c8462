/**
 * A checkpoint published as its difference to a base, and the base: their sum, one tensor at a time.
 *
 * The first LLaVA models came so, because LLaMA's licence forbade to publish its weights. What the base does not have is
 * the projector; where the delta's vocabulary has grown, its own rows stay. The original loads both in float16, which published
 * deltas are in: so the base is rounded to the delta's type, and then their sum.
 * Source: LLaVA at c121f04 `llava/model/apply_delta.py`.
 */
import { float32ToBfloat16, float32ToFloat16, type DType, type TypedArray } from '../core/dtype.ts'
import { CheckpointError } from '../core/errors.ts'
import { formatType, sameShape } from '../core/shape.ts'
import { hostTensor, toFloat32, type HostTensor } from '../core/tensor.ts'
import type { TensorInfo, WeightSource } from './source.ts'

/** Only these may be larger than the base's, in rows and columns. */
const GROWING = /^(?:model\.embed_tokens|lm_head)\.weight$/
/** Trained beside the language model. */
const OWN = /^model\.(?:mm_projector|vision_tower|image_newline)\b/
/** Computed when a model is made, not learned. */
const ANGLES = /rotary_emb\.inv_freq$/

/** Closing it closes both. Throws one CheckpointError naming all tensors that do not go together. */
export function addDelta(delta: WeightSource, base: WeightSource): WeightSource {
  const faults = [...delta.tensors].flatMap(([name, info]) => faultOf(name, info, base))
  if (faults.length > 0) {
    throw new CheckpointError(
      'CHECKPOINT_DELTA',
      `delta: ${faults.length} ${faults.length === 1 ? 'tensor does' : 'tensors do'} not go with the base: ${faults.slice(0, 10).join('; ')}; is this the LLaMA that it was taken from?`,
    )
  }
  const isSum = (name: string) => base.tensors.has(name) && !ANGLES.test(name)
  return {
    tensors: delta.tensors,
    read: (name) => (isSum(name) ? sum(delta.read(name), base.read(name)) : delta.read(name)),
    release(name) {
      delta.release?.(name)
      if (isSum(name)) base.release?.(name)
    },
    close() {
      delta.close()
      base.close()
    },
  }
}

function faultOf(name: string, { dtype, shape }: TensorInfo, base: WeightSource): string[] {
  const other = base.tensors.get(name)
  if (!other) return OWN.test(name) || ANGLES.test(name) ? [] : [`${name} is not in the base`]
  const isGrown =
    GROWING.test(name) &&
    shape.length === other.shape.length &&
    shape.every((dim, axis) => dim >= (other.shape[axis] as number))
  if (isGrown || sameShape(shape, other.shape)) return []
  return [
    `${name} is ${formatType(dtype, shape)}, the base has ${formatType(other.dtype, other.shape)}`,
  ]
}

/** delta [R, C] with base [r, c] added to its first rows and columns. */
function sum(delta: HostTensor, base: HostTensor): HostTensor {
  // Copies: both may be views of mapped files.
  const values = toFloat32(delta).slice()
  const added = toFloat32(inType(delta.dtype, base))
  const width = delta.shape.at(-1) ?? 1
  const baseWidth = base.shape.at(-1) ?? 1
  for (let i = 0; i < added.length; i++) {
    const at = Math.floor(i / baseWidth) * width + (i % baseWidth)
    values[at] = (values[at] as number) + (added[i] as number)
  }
  return hostTensor(delta.dtype, delta.shape, rounded(values, delta.dtype))
}

function inType(dtype: DType, tensor: HostTensor): HostTensor {
  if (tensor.dtype === dtype) return tensor
  return hostTensor(dtype, tensor.shape, rounded(toFloat32(tensor), dtype))
}

function rounded(values: Float32Array, dtype: DType): TypedArray {
  if (dtype === 'float32') return values
  if (dtype === 'float16') return float32ToFloat16(values)
  if (dtype === 'bfloat16') return float32ToBfloat16(values)
  throw new CheckpointError(
    'CHECKPOINT_DTYPE',
    `delta: expected float32, float16 or bfloat16, ${dtype} came.`,
  )
}
