/**
 * Exif and XMP beside a picture in the HEIF container: items that say what they describe.
 *
 * Sources: ISO/IEC 14496-12 (`iinf`, `iloc`, `iref`), ISO/IEC 23008-12, annex A (Exif) and 6.2 (`cdsc`).
 */
import type { ByteReader } from './byte-reader.ts'
import { joinMetadata } from './header-limits.ts'
import { boxes, findList, idSize, numbersIn, type Box } from './heif-boxes.ts'
import type { Metadata } from './read-orientation.ts'

/** Of several of a kind the last one counts, as in Pillow's libavif. `meta`: what is in the box of this name. */
export function heifMetadata(reader: ByteReader, meta: readonly Box[], picture: number): Metadata {
  let [exif, xmp]: (number | undefined)[] = []
  const about = describing(reader, meta, picture)
  const list = about.size > 0 ? findList(meta, 'iinf') : undefined
  if (list === undefined) return {}
  const first = list.from + 4 + idSize(reader, list, 1)
  for (const info of boxes(reader, first, list.to)) {
    const size = idSize(reader, info, 3)
    const id = reader.uint(info.from + 4, size, false)
    if (!about.has(id)) continue
    const type = info.from + 6 + size
    if (reader.is(type, 'Exif')) exif = id
    if (reader.is(type, 'mime') && reader.is(textEnd(reader, type + 4, info), XMP)) xmp = id
  }
  return {
    // Before it stands how far the TIFF header lies from its beginning.
    exif: dataOf(reader, meta, exif)?.subarray(4),
    xmp: dataOf(reader, meta, xmp),
  }
}

const XMP = 'application/rdf+xml\0'

function textEnd(reader: ByteReader, from: number, { to }: Box): number {
  const length = reader.bytes.subarray(from, to).indexOf(0)
  return length < 0 ? to : from + length + 1
}

/** The items that describe the picture. */
function describing(reader: ByteReader, meta: readonly Box[], picture: number): Set<number> {
  const found = new Set<number>()
  const list = findList(meta, 'iref')
  if (list === undefined) return found
  const size = idSize(reader, list, 1)
  for (const box of boxes(reader, list.from + 4, list.to)) {
    if (box.type !== 'cdsc') continue
    const next = numbersIn(reader, box, box.from)
    const item = next(size)
    for (let count = next(2); count > 0; count--) {
      if (next(size) === picture) found.add(item)
    }
  }
  return found
}

/** Undefined for an item that lies in another file or in other items. */
function dataOf(
  reader: ByteReader,
  meta: readonly Box[],
  id: number | undefined,
): Uint8Array | undefined {
  if (id === undefined) return
  const list = findList(meta, 'iloc')
  const { method, extents } = (list && placeOf(reader, list, id)) ?? { method: -1, extents: [] }
  const whole = { from: 0, to: reader.length }
  const within = [whole, meta.find(({ type }) => type === 'idat')][method]
  if (within === undefined) return
  const parts = extents.map(({ offset, length }) => {
    const from = within.from + offset
    return reader.bytes.subarray(from, length === 0 ? within.to : from + length)
  })
  return joinMetadata(parts)
}

type Place = {
  /** What offsets count from; 0: the file, 1: the contents of `idat`, 2: another item. */
  readonly method: number
  /** Of length 0: up to the end. */
  readonly extents: readonly { readonly offset: number; readonly length: number }[]
}

function placeOf(reader: ByteReader, list: Box, id: number): Place | undefined {
  const version = reader.u8(list.from)
  const size = idSize(reader, list, 2)
  const next = numbersIn(reader, list)
  const sizes = next(2)
  const index = version === 0 ? 0 : sizes & 15
  const [offset, length, base] = [sizes >> 12, (sizes >> 8) & 15, (sizes >> 4) & 15] as const
  // Any number of such extents would take no byte of the file.
  if (index + offset + length === 0) return
  for (let items = next(size); items > 0; items--) {
    const item = next(size)
    const method = version === 0 ? 0 : next(2) & 15
    next(2)
    const start = next(base)
    const extents: { offset: number; length: number }[] = []
    for (let count = next(2); count > 0; count--) {
      next(index)
      extents.push({ offset: start + next(offset), length: next(length) })
    }
    if (item === id) return { method, extents }
  }
}
