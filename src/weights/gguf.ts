/**
 * The GGUF reader, versions 2 and 3: metadata, then a list of tensors, then their aligned bytes.
 *
 * Counts and lengths are compared with what is left of the file before anything is made for them. Shapes come out
 * row-major ([out, in]), the reverse of the file's order; names stay GGUF's.
 * Source: ggml, docs/gguf.md and src/gguf.cpp.
 */
import { viewBytes } from '../core/dtype.ts'
import { CheckpointError } from '../core/errors.ts'
import { elementCount } from '../core/shape.ts'
import { atOnce, type Steps } from '../core/steps.ts'
import { ByteCursor } from './byte-cursor.ts'
import type { FileBytes } from './file-bytes.ts'
import { GGML_TYPES, UNREAD_GGML_TYPES, type GgmlType } from './ggml-types.ts'
import { ggufFieldSteps, readGgufText, type GgufMetadata } from './gguf-metadata.ts'
import type { TensorInfo, WeightSource } from './source.ts'
import { unknownTensor } from './unknown-tensor.ts'

export type GgufSource = WeightSource & {
  readonly metadata: GgufMetadata
  /** The tensor's bytes as stored, and the name of their type (`Q4_0`). Throws CheckpointError for an unknown name. */
  blocks(name: string): {
    readonly type: string
    readonly shape: readonly number[]
    readonly bytes: Uint8Array
  }
}

/** Reads the header of `file`, which the source closes when it is closed. Throws CheckpointError if anything in it is wrong. */
export function readGguf(file: FileBytes): GgufSource {
  return atOnce(ggufSourceSteps(file))
}

/** The same with pauses. */
export function* ggufSourceSteps(file: FileBytes): Steps<GgufSource> {
  const cursor = new ByteCursor(file)
  const counts = readStart(file, cursor)
  const metadata = yield* ggufFieldSteps(file, cursor, counts.numFields)
  const tensors = readTensorInfos(file, cursor, counts.numTensors, readAlignment(file, metadata))
  const find = (name: string) => tensors.get(name) ?? unknownTensor(name, tensors, file.name)
  return {
    tensors,
    metadata,
    read(name) {
      const { dtype, shape, type, offset, numBytes } = find(name)
      const bytes = file.bytes(offset, numBytes)
      const data =
        type.dequantize?.(bytes) ??
        viewBytes(dtype, bytes.buffer, bytes.byteOffset, elementCount(shape))
      return { dtype, shape, data }
    },
    readRows(name, from, to) {
      const { dtype, shape, type, offset, numBytes } = find(name)
      const [rows = 1, ...inner] = shape
      const rowBytes = numBytes / rows
      const bytes = file.bytes(offset + from * rowBytes, (to - from) * rowBytes)
      const part = [to - from, ...inner]
      const data =
        type.dequantize?.(bytes) ??
        viewBytes(dtype, bytes.buffer, bytes.byteOffset, elementCount(part))
      return { dtype, shape: part, data }
    },
    isView: (name) => find(name).type.dequantize === undefined,
    blocks(name) {
      const { type, shape, offset, numBytes } = find(name)
      return { type: type.name, shape, bytes: file.bytes(offset, numBytes) }
    },
    release(name) {
      const tensor = tensors.get(name)
      if (tensor) file.release(tensor.offset, tensor.numBytes)
    },
    close: () => file.close(),
  }
}

/** The metadata alone: a tokenizer lives there, whatever the tensors are. */
export function* ggufMetadataSteps(file: FileBytes): Steps<GgufMetadata> {
  const cursor = new ByteCursor(file)
  return yield* ggufFieldSteps(file, cursor, readStart(file, cursor).numFields)
}

const MAGIC = 0x46554747 // "GGUF"
const MIN_FIELD_BYTES = 13 // an empty key, a type and one byte of value
const MIN_TENSOR_BYTES = 32

function readStart(file: FileBytes, cursor: ByteCursor): { numTensors: number; numFields: number } {
  if (file.size < 24 || cursor.uint32() !== MAGIC) {
    throw new CheckpointError(
      'CHECKPOINT_GGUF',
      `weights: expected ${file.name} to begin with GGUF, it does not; is this a GGUF file?`,
    )
  }
  const version = cursor.uint32()
  if (version !== 2 && version !== 3) {
    const came = version >= 0x1000000 ? 'a big-endian file' : `version ${version}`
    throw new CheckpointError(
      'CHECKPOINT_GGUF',
      `weights: expected GGUF version 2 or 3, little-endian, ${file.name} is ${came}; convert it with a current llama.cpp.`,
    )
  }
  const numTensors = cursor.count('tensors', MIN_TENSOR_BYTES)
  return { numTensors, numFields: cursor.count('metadata fields', MIN_FIELD_BYTES) }
}

