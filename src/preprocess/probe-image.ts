/**
 * What a picture file says about itself, read from its header before anything is decoded.
 *
 * Nothing is allocated and nothing after the fields themselves is believed: the size decides whether a picture may be
 * decoded at all. Sources: PNG (W3C 2003), JPEG (ITU-T T.81), Exif 2.32, GIF89a, WebP container, TIFF 6.0 and BigTIFF,
 * ISO/IEC 23008-12 (AVIF), BMP (wingdi.h), Netpbm.
 */
import { checkArgument } from '../core/check-argument.ts'
import { ByteReader, unreadable } from './byte-reader.ts'
import { joinMetadata, MOST_GIF_BLOCKS, MOST_PARTS } from './header-limits.ts'
import { pngMetadata } from './png-metadata.ts'
import { probeTiff } from './probe-tiff.ts'
import { probeAvif } from './probe-avif.ts'
import { orientationBy, type Metadata } from './read-orientation.ts'
import { readPnmHeader } from './read-pnm.ts'

export type ImageFormat = 'png' | 'jpeg' | 'webp' | 'gif' | 'tiff' | 'avif' | 'bmp' | 'pnm'

/** How a picture must be turned to stand upright; 1: not at all (Exif). */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8

export type ImageHeader = {
  readonly format: ImageFormat
  readonly width: number
  readonly height: number
  readonly orientation: Orientation
  /** JPEG: components (4: CMYK). PNG: whether it is grey with 16 bits a sample. TIFF says both only when opened. */
  readonly samples: 'cmyk' | 'grey16' | 'other'
  /** A file with fewer bytes cannot hold the pixels that it claims; see `checkWhole`. */
  readonly leastBytes: number
}

/** Throws InputError INPUT_IMAGE_UNREADABLE for an empty, cut or unknown file. */
export function probeImage(bytes: Uint8Array): ImageHeader {
  checkArgument('probeImage: bytes', bytes, 'bytes in a Uint8Array')
  if (bytes.length === 0) throw unreadable('the file is empty')
  const reader = new ByteReader(bytes)
  for (const { format, matches, probe } of FORMATS) {
    if (!matches(reader)) continue
    const header = { orientation: 1, samples: 'other', leastBytes: 0, ...probe(reader) } as const
    if (header.width < 1 || header.height < 1) {
      throw unreadable(`its ${format} header says ${header.width} × ${header.height} pixels`)
    }
    return { format, ...header }
  }
  throw unreadable('it begins like none of these')
}

/**
 * Refuses a file of fewer bytes than its header's claim takes, cut or a bomb. Apart from `probeImage`, so that whoever has
 * a limit of pixels can say first that this is over it.
 */
export function checkWhole({ leastBytes }: ImageHeader, length: number): void {
  if (length < leastBytes) throw unreadable('the file ends early')
}

type Found = Pick<ImageHeader, 'width' | 'height'> & Partial<ImageHeader>

/** Deflate cannot shrink below 1 : 1032. */
const DEFLATE_BEST = 1032

type Format = {
  readonly format: ImageFormat
  readonly matches: (reader: ByteReader) => boolean
  readonly probe: (reader: ByteReader) => Found
}

const FORMATS: readonly Format[] = [
  { format: 'png', matches: (r) => r.is(0, '\x89PNG\r\n\x1a\n'), probe: probePng },
  { format: 'jpeg', matches: (r) => r.is(0, '\xff\xd8\xff'), probe: probeJpeg },
  { format: 'gif', matches: (r) => r.is(0, 'GIF87a') || r.is(0, 'GIF89a'), probe: probeGif },
  { format: 'webp', matches: (r) => r.is(0, 'RIFF') && r.is(8, 'WEBP'), probe: probeWebp },
  {
    format: 'tiff',
    matches: (r) => ['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].some((magic) => r.is(0, magic)),
    probe: probeTiff,
  },
  { format: 'avif', matches: (r) => r.is(4, 'ftyp'), probe: probeAvif },
  { format: 'bmp', matches: (r) => r.is(0, 'BM'), probe: probeBmp },
  { format: 'pnm', matches: isPnm, probe: (r) => readPnmHeader(r.bytes) },
]

function probePng(reader: ByteReader): Found {
  if (!reader.is(12, 'IHDR') || reader.u32(8, false) !== 13)
    throw unreadable('its PNG has no header')
  const [depth, colour] = [reader.u8(24), reader.u8(25)]
  const size = { width: reader.u32(16, false), height: reader.u32(20, false) }
  const isGrey16 = depth === 16 && colour === 0
  const channels = [1, 0, 3, 1, 2, 0, 4][colour] ?? 0
  if (![1, 2, 4, 8, 16].includes(depth) || channels === 0) {
    throw unreadable(`its PNG has ${depth} bits of colour type ${colour}`)
  }
  return {
    ...size,
    samples: isGrey16 ? 'grey16' : 'other',
    orientation: orientationBy(pngMetadata(reader)),
    leastBytes: (size.height * (Math.ceil((size.width * depth * channels) / 8) + 1)) / DEFLATE_BEST,
  }
}

/** Exif that is too long for one segment goes on in the next; of XMP the last one counts: as in Pillow. */
function probeJpeg(reader: ByteReader): Found {
  let frame: Found | null = null
  const exif: Uint8Array[] = []
  let xmp: Uint8Array | undefined
  for (const { marker, at, length } of jpegSegments(reader)) {
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)
    if (isFrame) {
      frame ??= {
        width: reader.u16(at + 5, false),
        height: reader.u16(at + 3, false),
        samples: reader.u8(at + 7) === 4 ? 'cmyk' : 'other',
      }
    }
    if (marker !== 0xe1) continue
    if (reader.is(at + 2, 'Exif\0\0')) exif.push(reader.bytes.subarray(at + 8, at + length))
    if (reader.is(at + 2, XMP)) xmp = reader.bytes.subarray(at, at + length)
  }
  if (frame === null) throw unreadable('its JPEG has no frame')
  return { ...frame, orientation: orientationBy({ exif: joinMetadata(exif), xmp }) }
}

