/**
 * Windows bitmaps as RGB, as Pillow reads them: 1, 4 and 8 bits with a palette, 16, 24 and 32 bits, RLE.
 *
 * Alpha is dropped like everywhere. Source: python-pillow/Pillow src/PIL/BmpImagePlugin.py at 4e5f09f.
 */
import { ByteReader, unreadable } from './byte-reader.ts'
import { completePalette } from './palette.ts'
import { probeImage } from './probe-image.ts'

type BmpHeader = {
  readonly width: number
  readonly height: number
  readonly isTopDown: boolean
  readonly bits: number
  readonly compression: number
  readonly palette: Uint8Array
  /** Where red, green, blue lie in a pixel of 16 or 32 bits. */
  readonly masks: readonly [number, number, number]
  readonly data: number
}

export function readBmp(bytes: Uint8Array): Uint8Array {
  const reader = new ByteReader(bytes)
  const header = readHeader(reader)
  const { width, height, bits, compression } = header
  const stride = ((width * bits + 31) >>> 3) & ~3
  const isPacked = compression === RLE8 || compression === RLE4
  if (!isPacked && !reader.has(header.data, stride * height)) {
    throw unreadable('the file ends early')
  }
  const indices = isPacked ? unpackRuns(reader, header) : undefined
  const rgb = new Uint8Array(width * height * 3)
  for (let row = 0; row < height; row++) {
    const target = rgb.subarray((header.isTopDown ? row : height - 1 - row) * width * 3)
    const line = indices
      ? indices.subarray(row * width, (row + 1) * width)
      : bytes.subarray(header.data + row * stride, header.data + (row + 1) * stride)
    readLine(line, target, { ...header, bits: indices ? 8 : bits })
  }
  return rgb
}

const RAW = 0
const RLE8 = 1
const RLE4 = 2
const BIT_FIELDS = 3

function readHeader(reader: ByteReader): BmpHeader {
  const { width, height } = probeImage(reader.bytes)
  const size = reader.u32(14, true)
  const isCore = size === 12
  if (!isCore && ![40, 52, 56, 64, 108, 124].includes(size)) {
    throw unreadable(`its BMP header has ${size} bytes`)
  }
  const bits = reader.u16(isCore ? 24 : 28, true)
  const compression = isCore ? RAW : reader.u32(30, true)
  const isRunLength = (compression === RLE8 && bits === 8) || (compression === RLE4 && bits === 4)
  const isPlain = compression === RAW && [1, 4, 8, 16, 24, 32].includes(bits)
  const hasFields = compression === BIT_FIELDS && [16, 24, 32].includes(bits)
  if (!isRunLength && !isPlain && !hasFields) {
    throw unreadable(`its BMP has ${bits} bits of compression ${compression}`)
  }
  const colours = (isCore ? 0 : reader.u32(46, true)) || 2 ** bits
  const entry = isCore ? 3 : 4
  const start = 14 + size
  const offset = reader.u32(10, true)
  const afterPalette = start + (bits <= 8 ? entry * colours : 0)
  return {
    width,
    height,
    isTopDown: !isCore && reader.u8(25) === 0xff,
    bits,
    compression,
    palette: bits <= 8 ? readPalette(reader, start, entry, colours) : new Uint8Array(),
    masks: hasFields ? readMasks(reader, bits) : bits === 16 ? MASKS_555 : MASKS_888,
    data: offset === 0 || offset === start ? afterPalette : offset,
  }
}

const MASKS_888: BmpHeader['masks'] = [0xff0000, 0xff00, 0xff]
const MASKS_555: BmpHeader['masks'] = [0x7c00, 0x3e0, 0x1f]
const MASKS_565: BmpHeader['masks'] = [0xf800, 0x7e0, 0x1f]

/** The layouts that Pillow knows; the masks follow the 40 bytes of the first header or are part of a longer one. */
function readMasks(reader: ByteReader, bits: number): BmpHeader['masks'] {
  const masks: BmpHeader['masks'] = [
    reader.u32(54, true),
    reader.u32(58, true),
    reader.u32(62, true),
  ]
  const known: readonly BmpHeader['masks'][] =
    bits === 16
      ? [MASKS_565, MASKS_555]
      : bits === 24
        ? [MASKS_888]
        : [
            MASKS_888,
            [0xff000000, 0xff0000, 0xff00],
            [0xff000000, 0xff00, 0xff],
            [0xff, 0xff00, 0xff0000],
          ]
  if (bits === 32 && masks.every((mask) => mask === 0)) return MASKS_888
  if (known.some((layout) => layout.every((mask, i) => mask === masks[i]))) return masks
  throw unreadable('its BMP mixes colours in an unknown way')
}

function readPalette(reader: ByteReader, at: number, entry: number, colours: number): Uint8Array {
  const entries = new Uint8Array(Math.min(256, colours) * 3)
  for (let i = 0; i < entries.length; i++) {
    entries[i] = reader.u8(at + Math.floor(i / 3) * entry + 2 - (i % 3))
  }
  return completePalette(entries)
}

function readLine(line: Uint8Array, target: Uint8Array, header: BmpHeader): void {
  const { width, bits, palette, masks } = header
  if (bits <= 8) {
    const perByte = 8 / bits
    for (let x = 0; x < width; x++) {
      const shift = 8 - bits * ((x % perByte) + 1)
      const byte = line[Math.floor(x / perByte)] as number
      const index = (byte >> shift) & ((1 << bits) - 1)
      for (let c = 0; c < 3; c++) target[x * 3 + c] = palette[index * 3 + c] as number
    }
    return
  }
  const bytes = bits / 8
  const fields = masks.map((mask) => {
    const shift = 31 - Math.clz32(mask & -mask)
    return { shift, top: mask >>> shift }
  })
  for (let x = 0; x < width; x++) {
    let pixel = 0
    for (let i = bytes - 1; i >= 0; i--) pixel = (pixel << 8) | (line[x * bytes + i] as number)
    for (let c = 0; c < 3; c++) {
      const { shift, top } = fields[c] as { shift: number; top: number }
      target[x * 3 + c] = Math.trunc((((pixel >>> shift) & top) * 255) / top)
    }
  }
}

/** One byte per pixel, rows as they lie in the file. */
function unpackRuns(
  reader: ByteReader,
  { width, height, compression, data }: BmpHeader,
): Uint8Array {
  const pixels = new Uint8Array(width * height)
  const isNibbles = compression === RLE4
  let at = data
  let out = 0
  let x = 0
  const put = (byte: number, i: number): void => {
    pixels[out++] = !isNibbles ? byte : i % 2 === 0 ? byte >> 4 : byte & 15
  }
  while (out < pixels.length) {
    const [count, byte] = [reader.u8(at), reader.u8(at + 1)]
    at += 2
    if (count > 0) {
      const fitting = Math.max(0, Math.min(count, width - x))
      for (let i = 0; i < fitting; i++) put(byte, i)
      x += fitting
    } else if (byte === 0) {
      out = Math.ceil(out / width) * width
      x = 0
    } else if (byte === 1) {
      throw unreadable('its BMP ends before its last row')
    } else if (byte === 2) {
      out += reader.u8(at) + reader.u8(at + 1) * width
      x = out % width
      at += 2
    } else {
      // Pillow reads half a byte too few where an odd number of nibbles follows.
      const bytes = isNibbles ? byte >> 1 : byte
      for (let i = 0; i < (isNibbles ? bytes * 2 : bytes); i++) {
        put(reader.u8(at + (isNibbles ? i >> 1 : i)), i)
      }
      x += byte
      at += bytes
      at += at % 2
    }
  }
  return pixels
}
