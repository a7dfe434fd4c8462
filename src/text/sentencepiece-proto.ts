/**
 * Reads a SentencePiece `tokenizer.model`: the few fields of its protobuf message that encoding needs.
 *
 * Source: google/sentencepiece, src/sentencepiece_model.proto (0.2); wire format, protobuf.dev/programming-guides/encoding.
 */
import { atOnce, type Steps } from '../core/steps.ts'
import type { TokenRoles } from './tokenizer.ts'
import { damaged, unsupported } from './tokenizer-fields.ts'

/** Numbered as in the file; `outside` is ours, for a piece that text never becomes by merging. */
export const PIECE_TYPES = {
  outside: 0,
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const

export type Piece = { readonly piece: string; readonly score: number; readonly type: number }

export type SentencePieceModel = {
  readonly pieces: readonly Piece[]
  readonly roles: TokenRoles
  readonly addsPrefixSpace: boolean
  readonly collapsesSpaces: boolean
}

/** Throws CheckpointError where the bytes are damaged, ConfigError for a model that is not BPE. */
export function readSentencePiece(bytes: Uint8Array): SentencePieceModel {
  return atOnce(sentencePieceSteps(bytes))
}

/** Pieces between two pauses. */
const PIECES = 2048

/** The same with pauses. */
export function* sentencePieceSteps(bytes: Uint8Array): Steps<SentencePieceModel> {
  const pieces: Piece[] = []
  let trainer = new Uint8Array(0)
  let normalizer = new Uint8Array(0)
  for (const { field, value } of readFields(bytes)) {
    if (field === 1) {
      if (pieces.length % PIECES === 0) yield
      pieces.push(readPiece(asBytes(value)))
    } else if (field === 2) trainer = asBytes(value)
    else if (field === 3) normalizer = asBytes(value)
  }
  if (pieces.length === 0) throw damaged('tokenizer.model', 'a list of pieces', [])
  return { pieces, roles: readTrainer(trainer, pieces), ...readNormalizer(normalizer) }
}

function readPiece(bytes: Uint8Array): Piece {
  let piece = ''
  let score = 0
  let type: number = PIECE_TYPES.normal
  for (const { field, value } of readFields(bytes)) {
    if (field === 1) piece = asString(value)
    else if (field === 2) score = asFloat(value)
    else if (field === 3) type = asNumber(value)
  }
  return { piece, score, type }
}

const MODEL_TYPES = ['?', 'unigram', 'bpe', 'word', 'char']
const BPE = 2
const MODEL_TYPE = 3
const SPACE_AS_SUFFIX = 24
/** Field numbers of the roles' ids, with the ids they have when left out. */
const ROLE_FIELDS = { unk: [40, 0], bos: [41, 1], eos: [42, 2], pad: [43, -1] } as const

function readTrainer(bytes: Uint8Array, pieces: readonly Piece[]): TokenRoles {
  const numbers = new Map<number, number>()
  for (const { field, value } of readFields(bytes)) {
    if (typeof value === 'number') numbers.set(field, value)
  }
  const type = numbers.get(MODEL_TYPE) ?? 1
  if (type !== BPE) throw unsupported('model_type', MODEL_TYPES[type] ?? String(type), 'bpe')
  if (numbers.get(SPACE_AS_SUFFIX)) {
    throw unsupported('trainer_spec.treat_whitespace_as_suffix', 'true', 'false')
  }
  const role = (name: keyof TokenRoles): string | undefined => {
    const [field, fallback] = ROLE_FIELDS[name]
    return pieces[numbers.get(field) ?? fallback]?.piece
  }
  return { unk: role('unk'), bos: role('bos'), eos: role('eos'), pad: role('pad') }
}

function readNormalizer(
  bytes: Uint8Array,
): Pick<SentencePieceModel, 'addsPrefixSpace' | 'collapsesSpaces'> {
  let addsPrefixSpace = true
  let collapsesSpaces = true
  for (const { field, value } of readFields(bytes)) {
    const isCharsmap = field === 2 && asBytes(value).length > 0
    if (isCharsmap) throw unsupported('normalizer_spec', 'a table of characters', 'identity')
    if (field === 3) addsPrefixSpace = asNumber(value) !== 0
    if (field === 4) collapsesSpaces = asNumber(value) !== 0
    if (field === 5 && asNumber(value) === 0) {
      throw unsupported('normalizer_spec.escape_whitespaces', 'false', 'true')
    }
  }
  return { addsPrefixSpace, collapsesSpaces }
}

type Field = { readonly field: number; readonly value: number | Uint8Array }

/** The fields of one message in order: varints as numbers (32 bits), all others as their bytes. */
function* readFields(bytes: Uint8Array): Generator<Field> {
  const cursor = { bytes, at: 0 }
  while (cursor.at < bytes.length) {
    const tag = readVarint(cursor)
    const field = tag >>> 3
    const wire = tag & 7
    if (wire === 0) yield { field, value: readVarint(cursor) }
    else if (wire === 1) yield { field, value: take(cursor, 8) }
    else if (wire === 2) yield { field, value: take(cursor, readVarint(cursor) >>> 0) }
    else if (wire === 5) yield { field, value: take(cursor, 4) }
    else throw damaged('tokenizer.model', 'a protobuf message', `wire type ${wire}`)
  }
}

type Cursor = { readonly bytes: Uint8Array; at: number }

/** The low 32 bits, signed: enough for every field that is read (ids, types, flags, lengths). */
function readVarint(cursor: Cursor): number {
  let value = 0
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = cursor.bytes[cursor.at++]
    if (byte === undefined) break
    if (shift < 32) value |= (byte & 127) << shift
    if (byte < 128) return value
  }
  throw damaged('tokenizer.model', 'a protobuf message', 'cut inside a number')
}

function take(cursor: Cursor, length: number): Uint8Array {
  const end = cursor.at + length
  if (end > cursor.bytes.length) {
    throw damaged('tokenizer.model', 'a protobuf message', 'longer than the file')
  }
  const part = cursor.bytes.subarray(cursor.at, end)
  cursor.at = end
  return part
}

function asBytes(value: number | Uint8Array): Uint8Array<ArrayBuffer> {
  if (typeof value === 'number') throw damaged('tokenizer.model', 'a ModelProto', 'other fields')
  return value as Uint8Array<ArrayBuffer>
}

function asNumber(value: number | Uint8Array): number {
  if (typeof value !== 'number') throw damaged('tokenizer.model', 'a ModelProto', 'other fields')
  return value
}

function asString(value: number | Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(asBytes(value))
  } catch (cause) {
    if (cause instanceof TypeError)
      throw damaged('a piece of tokenizer.model', 'UTF-8', 'other bytes')
    throw cause
  }
}

function asFloat(value: number | Uint8Array): number {
  const bytes = asBytes(value)
  if (bytes.length !== 4) throw damaged('a score of tokenizer.model', 'a float', 'other bytes')
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true)
}
