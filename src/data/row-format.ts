/** How the rows of one kind of data set become records. A new kind is a file in `datasets/` and a line in its index. */
import { RecordFault } from './record-fault.ts'
import type { RecordTurn, Region } from './record.ts'

/** One row: a JSON object, or a row of a Parquet file. */
export type Row = Readonly<Record<string, unknown>>

/** A path as the row has it, or bytes. */
export type MediaReference = string | Uint8Array

/** What a row says, before paths are looked up in a folder. */
export type RowContent = {
  readonly id: string | null
  readonly origin: string | null
  readonly images: readonly MediaReference[]
  readonly videos: readonly MediaReference[]
} & (
  | { readonly turns: readonly RecordTurn[]; readonly regions?: readonly Region[] }
  | { readonly prompt: string; readonly chosen: string; readonly rejected: string }
)

export type RowFormat = {
  readonly name: string
  readonly about: string
  /** Whether a row is of this kind, by its fields. The first format that says yes reads it. */
  matches(row: Row): boolean
  /** `where` begins every message. Throws RecordFault. */
  read(row: Row, where: string): RowContent
}

/** The string of a field; bytes, as Parquet files without a logical type have them, are UTF-8. */
export function textOf(value: unknown, name: string, where: string): string {
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array) {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(value)
    } catch (cause) {
      throw new RecordFault('unreadable', `${where}: ${name} should be UTF-8 text.`, { cause })
    }
  }
  throw structureFault(where, `${name} should be a text, ${describe(value)} came`)
}

export function idOf(row: Row): string | null {
  const { id } = row
  if (typeof id === 'string' || typeof id === 'number' || typeof id === 'bigint') return String(id)
  return null
}

/** `image` or `images`: a path, `{ bytes, path }` as Hugging Face stores media, or a list of either. */
export function imagesOf(row: Row, where: string): MediaReference[] {
  return listOf(row['image'] ?? row['images']).map((one) => mediumOf(one, 'image', where))
}

/** `video` or `videos`: the same, of films; a path may also be that of a folder of frames. */
export function videosOf(row: Row, where: string): MediaReference[] {
  return listOf(row['video'] ?? row['videos']).map((one) => {
    const path = one instanceof Uint8Array ? pathIn(one) : null
    return path ?? mediumOf(one, 'video', where)
  })
}

function listOf(given: unknown): readonly unknown[] {
  if (given === undefined || given === null) return []
  return Array.isArray(given) ? (given as unknown[]) : [given]
}

function mediumOf(value: unknown, field: string, where: string): MediaReference {
  if (typeof value === 'string' && value !== '') return value
  if (value instanceof Uint8Array) return value
  const { bytes, path } = isRow(value) ? value : {}
  if (bytes instanceof Uint8Array) return bytes
  if (typeof path === 'string' && path !== '') return path
  const came = typeof bytes === 'string' ? 'bytes as a text' : describe(value)
  throw structureFault(where, `${field} should be a path or { bytes, path }, ${came} came`)
}

const MOST_PATH_BYTES = 4096

/** A column without a logical type has paths as bytes too. No film is so short and a text. */
function pathIn(bytes: Uint8Array): string | null {
  if (bytes.length > MOST_PATH_BYTES) return null
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return /^\P{Cc}+$/u.test(text) ? text : null
  } catch {
    return null
  }
}

/** What the row says about the set it came from, else the first folder of its picture. */
export function originOf(row: Row, media: readonly MediaReference[]): string | null {
  const { data_source: said } = row
  if (typeof said === 'string' && said !== '') return said
  const [path] = media
  const folder = typeof path === 'string' ? /^([^/\\]+)[/\\]/.exec(path)?.[1] : undefined
  return folder ?? null
}

export function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function structureFault(where: string, what: string): RecordFault {
  return new RecordFault('structure', `${where}: ${what}; mend the record or leave it out.`)
}

/** A value in a few words, for messages. */
export function describe(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'string') return value === '' ? 'an empty text' : `"${value.slice(0, 40)}"`
  return typeof value === 'object' ? 'an object' : String(value)
}
