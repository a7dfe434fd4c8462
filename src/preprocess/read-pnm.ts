/**
 * Portable bitmaps, greymaps and pixmaps (P1–P6) as RGB, as Pillow reads them.
 *
 * Greys of more than 8 bits become Pillow's mode I, which clips at 255 on its way to RGB instead of scaling.
 * Source: python-pillow/Pillow src/PIL/PpmImagePlugin.py at 4e5f09f.
 */
import { unreadable } from './byte-reader.ts'
import { MOST_METADATA } from './header-limits.ts'
import { roundHalfEven } from './round-half-even.ts'

export type PnmHeader = {
  readonly width: number
  readonly height: number
  /** 1 bits, 2 greys, 3 colours, as text; 4, 5, 6 the same as bytes. */
  readonly kind: number
  readonly maxValue: number
  /** Where the samples begin. */
  readonly at: number
}

export function readPnmHeader(bytes: Uint8Array): PnmHeader {
  const kind = (bytes[1] as number) - 0x30
  const tokens = new Tokens(bytes.subarray(0, MOST_METADATA), 2)
  const width = tokens.next()
  const height = tokens.next()
  const maxValue = kind === 1 || kind === 4 ? 1 : tokens.next()
  if (maxValue < 1 || maxValue > 65535) throw unreadable(`its largest sample is ${maxValue}`)
  return { width, height, kind, maxValue, at: tokens.at }
}

export function readPnm(bytes: Uint8Array): Uint8Array {
  const header = readPnmHeader(bytes)
  const isColour = header.kind % 3 === 0
  const samples = readSamples(bytes, header, header.width * header.height * (isColour ? 3 : 1))
  if (isColour) return samples
  const rgb = new Uint8Array(samples.length * 3)
  for (let i = 0; i < samples.length; i++) rgb.fill(samples[i] as number, i * 3, i * 3 + 3)
  return rgb
}

function readSamples(bytes: Uint8Array, header: PnmHeader, count: number): Uint8Array {
  const { kind, maxValue, at } = header
  const perSample = kind < 4 ? 1 : maxValue > 255 ? 2 : 1
  const needed = kind === 4 ? Math.ceil(header.width / 8) * header.height : count * perSample
  if (bytes.length - at < needed) throw unreadable('the file ends early')
  const samples = new Uint8Array(count)
  if (kind === 1) return readPlainBits(bytes, at, samples)
  if (kind === 4) return readBits(bytes, header, samples)
  const isGrey = kind % 3 === 2
  const tokens = new Tokens(bytes, at)
  for (let i = 0; i < count; i++) {
    const from = at + i * perSample
    const value =
      kind < 4
        ? tokens.next()
        : perSample === 1
          ? (bytes[from] as number)
          : ((bytes[from] as number) << 8) | (bytes[from + 1] as number)
    if (kind < 4 && value > maxValue) throw unreadable(`a sample is ${value} of ${maxValue}`)
    const top = isGrey && maxValue > 255 ? 65535 : 255
    samples[i] = Math.min(255, roundHalfEven((value / maxValue) * top))
  }
  return samples
}

/** 1 is black. */
function readBits(
  bytes: Uint8Array,
  { width, height, at }: PnmHeader,
  samples: Uint8Array,
): Uint8Array {
  const stride = Math.ceil(width / 8)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const byte = bytes[at + y * stride + (x >> 3)] as number
      samples[y * width + x] = (byte >> (7 - (x & 7))) & 1 ? 0 : 255
    }
  }
  return samples
}

/** Digits may touch each other. */
function readPlainBits(bytes: Uint8Array, start: number, samples: Uint8Array): Uint8Array {
  let at = start
  for (let i = 0; i < samples.length; i++) {
    at = skipSpace(bytes, at)
    const digit = bytes[at++]
    if (digit !== 0x30 && digit !== 0x31) throw unreadable('a bit is neither 0 nor 1')
    samples[i] = digit === 0x31 ? 0 : 255
  }
  return samples
}

/** Decimal numbers between white space and comments. */
class Tokens {
  at: number
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.at = at
  }

  /** The next number; the one character after it is taken too, as the samples follow it. */
  next(): number {
    let at = skipSpace(this.#bytes, this.at)
    const start = at
    let value = 0
    for (; at < this.#bytes.length && !isSpace(this.#bytes[at] as number); at++) {
      const digit = (this.#bytes[at] as number) - 0x30
      if (digit < 0 || digit > 9 || at - start >= 10) throw unreadable('a number has other signs')
      value = value * 10 + digit
    }
    if (at === start) throw unreadable('the file ends early')
    this.at = at + 1
    return value
  }
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from
  while (at < bytes.length) {
    if (bytes[at] === 0x23) {
      while (at < bytes.length && bytes[at] !== 0x0a && bytes[at] !== 0x0d) at++
    } else if (!isSpace(bytes[at] as number)) break
    else at++
  }
  return at
}

function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 9 && code <= 13)
}
