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

/** The orientation in Exif data, 1 where they are broken: Exif never decides whether a picture can be read. */
export function exifOrientation(bytes: Uint8Array, at: number, length: number): Orientation {
  if (at >= bytes.length || length <= 0) return 1
  const reader = new ByteReader(bytes.subarray(at, at + length))
  const isTiff = reader.is(0, 'II*\0') || reader.is(0, 'MM\0*')
  if (!isTiff || !reader.has(0, 8)) return 1
  return toOrientation(readTags(reader, 0, { isLenient: true }).get(ORIENTATION))
}

function toOrientation(value: number | undefined): Orientation {
  return value !== undefined && value >= 1 && value <= 8 ? (value as Orientation) : 1
}

/** Tags of the first directory whose value is one short or long number in place. */
function readTags(
  reader: ByteReader,
  base: number,
  { isLenient = false }: { isLenient?: boolean } = {},
): Map<number, number> {
  const isLittle = reader.is(base, 'I')
  const isBig = reader.u16(base + 2, isLittle) === 43
  const word = isBig ? 8 : 4
  const start = base + (isBig ? reader.u64(base + 8, isLittle) : reader.u32(base + 4, isLittle))
  const tags = new Map<number, number>()
  if (isLenient && !reader.has(start, 2)) return tags
  const count = isBig ? reader.u64(start, isLittle) : reader.u16(start, isLittle)
  const entry = 4 + 2 * word
  let at = start + (isBig ? 8 : 2)
  for (let i = 0; i < count; i++) {
    if (isLenient && !reader.has(at, entry)) return tags
    const [tag, type] = [reader.u16(at, isLittle), reader.u16(at + 2, isLittle)]
    const value = at + 4 + word
    if (type === 3) tags.set(tag, reader.u16(value, isLittle))
    if (type === 4) tags.set(tag, reader.u32(value, isLittle))
    at += entry
  }
  return tags
}