const DEFAULT_ALIGNMENT = 32

function readAlignment(file: FileBytes, metadata: GgufMetadata): number {
  const alignment = metadata.get('general.alignment') ?? DEFAULT_ALIGNMENT
  if (
    typeof alignment === 'number' &&
    alignment >= 1 &&
    alignment <= 65536 &&
    Math.log2(alignment) % 1 === 0
  )
    return alignment
  throw new CheckpointError(
    'CHECKPOINT_GGUF',
    `weights: ${file.name}: expected a power of two as general.alignment, ${String(alignment)} came; the file is damaged.`,
  )
}

type StoredTensor = TensorInfo & {
  readonly type: GgmlType
  readonly offset: number
  readonly numBytes: number
}

function readTensorInfos(
  file: FileBytes,
  cursor: ByteCursor,
  count: number,
  alignment: number,
): ReadonlyMap<string, StoredTensor> {
  const infos = Array.from({ length: count }, () => readTensorInfo(file, cursor))
  const dataStart = Math.ceil(cursor.offset / alignment) * alignment
  const tensors = new Map<string, StoredTensor>()
  for (const { name, relative, ...info } of infos) {
    if (tensors.has(name)) throw wrong(file, name, 'is there twice')
    if (relative % alignment !== 0)
      throw wrong(file, name, `begins at ${relative}, not a multiple of ${alignment}`)
    const offset = dataStart + relative
    if (offset + info.numBytes > file.size) {
      throw new CheckpointError(
        'CHECKPOINT_TRUNCATED',
        `weights: ${file.name}: ${name} ends at byte ${offset + info.numBytes} but the file has ${file.size}; it is truncated, download or copy it again.`,
      )
    }
    tensors.set(name, { ...info, offset })
  }
  checkApart(file, tensors)
  return tensors
}

type UnplacedTensor = Omit<StoredTensor, 'offset'> & {
  readonly name: string
  readonly relative: number
}

function readTensorInfo(file: FileBytes, cursor: ByteCursor): UnplacedTensor {
  const name = readGgufText(cursor)
  const rank = cursor.uint32()
  if (rank < 1 || rank > 4) throw wrong(file, name, `has ${rank} dimensions, 1 to 4 are known`)
  const shape = Array.from({ length: rank }, () => Number(cursor.uint64())).reverse()
  if (!Number.isSafeInteger(elementCount(shape)))
    throw wrong(file, name, `has the impossible shape [${shape.join(',')}]`)
  const typeNumber = cursor.uint32()
  const type = GGML_TYPES.get(typeNumber)
  if (type === undefined) {
    const known = [...GGML_TYPES.values()].map((known) => known.name).join(', ')
    throw new CheckpointError(
      'CHECKPOINT_DTYPE',
      `weights: ${file.name}: ${name} has type ${UNREAD_GGML_TYPES.get(typeNumber) ?? typeNumber}, readable are ${known}; quantise the model to one of them.`,
    )
  }
  const rowLength = shape.at(-1) as number
  if (rowLength % type.blockElements !== 0)
    throw wrong(
      file,
      name,
      `has rows of ${rowLength}, no multiple of the ${type.blockElements} of a ${type.name} block`,
    )
  const numBytes = (elementCount(shape) / type.blockElements) * type.blockBytes
  return {
    name,
    dtype: type.dtype,
    shape,
    file: file.name,
    type,
    numBytes,
    relative: Number(cursor.uint64()),
  }
}

function checkApart(file: FileBytes, tensors: ReadonlyMap<string, StoredTensor>): void {
  const sorted = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.numBytes - b.numBytes)
  for (const [i, [name, tensor]] of sorted.entries()) {
    const [nextName, next] = sorted[i + 1] ?? []
    if (next !== undefined && next.offset < tensor.offset + tensor.numBytes)
      throw wrong(file, name, `overlaps ${nextName}`)
  }
}

function wrong(file: FileBytes, name: string, what: string): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_GGUF',
    `weights: ${file.name}: ${name} ${what}; the file is damaged.`,
  )
}