type Segment = {
  readonly marker: number
  /** Where its length stands, which counts itself. */
  readonly at: number
  readonly length: number
}

/** Up to the first scan, its header with them, or to the end of a file that is cut before. */
export function* jpegSegments(reader: ByteReader): Generator<Segment> {
  for (let at = 2, parts = 0; parts < MOST_PARTS; parts++) {
    // Between segments fill bytes are allowed, and decoders skip rubbish too.
    at = reader.bytes.indexOf(0xff, at) + 1
    if (at === 0 || !reader.has(at, 3)) return
    const marker = reader.u8(at)
    if (marker === 0xff) continue
    at++
    if (marker === 0x00 || marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) continue
    if (marker === 0xd9) return
    const length = reader.u16(at, false)
    yield { marker, at, length }
    if (marker === 0xda) return
    at += Math.max(2, length)
  }
}

const XMP = 'http://ns.adobe.com/xap/1.0/\0'

/** The screen, grown to hold the first frame: what Pillow's size is too. */
function probeGif(reader: ByteReader): Found {
  const frame = gifFrame(reader)
  const width = Math.max(reader.u16(6, true), frame.left + frame.width)
  const height = Math.max(reader.u16(8, true), frame.top + frame.height)
  return { width, height }
}

export type GifFrame = {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
  /** Where its palette and data begin, and its flags. */
  readonly at: number
  readonly flags: number
  readonly transparent: number | null
}

/** The first frame of a GIF. */
export function gifFrame(reader: ByteReader): GifFrame {
  const flags = reader.u8(10)
  let at = 13 + (flags & 0x80 ? 3 << ((flags & 7) + 1) : 0)
  let transparent: number | null = null
  for (let parts = 0, blocks = 0; parts < MOST_PARTS; parts++) {
    const kind = reader.u8(at)
    if (kind === 0x2c) return { ...frameAt(reader, at), transparent }
    if (kind === 0x3b) break
    at++
    if (kind !== 0x21) continue
    const isControl = reader.u8(at) === 0xf9 && reader.u8(at + 1) >= 4
    if (isControl && reader.u8(at + 2) & 1) transparent = reader.u8(at + 5)
    at++
    for (; reader.u8(at) !== 0 && blocks < MOST_GIF_BLOCKS; blocks++) at += reader.u8(at) + 1
    at++
  }
  throw unreadable('its GIF has no frame')
}

function frameAt(reader: ByteReader, start: number): Omit<GifFrame, 'transparent'> {
  const [left, top, width, height] = [1, 3, 5, 7].map((offset) => reader.u16(start + offset, true))
  return {
    left: left as number,
    top: top as number,
    width: width as number,
    height: height as number,
    flags: reader.u8(start + 9),
    at: start + 10,
  }
}

function probeWebp(reader: ByteReader): Found {
  if (reader.is(12, 'VP8 ')) {
    if (!reader.is(23, '\x9d\x01\x2a')) throw unreadable('its WebP has no key frame')
    return { width: reader.u16(26, true) & 0x3fff, height: reader.u16(28, true) & 0x3fff }
  }
  if (reader.is(12, 'VP8L')) {
    if (reader.u8(20) !== 0x2f) throw unreadable('its WebP has no lossless signature')
    const bits = reader.u32(21, true)
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 }
  }
  if (!reader.is(12, 'VP8X')) throw unreadable('its WebP has no picture')
  const u24 = (at: number): number => reader.u16(at, true) | (reader.u8(at + 2) << 16)
  const size = { width: u24(24) + 1, height: u24(27) + 1 }
  return { ...size, orientation: orientationBy(webpMetadata(reader)) }
}

/** As in libwebp, of several of a kind the first one counts, and none of a kind that the header does not announce. */
function webpMetadata(reader: ByteReader): Metadata {
  const flags = reader.u8(20)
  const [hasExif, hasXmp] = [(flags & 8) !== 0, (flags & 4) !== 0]
  let [exif, xmp]: (Uint8Array | undefined)[] = []
  if (!hasExif && !hasXmp) return {}
  for (let at = 12, parts = 0; reader.has(at, 8) && parts < MOST_PARTS; parts++) {
    const length = reader.u32(at + 4, true)
    const data = reader.bytes.subarray(at + 8, at + 8 + length)
    if (hasExif && reader.is(at, 'EXIF')) exif ??= data
    if (hasXmp && reader.is(at, 'XMP ')) xmp ??= data
    at += 8 + length + (length & 1)
  }
  return { exif, xmp }
}

function probeBmp(reader: ByteReader): Found {
  if (reader.u32(14, true) === 12) {
    return { width: reader.u16(18, true), height: reader.u16(20, true) }
  }
  // A negative height says that rows lie from the top.
  return { width: reader.u32(18, true) | 0, height: Math.abs(reader.u32(22, true) | 0) }
}

function isPnm(reader: ByteReader): boolean {
  if (!reader.has(0, 3) || !reader.is(0, 'P')) return false
  const [kind, space] = [reader.u8(1) - 0x30, reader.u8(2)]
  return kind >= 1 && kind <= 6 && (space === 0x23 || space === 0x20 || (space >= 9 && space <= 13))
}
