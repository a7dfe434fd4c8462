/** The first directory of a TIFF file, which is also how Exif data are written inside other formats. */
import { ByteReader, unreadable } from './byte-reader.ts'
import type { Orientation } from './probe-image.ts'

const WIDTH = 256
const HEIGHT = 257
const BITS_PER_SAMPLE = 258
const COMPRESSION = 259
const PHOTOMETRIC = 262
const ORIENTATION = 274
const SAMPLES_PER_PIXEL = 277
const SAMPLE_FORMAT = 339

const SHORT = 3
const LONG = 4

const JPEG = 7
const YCBCR = 6
const MIN_IS_WHITE = 0
const SIGNED = 2
/** CIELab, ICCLab, ITULab. */
const LAB = [8, 9, 10]

/** Which libtiff as sharp has it does not unpack. */
const UNREAD_COMPRESSIONS: Readonly<Record<number, string>> = { 34925: 'LZMA', 50000: 'ZSTD' }

/**
 * `base`: where the TIFF header lies.
 *
 * Throws InputError for a directory without a size, for compressions that are not unpacked, and for colour spaces and samples
 * whose conversion would not be Pillow's.
 */
export function probeTiff(
  reader: ByteReader,
  base: number,
): { width: number; height: number; orientation: Orientation } {
  const tags = readTags(reader, base)
  const width = tags.get(WIDTH)
  const height = tags.get(HEIGHT)
  if (width === undefined || height === undefined) throw unreadable('its TIFF has no size')
  const space = tags.get(PHOTOMETRIC) ?? 0
  if (LAB.includes(space)) throw unreadable('its TIFF is in the Lab colour space')
  if (space === YCBCR && tags.get(COMPRESSION) !== JPEG) {
    throw unreadable('its TIFF has YCbCr samples that are not JPEG')
  }
  const compression = UNREAD_COMPRESSIONS[tags.get(COMPRESSION) ?? 1]
  if (compression !== undefined) throw unreadable(`its TIFF is compressed by ${compression}`)
  checkGrey(tags)
  return { width, height, orientation: toOrientation(tags.get(ORIENTATION)) }
}

/** Of more samples a pixel the bits and formats lie elsewhere in the file. */
function checkGrey(tags: ReadonlyMap<number, number>): void {
  if ((tags.get(SAMPLES_PER_PIXEL) ?? 1) !== 1) return
  const bits = tags.get(BITS_PER_SAMPLE) ?? 1
  if (tags.get(SAMPLE_FORMAT) === SIGNED && bits <= 16)
    throw unreadable(`its TIFF has signed samples of ${bits} bits`)
  if (tags.get(PHOTOMETRIC) === MIN_IS_WHITE && bits === 16)
    throw unreadable('its TIFF has samples of 16 bits whose least is white')
}

/** Whether bytes begin as Exif data do. */
export function isTiffHeader(bytes: Uint8Array): boolean {
  const reader = new ByteReader(bytes)
  return reader.has(0, 8) && (reader.is(0, 'II*\0') || reader.is(0, 'MM\0*'))
}

/** The orientation in Exif data; undefined where they say none, or end before they do. */
export function readOrientation(bytes: Uint8Array): Orientation | undefined {
  const reader = new ByteReader(bytes)
  const said = [...directory(reader, 0, true)].findLast(({ tag }) => tag === ORIENTATION)
  return said && toOrientation(numberOf(said, reader))
}

/** The file itself, or a copy that says 1 where its orientation is none: libtiff refuses it, Pillow reads it unturned. */
export function withKnownOrientation(bytes: Uint8Array): Uint8Array {
  const reader = new ByteReader(bytes)
  const isLittle = reader.is(0, 'I')
  for (const entry of directory(reader, 0, false)) {
    if (entry.tag !== ORIENTATION) continue
    const said = numberOf(entry, reader)
    if (said === toOrientation(said)) continue
    // A Buffer's own slice would be the same memory.
    const copy = new Uint8Array(bytes)
    const view = new DataView(copy.buffer)
    copy.fill(0, entry.at + 4, entry.value + 4)
    view.setUint16(entry.at + 2, SHORT, isLittle)
    // The count's first byte, or the last one, by the file's order.
    copy[isLittle ? entry.at + 4 : entry.value - 1] = 1
    view.setUint16(entry.value, 1, isLittle)
    return copy
  }
  return bytes
}

/** A number that is no orientation says as much as none. */
export function toOrientation(value: number | undefined): Orientation {
  return value !== undefined && value >= 1 && value <= 8 ? (value as Orientation) : 1
}

/** Tags of the first directory whose value is one short or long number in place. */
function readTags(reader: ByteReader, base: number): Map<number, number> {
  const tags = new Map<number, number>()
  for (const entry of directory(reader, base, false)) {
    const number = numberOf(entry, reader)
    if (number !== undefined) tags.set(entry.tag, number)
  }
  return tags
}

/** One number in place; undefined for values of other kinds. */
function numberOf({ type, value, isLittle }: Entry, reader: ByteReader): number | undefined {
  if (type === SHORT) return reader.u16(value, isLittle)
  return type === LONG ? reader.u32(value, isLittle) : undefined
}

type Entry = {
  readonly tag: number
  readonly type: number
  readonly isLittle: boolean
  /** Where it begins: tag, type, how many values. */
  readonly at: number
  /** Where the value lies, or where its place is said. */
  readonly value: number
}

/** A lenient reading ends where the bytes do. */
function* directory(reader: ByteReader, base: number, isLenient: boolean): Generator<Entry> {
  const isLittle = reader.is(base, 'I')
  const isBig = reader.u16(base + 2, isLittle) === 43
  const word = isBig ? 8 : 4
  const start = base + (isBig ? reader.u64(base + 8, isLittle) : reader.u32(base + 4, isLittle))
  if (isLenient && !reader.has(start, 2)) return
  const count = isBig ? reader.u64(start, isLittle) : reader.u16(start, isLittle)
  const entry = 4 + 2 * word
  let at = start + (isBig ? 8 : 2)
  for (let i = 0; i < count; i++) {
    if (isLenient && !reader.has(at, entry)) return
    const [tag, type] = [reader.u16(at, isLittle), reader.u16(at + 2, isLittle)]
    yield { tag, type, isLittle, at, value: at + 4 + word }
    at += entry
  }
}
