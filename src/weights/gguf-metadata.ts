/** The metadata of a GGUF file: every kind of value, arrays in arrays included. Source: ggml, docs/gguf.md. */
import { CheckpointError } from '../core/errors.ts'
import type { Steps } from '../core/steps.ts'
import type { ByteCursor } from './byte-cursor.ts'
import type { FileBytes } from './file-bytes.ts'

/** 64-bit integers are numbers where those are exact, else bigint. */
export type GgufValue = number | bigint | boolean | string | GgufValue[]

export type GgufMetadata = ReadonlyMap<string, GgufValue>

/**
 * Reads `count` fields, with pauses: vocabularies lie here. Throws CheckpointError for a key that stands twice, an unknown
 * type, or a length past the file's end.
 */
export function* ggufFieldSteps(
  file: FileBytes,
  cursor: ByteCursor,
  count: number,
): Steps<GgufMetadata> {
  const fields = new Map<string, GgufValue>()
  for (let i = 0; i < count; i++) {
    const key = readGgufText(cursor)
    if (fields.has(key)) throw wrong(file, key, 'is there twice')
    fields.set(key, yield* readValue({ file, cursor, key }, cursor.uint32(), 0))
  }
  return fields
}

/** A text behind its 64-bit length. */
export function readGgufText(cursor: ByteCursor): string {
  return UTF8.decode(cursor.bytes(cursor.count('bytes of text', 1)))
}

const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

type Field = { readonly file: FileBytes; readonly cursor: ByteCursor; readonly key: string }

type ValueType = { readonly minBytes: number; read(cursor: ByteCursor): GgufValue }

const ARRAY = 9
const MIN_ARRAY_BYTES = 12
const MAX_DEPTH = 8

const VALUE_TYPES: ReadonlyMap<number, ValueType> = new Map<number, ValueType>([
  [0, { minBytes: 1, read: (cursor) => cursor.uint8() }],
  [1, { minBytes: 1, read: (cursor) => cursor.int8() }],
  [2, { minBytes: 2, read: (cursor) => cursor.uint16() }],
  [3, { minBytes: 2, read: (cursor) => cursor.int16() }],
  [4, { minBytes: 4, read: (cursor) => cursor.uint32() }],
  [5, { minBytes: 4, read: (cursor) => cursor.int32() }],
  [6, { minBytes: 4, read: (cursor) => cursor.float32() }],
  [7, { minBytes: 1, read: (cursor) => cursor.uint8() !== 0 }],
  [8, { minBytes: 8, read: readGgufText }],
  [10, { minBytes: 8, read: (cursor) => exact(cursor.uint64()) }],
  [11, { minBytes: 8, read: (cursor) => exact(cursor.int64()) }],
  [12, { minBytes: 8, read: (cursor) => cursor.float64() }],
])

function* readValue(field: Field, type: number, depth: number): Steps<GgufValue> {
  if (type === ARRAY) return yield* readArray(field, depth)
  return valueTypeOf(field, type).read(field.cursor)
}

function valueTypeOf(field: Field, type: number): ValueType {
  const valueType = VALUE_TYPES.get(type)
  if (valueType) return valueType
  throw wrong(field.file, field.key, `has a value of unknown type ${type}`)
}

/** Values between two pauses. */
const VALUES = 4096

function* readArray(field: Field, depth: number): Steps<GgufValue[]> {
  if (depth === MAX_DEPTH)
    throw wrong(field.file, field.key, `holds arrays more than ${MAX_DEPTH} deep`)
  const { cursor } = field
  const type = cursor.uint32()
  const minBytes = type === ARRAY ? MIN_ARRAY_BYTES : (VALUE_TYPES.get(type)?.minBytes ?? 1)
  const count = cursor.count(`values of ${field.key}`, minBytes)
  const values: GgufValue[] = []
  for (let i = 0; i < count; i++) {
    if (i % VALUES === 0) yield
    values.push(
      type === ARRAY ? yield* readArray(field, depth + 1) : valueTypeOf(field, type).read(cursor),
    )
  }
  return values
}

function exact(value: bigint): number | bigint {
  const narrow = Number(value)
  return Number.isSafeInteger(narrow) ? narrow : value
}

function wrong(file: FileBytes, key: string, what: string): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_GGUF',
    `weights: ${file.name}: the field ${key.slice(0, 80)} ${what}; the file is damaged.`,
  )
}
