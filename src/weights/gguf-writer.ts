/**
 * Writes GGUF version 3 one tensor at a time: what a llama.cpp needs to run the same weights beside us.
 *
 * The caller brings GGUF's names, metadata and row order (rotary-order.ts). Source: ggml, docs/gguf.md.
 */
import { concatenate } from '../core/concatenate.ts'
import { CheckpointError, ShapeError } from '../core/errors.ts'
import { elementCount } from '../core/shape.ts'
import { WRITTEN_GGML_TYPES, type WrittenGgmlType } from './ggml-quantize.ts'
import { writeFileAtomically, type Append } from './node.ts'

/** A tensor to write; `shape` is row-major ([out, in]), and `in` a multiple of 32 for Q8_0 and Q4_0. */
export type GgufTensorPlan = {
  readonly name: string
  readonly type: WrittenGgmlType
  readonly shape: readonly number[]
}

/** Gives the float32 elements of one planned tensor; called once for each, in order. */
export type GgufTensorProducer = (plan: GgufTensorPlan) => Float32Array | Promise<Float32Array>

/** A metadata value with the type it gets in the file: a number alone does not tell uint32 from float32. */
export type GgufField =
  | { readonly type: 'uint32' | 'int32' | 'float32'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'int32[]' | 'float32[]'; readonly value: readonly number[] }
  | { readonly type: 'string[]'; readonly value: readonly string[] }

/**
 * Writes one file, whole or not at all. Throws ShapeError for rows that do not fill blocks or a producer that gives
 * another number of elements than planned, CheckpointError for a name given twice or a file that cannot be written.
 */
export async function writeGguf(
  path: string,
  metadata: Readonly<Record<string, GgufField>>,
  plans: readonly GgufTensorPlan[],
  produce: GgufTensorProducer,
): Promise<void> {
  const header = ggufHeader(metadata, plans)
  await writeFileAtomically(path, async (append) => {
    await append(header)
    for (const plan of plans) await appendTensor(append, plan, produce)
  })
}

const ALIGNMENT = 32
// Multiples of every block; bounds the memory of the encoded form.
const CHUNK_ELEMENTS = 1 << 20

async function appendTensor(
  append: Append,
  plan: GgufTensorPlan,
  produce: GgufTensorProducer,
): Promise<void> {
  const values = await produce(plan)
  const expected = elementCount(plan.shape)
  if (values.length !== expected) {
    throw new ShapeError(
      'SHAPE_DATA',
      `weights: ${plan.name} is [${plan.shape.join(',')}], the data to write has ${values.length} elements.`,
    )
  }
  const { encode } = WRITTEN_GGML_TYPES[plan.type]
  for (let start = 0; start < values.length; start += CHUNK_ELEMENTS) {
    await append(encode(values.subarray(start, start + CHUNK_ELEMENTS)))
  }
  await append(new Uint8Array(padding(tensorBytes(plan))))
}

/** Everything before the first tensor, padded to the alignment. */
function ggufHeader(
  metadata: Readonly<Record<string, GgufField>>,
  plans: readonly GgufTensorPlan[],
): Uint8Array {
  checkPlans(plans)
  const fields = Object.entries(metadata)
  const parts = [uint32(MAGIC), uint32(3), uint64(plans.length), uint64(fields.length)]
  for (const [key, field] of fields) {
    parts.push(text(key))
    for (const part of encodeField(field)) parts.push(part) // a vocabulary is too long for a spread
  }
  let offset = 0
  for (const plan of plans) {
    const dims = plan.shape.toReversed().map(uint64)
    parts.push(
      text(plan.name),
      uint32(dims.length),
      ...dims,
      uint32(WRITTEN_GGML_TYPES[plan.type].number),
      uint64(offset),
    )
    offset += tensorBytes(plan) + padding(tensorBytes(plan))
  }
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  parts.push(new Uint8Array(padding(length)))
  return concatenate(parts, Uint8Array)
}

const MAGIC = 0x46554747 // "GGUF"

function checkPlans(plans: readonly GgufTensorPlan[]): void {
  const names = new Set<string>()
  for (const { name, type, shape } of plans) {
    const { blockElements } = WRITTEN_GGML_TYPES[type]
    if (names.has(name)) {
      throw new CheckpointError(
        'CHECKPOINT_DUPLICATE',
        `weights: expected every tensor once, ${name} is to be written twice; give it another name.`,
      )
    }
    if ((shape.at(-1) ?? 1) % blockElements !== 0) {
      throw new ShapeError(
        'SHAPE_BLOCK',
        `weights: ${name}: expected rows of a multiple of ${blockElements} for ${type}, [${shape.join(',')}] came; write it as F16.`,
      )
    }
    names.add(name)
  }
}

const FIELD_TYPES = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 } as const

function encodeField(field: GgufField): Uint8Array[] {
  switch (field.type) {
    case 'uint32':
      return [uint32(FIELD_TYPES.uint32), uint32(field.value)]
    case 'int32':
      return [uint32(FIELD_TYPES.int32), uint32(field.value)]
    case 'float32':
      return [uint32(FIELD_TYPES.float32), float32(field.value)]
    case 'bool':
      return [uint32(FIELD_TYPES.bool), Uint8Array.of(field.value ? 1 : 0)]
    case 'string':
      return [uint32(FIELD_TYPES.string), text(field.value)]
    case 'int32[]':
      return [...arrayStart(FIELD_TYPES.int32, field.value.length), ...field.value.map(uint32)]
    case 'float32[]':
      return [...arrayStart(FIELD_TYPES.float32, field.value.length), ...field.value.map(float32)]
    case 'string[]':
      return [...arrayStart(FIELD_TYPES.string, field.value.length), ...field.value.map(text)]
  }
}

function arrayStart(type: number, length: number): Uint8Array[] {
  return [uint32(FIELD_TYPES.array), uint32(type), uint64(length)]
}

function tensorBytes({ type, shape }: GgufTensorPlan): number {
  const { blockElements, blockBytes } = WRITTEN_GGML_TYPES[type]
  return (elementCount(shape) / blockElements) * blockBytes
}

function padding(length: number): number {
  return (ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT
}

/** Negative values become their two's complement, which is how int32 is stored. */
function uint32(value: number): Uint8Array {
  return bytes(4, (view) => view.setUint32(0, value, true))
}

function uint64(value: number): Uint8Array {
  return bytes(8, (view) => view.setBigUint64(0, BigInt(value), true))
}

function float32(value: number): Uint8Array {
  return bytes(4, (view) => view.setFloat32(0, value, true))
}

function text(value: string): Uint8Array {
  const encoded = new TextEncoder().encode(value)
  return concatenate([uint64(encoded.length), encoded], Uint8Array)
}

function bytes(length: number, fill: (view: DataView) => void): Uint8Array {
  const result = new Uint8Array(length)
  fill(new DataView(result.buffer))
  return result
}
