/**
 * The safetensors reader: eight bytes of header length, a JSON header, then the tensors' bytes without gaps.
 *
 * Nothing in the header is believed before it has been checked against the file's size. Format and its rules (no
 * overlap, no hole, no duplicate key, the header limit): https://github.com/huggingface/safetensors, README "Format".
 */
import { bytesPerElement, viewBytes, type DType } from '../core/dtype.ts'
import { CheckpointError } from '../core/errors.ts'
import { elementCount, formatType } from '../core/shape.ts'
import type { HostTensor } from '../core/tensor.ts'
import type { FileBytes } from './file-bytes.ts'
import type { TensorInfo, WeightSource } from './source.ts'
import { decodeUtf8, parseStrictJson, type StrictJson } from './strict-json.ts'
import { unknownTensor } from './unknown-tensor.ts'

export type SafetensorsSource = WeightSource & {
  /** The header's `__metadata__`: text by key, as it stands in the file. */
  readonly metadata: ReadonlyMap<string, string>
}

/** Reads the header of `file`, which the source closes when it is closed. Throws CheckpointError if anything in it is wrong. */
export function readSafetensors(file: FileBytes): SafetensorsSource {
  const header = readSafetensorsHeader(file)
  const find = (name: string) =>
    header.tensors.get(name) ?? unknownTensor(name, header.tensors, file.name)
  return {
    tensors: header.tensors,
    metadata: header.metadata,
    read: (name) => viewOf(file, find(name)),
    readRows(name, from, to) {
      const { dtype, shape, offset } = find(name)
      const [, ...inner] = shape
      const rowBytes = elementCount(inner) * bytesPerElement(dtype)
      return viewOf(file, { dtype, shape: [to - from, ...inner], offset: offset + from * rowBytes })
    },
    isView: () => true,
    release(name) {
      const entry = header.tensors.get(name)
      if (entry)
        file.release(entry.offset, elementCount(entry.shape) * bytesPerElement(entry.dtype))
    },
    close: () => file.close(),
  }
}

function viewOf(
  file: FileBytes,
  { dtype, shape, offset }: Pick<SafetensorsEntry, 'dtype' | 'shape' | 'offset'>,
): HostTensor {
  const count = elementCount(shape)
  const bytes = file.bytes(offset, count * bytesPerElement(dtype))
  return { dtype, shape, data: viewBytes(dtype, bytes.buffer, bytes.byteOffset, count) }
}

/** Where a tensor's bytes begin, counted from the start of the file. */
export type SafetensorsEntry = TensorInfo & { readonly offset: number }

export type SafetensorsHeader = {
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>
  readonly metadata: ReadonlyMap<string, string>
}

/** The checked header: every tensor lies inside the file, and together they fill it exactly. */
export function readSafetensorsHeader(file: FileBytes): SafetensorsHeader {
  const where = `weights: ${file.name}`
  const length = readHeaderLength(file, where)
  const text = decodeUtf8(where, file.bytes(8, length))
  if (!text.startsWith('{')) {
    throw new CheckpointError(
      'CHECKPOINT_SAFETENSORS',
      `${where}: expected a JSON object after the header's length; is this a safetensors file?`,
    )
  }
  const json = parseStrictJson(where, text, { maxDepth: 4, maxValues: 1_000_000 })
  const tensors = new Map<string, SafetensorsEntry>()
  let metadata: ReadonlyMap<string, string> = new Map()
  for (const [name, value] of json as Map<string, StrictJson>) {
    if (name === '__metadata__') metadata = readMetadata(where, value)
    else tensors.set(name, readEntry(file, 8 + length, name, value))
  }
  checkFilled(where, tensors, 8 + length, file.size)
  return { tensors, metadata }
}

// The reference implementation refuses longer headers as well.
const MAX_HEADER_BYTES = 100_000_000

function readHeaderLength(file: FileBytes, where: string): number {
  if (file.size < 10) {
    throw new CheckpointError(
      'CHECKPOINT_TRUNCATED',
      `${where}: expected a safetensors file, it has ${file.size} bytes; copy or download it again.`,
    )
  }
  const prefix = file.bytes(0, 8)
  const claimed = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true)
  if (claimed > BigInt(Math.min(MAX_HEADER_BYTES, file.size - 8))) {
    throw new CheckpointError(
      'CHECKPOINT_SAFETENSORS',
      `${where}: the header claims ${claimed} bytes, the file has ${file.size} (at most ${MAX_HEADER_BYTES} are read); ` +
        'it is truncated or not a safetensors file.',
    )
  }
  return Number(claimed)
}

