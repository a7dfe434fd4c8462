/**
 * The size of an AVIF picture and which way up it stands: the properties of its primary item, and what describes it.
 *
 * Source: ISO/IEC 23008-12 (`pitm`, `ipco`, `ipma`, `ispe`, `irot`, `imir`).
 */
import { ByteReader, unreadable } from './byte-reader.ts'
import { boxes, characters, checkList, idSize, needBox, numbersIn, type Box } from './heif-boxes.ts'
import { heifMetadata } from './heif-metadata.ts'
import type { Orientation } from './probe-image.ts'
import { exifOrientation, orientationBy } from './read-orientation.ts'

type Found = { readonly width: number; readonly height: number; readonly orientation: Orientation }

/**
 * As Pillow has it, a turn of the container counts more than Exif, which may only say that nothing is known, and XMP last.
 *
 * Throws InputError for other pictures in the same container (HEIC), which cannot be decoded here.
 */
export function probeAvif(reader: ByteReader): Found {
  checkBrands(reader)
  const { meta, id, properties } = readPicture(reader)
  const size = properties.find(({ type }) => type === 'ispe')
  const next = size && numbersIn(reader, size)
  const [width, height] = [next?.(4) ?? 0, next?.(4) ?? 0]
  // Of each kind the first one; libavif applies irot before imir in whatever order they come.
  const first = ['irot', 'imir'].flatMap(
    (type) => properties.find((one) => one.type === type) ?? [],
  )
  const turned = turnOf(reader, first)
  if (turned !== 1) return { width, height, orientation: turned }
  const { exif, xmp } = heifMetadata(reader, meta, id)
  const orientation = exifOrientation(exif) === undefined ? orientationBy({ xmp }) : 1
  return { width, height, orientation }
}

/** How libheif turns the picture while it decodes: by all of the container's turns, in their order. */
export function turnInContainer(bytes: Uint8Array): Orientation {
  const reader = new ByteReader(bytes)
  return turnOf(reader, readPicture(reader).properties)
}

/**
 * The file itself, or a copy that names AVIF's first of its brands: libvips goes by that one alone. A film's is `avis`, whose
 * picture is its first frame.
 */
export function withStillBrand(bytes: Uint8Array): Uint8Array {
  const reader = new ByteReader(bytes)
  const [file] = boxes(reader, 0, reader.length)
  if (file === undefined || characters(reader, file.from) === 'avif') return bytes
  // A Buffer's own slice would be the same memory.
  const copy = new Uint8Array(bytes)
  copy.set(new TextEncoder().encode('avif'), file.from)
  return copy
}

function checkBrands(reader: ByteReader): void {
  const [file] = boxes(reader, 0, reader.length)
  const brands = file === undefined ? [] : readBrands(reader, file)
  if (brands.some((brand) => brand === 'avif' || brand === 'avis')) return
  const [brand = 'nothing'] = brands
  const todo = /^(?:hei|hev|mif|msf)/.test(brand)
    ? 'convert it to JPEG'
    : 'a film is sent as a clip'
  throw unreadable(`its container holds ${brand}, which is not AVIF (${todo})`)
}

function readBrands(reader: ByteReader, { from, to }: Box): string[] {
  const brands: string[] = []
  for (let at = from; at + 4 <= to && brands.length < 64; at += 4) {
    if (at !== from + 4) brands.push(characters(reader, at))
  }
  return brands
}

type Picture = {
  /** What is in the box of this name. */
  readonly meta: readonly Box[]
  /** Of the item that is the picture; others are its tiles, its alpha, a thumbnail. */
  readonly id: number
  readonly properties: readonly Box[]
}

function readPicture(reader: ByteReader): Picture {
  const { from, to } = needBox(boxes(reader, 0, reader.length), 'meta')
  const meta = boxes(reader, from + 4, to)
  const primary = needBox(meta, 'pitm')
  const id = numbersIn(reader, primary)(idSize(reader, primary, 1))
  return { meta, id, properties: propertiesOf(reader, needBox(meta, 'iprp'), id) }
}

/** In the order in which they are to be applied. */
function propertiesOf(reader: ByteReader, { from, to }: Box, id: number): Box[] {
  const container = boxes(reader, from, to)
  const all = needBox(container, 'ipco')
  const properties = boxes(reader, all.from, all.to)
  const found: Box[] = []
  const links = container.filter(({ type }) => type === 'ipma')
  for (const box of links.slice(0, MOST_LINKS)) {
    checkList(box)
    const size = idSize(reader, box, 1)
    const step = reader.u8(box.from + 3) & 1 ? 2 : 1
    const next = numbersIn(reader, box)
    for (let items = next(4); items > 0; items--) {
      const item = next(size)
      for (let count = next(1); count > 0; count--) {
        // The highest bit says that the property may not be passed over; 0 is none.
        const property = properties[(next(step) & (step === 2 ? 0x7fff : 0x7f)) - 1]
        if (item === id && property !== undefined) found.push(property)
      }
    }
  }
  return found
}

/** There may be one for each size of ids and of places. */
const MOST_LINKS = 4

/** By quarters of a turn anticlockwise, before the picture is mirrored left to right or not. */
const ORIENTATIONS = { plain: [1, 8, 3, 6], mirrored: [2, 7, 4, 5] } as const

function turnOf(reader: ByteReader, properties: readonly Box[]): Orientation {
  let quarters = 0
  let isMirrored = false
  for (const { type, from } of properties) {
    // A turn behind a mirror is the other way round in front of it.
    if (type === 'irot') quarters += (isMirrored ? -1 : 1) * (reader.u8(from) & 3)
    if (type !== 'imir') continue
    isMirrored = !isMirrored
    // Top to bottom is left to right and half a turn.
    if ((reader.u8(from) & 1) === 0) quarters += 2
  }
  return ORIENTATIONS[isMirrored ? 'mirrored' : 'plain'][quarters & 3] as Orientation
}
