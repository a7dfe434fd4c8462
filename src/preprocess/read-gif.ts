/**
 * The first frame of a GIF as RGB, as Pillow reads it.
 *
 * sharp cannot stand in: it replaces the palette's colour of transparent pixels, which `convert('RGB')` keeps.
 * Sources: GIF89a specification; python-pillow/Pillow src/PIL/GifImagePlugin.py, src/libImaging/GifDecode.c at 4e5f09f.
 */
import { ByteReader, unreadable } from './byte-reader.ts'
import { completePalette } from './palette.ts'
import { gifFrame, probeImage, type GifFrame } from './probe-image.ts'

export function readGif(bytes: Uint8Array): Uint8Array {
  const reader = new ByteReader(bytes)
  const { width, height } = probeImage(bytes)
  const frame = gifFrame(reader)
  const hasOwnPalette = (frame.flags & 0x80) !== 0
  const paletteBytes = hasOwnPalette ? 3 << ((frame.flags & 7) + 1) : 0
  const palette = readPalette(reader, hasOwnPalette ? frame : undefined)
  const indices = decodeLzw(reader, frame.at + paletteBytes, frame.width * frame.height)
  const rgb = new Uint8Array(width * height * 3)
  // Around the frame lies its transparent colour, or the first.
  fillColour(rgb, palette, frame.transparent ?? 0)
  const rows = (frame.flags & 0x40) !== 0 ? interlacedRows(frame.height) : undefined
  for (let row = 0; row < frame.height; row++) {
    const y = frame.top + (rows ? (rows[row] as number) : row)
    for (let x = 0; x < frame.width; x++) {
      const colour = (indices[row * frame.width + x] as number) * 3
      const at = (y * width + frame.left + x) * 3
      for (let c = 0; c < 3; c++) rgb[at + c] = palette[colour + c] as number
    }
  }
  return rgb
}

function readPalette(reader: ByteReader, own: GifFrame | undefined): Uint8Array {
  const flags = own ? own.flags : reader.u8(10)
  const from = own ? own.at : 13
  const length = flags & 0x80 ? 3 << ((flags & 7) + 1) : 0
  if (!reader.has(from, length)) throw unreadable('the file ends early')
  return completePalette(reader.bytes.subarray(from, from + length))
}

function fillColour(rgb: Uint8Array, palette: Uint8Array, index: number): void {
  for (let i = 0; i < rgb.length; i++) rgb[i] = palette[index * 3 + (i % 3)] as number
}

/** The rows of an interlaced frame in the order of its data: every eighth row from 0 and from 4, every fourth from 2, every second from 1. */
export function interlacedRows(height: number): number[] {
  const rows: number[] = []
  for (const [start, step] of [
    [0, 8],
    [4, 8],
    [2, 4],
    [1, 2],
  ] as const) {
    for (let row = start; row < height; row += step) rows.push(row)
  }
  return rows
}

const MAX_CODES = 4096
const MAX_CODE_BITS = 12

/** `count` colour indices of a frame's data at `start`. Throws InputError where the data end before or make no sense. */
export function decodeLzw(reader: ByteReader, start: number, count: number): Uint8Array {
  const bits = reader.u8(start)
  if (bits < 1 || bits > MAX_CODE_BITS) throw unreadable(`its GIF has codes of ${bits} bits`)
  // One code gives at most as many pixels as there are codes: a small file cannot hold a large frame.
  if (count > ((reader.length - start) * 8 * MAX_CODES) / (bits + 1)) {
    throw unreadable('the file ends early')
  }
  const codes = new CodeReader(reader, start + 1)
  const clear = 1 << bits
  const suffixes = new Uint8Array(MAX_CODES)
  const prefixes = new Uint16Array(MAX_CODES)
  const stack = new Uint8Array(MAX_CODES + 1)
  const pixels = new Uint8Array(count)
  let out = 0
  let size = bits + 1
  let next = clear + 2
  let previous = -1
  let first = 0
  while (out < count) {
    const code = codes.read(size)
    if (code === clear) {
      size = bits + 1
      next = clear + 2
      previous = -1
      continue
    }
    if (code === clear + 1) throw unreadable('its GIF ends before its last row')
    if (previous < 0) {
      if (code > clear) throw unreadable('its GIF has a code that was never made')
      pixels[out++] = first = code
      previous = code
      continue
    }
    if (code > next) throw unreadable('its GIF has a code that was never made')
    let depth = 0
    let rest = code
    if (code === next) {
      stack[depth++] = first
      rest = previous
    }
    while (rest >= clear) {
      if (depth >= MAX_CODES || rest >= MAX_CODES)
        throw unreadable('its GIF has a code without end')
      stack[depth++] = suffixes[rest] as number
      rest = prefixes[rest] as number
    }
    first = rest
    stack[depth++] = first
    if (next < MAX_CODES) {
      suffixes[next] = first
      prefixes[next] = previous
      if (next === (1 << size) - 1 && size < MAX_CODE_BITS) size++
      next++
    }
    previous = code
    while (depth > 0 && out < count) pixels[out++] = stack[--depth] as number
  }
  return pixels
}

/** Codes of changing length from a chain of blocks, lowest bits first. */
class CodeReader {
  readonly #reader: ByteReader
  #at: number
  #left = 0
  #bits = 0
  #count = 0

  constructor(reader: ByteReader, at: number) {
    this.#reader = reader
    this.#at = at
  }

  read(size: number): number {
    while (this.#count < size) {
      if (this.#left === 0) {
        this.#left = this.#reader.u8(this.#at++)
        if (this.#left === 0) throw unreadable('the file ends early')
      }
      this.#bits |= this.#reader.u8(this.#at++) << this.#count
      this.#count += 8
      this.#left--
    }
    const code = this.#bits & ((1 << size) - 1)
    this.#bits >>>= size
    this.#count -= size
    return code
  }
}