function readMetadata(where: string, value: StrictJson): ReadonlyMap<string, string> {
  const metadata = new Map<string, string>()
  // The reference implementation takes null for none as well.
  if (value === null) return metadata
  if (!(value instanceof Map)) throw malformed(where, '__metadata__', 'an object of strings')
  for (const [key, text] of value) {
    if (typeof text !== 'string') throw malformed(where, '__metadata__', 'an object of strings')
    metadata.set(key, text)
  }
  return metadata
}

/** Dtypes as the header spells them. */
export const SAFETENSORS_DTYPES: ReadonlyMap<string, DType> = new Map([
  ['F64', 'float64'],
  ['F32', 'float32'],
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
  ['I8', 'int8'],
  ['U8', 'uint8'],
  ['I16', 'int16'],
  ['U16', 'uint16'],
  ['I32', 'int32'],
  ['U32', 'uint32'],
  ['I64', 'int64'],
  ['BOOL', 'bool'],
])

function readEntry(
  file: FileBytes,
  dataStart: number,
  name: string,
  value: StrictJson,
): SafetensorsEntry {
  const where = `weights: ${file.name}`
  if (!(value instanceof Map) || value.size !== 3)
    throw malformed(where, name, 'dtype, shape and data_offsets')
  const stored = value.get('dtype')
  const shape = value.get('shape')
  const offsets = value.get('data_offsets')
  if (typeof stored !== 'string') throw malformed(where, name, 'a dtype')
  const dtype = SAFETENSORS_DTYPES.get(stored)
  if (dtype === undefined) {
    throw new CheckpointError(
      'CHECKPOINT_DTYPE',
      `${where}: ${name} has dtype ${stored}, readable are ${[...SAFETENSORS_DTYPES.keys()].join(', ')}; convert the checkpoint first.`,
    )
  }
  if (!isSizeList(shape) || shape.length > 32)
    throw malformed(where, name, 'a shape of whole numbers')
  if (!isSizeList(offsets) || offsets.length !== 2) throw malformed(where, name, 'two data_offsets')
  const [begin, end] = offsets as [number, number]
  const bytes = elementCount(shape) * bytesPerElement(dtype)
  if (end - begin !== bytes) {
    throw new CheckpointError(
      'CHECKPOINT_SAFETENSORS',
      `${where}: ${name} is ${formatType(dtype, shape)}, which takes ${bytes} bytes, but its data_offsets span ${end - begin}; the file is damaged.`,
    )
  }
  if (dataStart + end > file.size) {
    throw new CheckpointError(
      'CHECKPOINT_TRUNCATED',
      `${where}: ${name} ends at byte ${dataStart + end} but the file has ${file.size}; it is truncated, download or copy it again.`,
    )
  }
  return { dtype, shape, file: file.name, offset: dataStart + begin }
}

function isSizeList(value: StrictJson | undefined): value is number[] {
  return (
    Array.isArray(value) &&
    value.every((entry) => Number.isSafeInteger(entry) && (entry as number) >= 0)
  )
}

/** Sorted by place, every tensor begins where the one before it ends, and the last ends with the file. */
function checkFilled(
  where: string,
  tensors: ReadonlyMap<string, SafetensorsEntry>,
  dataStart: number,
  size: number,
): void {
  const spans = [...tensors].map(([name, entry]) => ({
    name,
    begin: entry.offset,
    end: entry.offset + byteLength(entry),
  }))
  spans.sort((a, b) => a.begin - b.begin || a.end - b.end)
  let last = { name: 'the header', end: dataStart }
  for (const span of [...spans, { name: 'the end of the file', begin: size, end: size }]) {
    if (span.begin !== last.end) {
      const fault = span.begin < last.end ? 'overlaps' : 'leaves unused bytes after'
      throw new CheckpointError(
        'CHECKPOINT_SAFETENSORS',
        `${where}: ${span.name} begins at byte ${span.begin} and ${fault} ${last.name}, which ends at byte ${last.end}; the file is damaged.`,
      )
    }
    last = span
  }
}

function byteLength(entry: SafetensorsEntry): number {
  return elementCount(entry.shape) * bytesPerElement(entry.dtype)
}

function malformed(where: string, name: string, expected: string): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_SAFETENSORS',
    `${where}: expected ${expected} for ${name} in the header; the file is damaged.`,
  )
}
