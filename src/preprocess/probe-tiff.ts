/** What a TIFF file's first directory says of its picture. */
import { ByteReader, unreadable } from './byte-reader.ts'
import type { Orientation } from './probe-image.ts'
import { ORIENTATION, orientationOf, toOrientation, xmpOrientation } from './read-orientation.ts'
import { bytesOf, directory, numberOf, readTags, SHORT } from './tiff-directory.ts'

const WIDTH = 256
const HEIGHT = 257
const BITS_PER_SAMPLE = 258
const COMPRESSION = 259
const PHOTOMETRIC = 262
const SAMPLES_PER_PIXEL = 277
const SAMPLE_FORMAT = 339
const XMP = 700

const JPEG = 7
const YCBCR = 6
const MIN_IS_WHITE = 0
const SIGNED = 2
/** CIELab, ICCLab, ITULab. */
const LAB = [8, 9, 10]

/** Which libtiff as sharp has it does not unpack. */
const UNREAD_COMPRESSIONS: Readonly<Record<number, string>> = { 34925: 'LZMA', 50000: 'ZSTD' }

/**
 * Throws InputError for a directory without a size, for compressions that are not unpacked, and for colour spaces and samples
 * whose conversion would not be Pillow's.
 */
export function probeTiff(reader: ByteReader): {
  width: number
  height: number
  orientation: Orientation
} {
  const tags = readTags(reader, false)
  const number = (tag: number): number | undefined => numberOf(reader, tags.get(tag))
  const [width, height] = [number(WIDTH), number(HEIGHT)]
  if (width === undefined || height === undefined) throw unreadable('its TIFF has no size')
  const space = number(PHOTOMETRIC) ?? 0
  if (LAB.includes(space)) throw unreadable('its TIFF is in the Lab colour space')
  if (space === YCBCR && number(COMPRESSION) !== JPEG) {
    throw unreadable('its TIFF has YCbCr samples that are not JPEG')
  }
  const compression = UNREAD_COMPRESSIONS[number(COMPRESSION) ?? 1]
  if (compression !== undefined) throw unreadable(`its TIFF is compressed by ${compression}`)
  checkGrey(number)
  const xmp = tags.has(ORIENTATION) ? undefined : bytesOf(reader, tags.get(XMP))
  return { width, height, orientation: xmp ? xmpOrientation(xmp) : orientationOf(reader, tags) }
}

function checkGrey(number: (tag: number) => number | undefined): void {
  if ((number(SAMPLES_PER_PIXEL) ?? 1) !== 1) return
  const bits = number(BITS_PER_SAMPLE) ?? 1
  if (number(SAMPLE_FORMAT) === SIGNED && bits <= 16)
    throw unreadable(`its TIFF has signed samples of ${bits} bits`)
  if (number(PHOTOMETRIC) === MIN_IS_WHITE && bits === 16)
    throw unreadable('its TIFF has samples of 16 bits whose least is white')
}

/** The file itself, or a copy that says 1 where its orientation is none: libtiff refuses it, Pillow reads it unturned. */
export function withKnownOrientation(bytes: Uint8Array): Uint8Array {
  const reader = new ByteReader(bytes)
  for (const entry of directory(reader, false)) {
    if (entry.tag !== ORIENTATION) continue
    const said = numberOf(reader, entry)
    if (said === toOrientation(said)) continue
    const { at, place, isLittle } = entry
    // A Buffer's own slice would be the same memory.
    const copy = new Uint8Array(bytes)
    const view = new DataView(copy.buffer)
    copy.fill(0, at + 4, place + 4)
    view.setUint16(at + 2, SHORT, isLittle)
    // The count's first byte, or the last one, by the file's order.
    copy[isLittle ? at + 4 : place - 1] = 1
    view.setUint16(place, 1, isLittle)
    return copy
  }
  return bytes
}
