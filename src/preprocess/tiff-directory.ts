/**
 * The first directory of a TIFF file, which is also how Exif data are written inside other formats.
 *
 * As Pillow 13 reads it: the first value of a tag counts; passed over are those of no known type, of no length, and longer
 * than all the bytes; the directory ends where another one lies outside of them.
 */
import type { ByteReader } from './byte-reader.ts'
import { MOST_PARTS } from './header-limits.ts'

export const SHORT = 3
const BYTE = 1
const UNDEFINED = 7

/** How many bytes one value of each type takes. */
const SIZES: Readonly<Record<number, number>> = {
  1: 1, // BYTE
  2: 1, // ASCII
  3: 2, // SHORT
  4: 4, // LONG
  5: 8, // RATIONAL
  6: 1, // SBYTE
  7: 1, // UNDEFINED
  8: 2, // SSHORT
  9: 4, // SLONG
  10: 8, // SRATIONAL
  11: 4, // FLOAT
  12: 8, // DOUBLE
  13: 4, // IFD
  16: 8, // LONG8
}

/** Whose values are whole numbers to Pillow: its bytes are text. */
const INTEGERS = [3, 4, 6, 8, 9, 13, 16]

export type Entry = {
  readonly tag: number
  readonly type: number
  readonly isLittle: boolean
  /** Where it begins: tag, type, how many values. */
  readonly at: number
  /** Where the value lies if it is short, or else where its place is said. */
  readonly place: number
  /** Where the value lies. */
  readonly from: number
  readonly to: number
}

/** The first value of each tag. */
export function readTags(reader: ByteReader, isLenient: boolean): Map<number, Entry> {
  const tags = new Map<number, Entry>()
  for (const entry of directory(reader, isLenient)) {
    const length = entry.to - entry.from
    if (length === 0 || length > reader.length || tags.has(entry.tag)) continue
    if (!reader.has(entry.from, length)) break
    tags.set(entry.tag, entry)
  }
  return tags
}

/** All entries, of a lenient reading those before the end of the bytes. */
export function* directory(reader: ByteReader, isLenient: boolean): Generator<Entry> {
  const isLittle = reader.is(0, 'I')
  const isBig = reader.u16(2, isLittle) === 43
  const word = isBig ? 8 : 4
  const start = reader.uint(word, word, isLittle)
  const counter = isBig ? 8 : 2
  if (isLenient && !reader.has(start, counter)) return
  const entries = Math.min(reader.uint(start, counter, isLittle), MOST_PARTS)
  const length = 4 + 2 * word
  for (let i = 0; i < entries; i++) {
    const at = start + counter + i * length
    if (isLenient && !reader.has(at, length)) return
    const [tag, type] = [reader.u16(at, isLittle), reader.u16(at + 2, isLittle)]
    const size = reader.uint(at + 4, word, isLittle) * (SIZES[type] ?? 0)
    const place = at + 4 + word
    const from = size > word ? reader.uint(place, word, isLittle) : place
    yield { tag, type, isLittle, at, place, from, to: from + size }
  }
}

/** The first number of a value; undefined for values that are none. A negative one becomes too large to mean anything. */
export function numberOf(reader: ByteReader, entry: Entry | undefined): number | undefined {
  if (entry === undefined || entry.from === entry.to || !INTEGERS.includes(entry.type)) return
  return reader.uint(entry.from, SIZES[entry.type] ?? 0, entry.isLittle)
}

/** The bytes of a value that holds nothing else. */
export function bytesOf(reader: ByteReader, entry: Entry | undefined): Uint8Array | undefined {
  if (entry?.type !== BYTE && entry?.type !== UNDEFINED) return
  return reader.bytes.subarray(entry.from, entry.to)
}
