/**
 * Planes of luma and chroma as RGB, in the integers of ffmpeg's swscale, byte for byte where it takes its usual way
 * (4:2:0 and 4:2:2 of an even height on x86).
 *
 *   R = y + r(v),  G = y + g(u) + g'(v),  B = y + b(u),  each term ⌊8 (sample − offset) · coefficient / 2¹⁶⌋
 *
 * Source: FFmpeg 5.1 libswscale/yuv2rgb.c (ff_yuv2rgb_c_init_tables), libswscale/x86/yuv_2_rgb.asm; ITU-R BT.601.
 */
import type { ImageSize, RgbImage } from './image.ts'

export type YuvFormat = {
  /** Luma samples to one of chroma, across and down; null: there is no chroma. */
  readonly chroma: { readonly x: 1 | 2 | 4; readonly y: 1 | 2 } | null
  /** Whether samples use all of 0 to 255, or 16 to 235 and 240. */
  readonly isFullRange: boolean
}

export function yuvFrameBytes(size: ImageSize, { chroma }: YuvFormat): number {
  const plane = chroma ? chromaSize(size, chroma) : { width: 0, height: 0 }
  return size.width * size.height + 2 * plane.width * plane.height
}

/** planes: all of luma, then of u, then of v, row by row. */
export function yuvToRgb(planes: Uint8Array, size: ImageSize, format: YuvFormat): RgbImage {
  const { width, height } = size
  const { chroma } = format
  const tables = format.isFullRange ? FULL : LIMITED
  const plane = chromaSize(size, chroma ?? { x: 1, y: 1 })
  const u = planes.subarray(width * height)
  const v = u.subarray(plane.width * plane.height)
  const data = new Uint8ClampedArray(width * height * 3)
  const [shiftX, shiftY] = chroma ? [Math.log2(chroma.x), Math.log2(chroma.y)] : [0, 0]
  for (let y = 0, to = 0; y < height; y++) {
    const row = (y >> shiftY) * plane.width
    for (let x = 0; x < width; x++, to += 3) {
      const luma = tables.luma[planes[y * width + x] as number] as number
      const from = row + (x >> shiftX)
      const us = chroma ? (u[from] as number) : NEUTRAL
      const vs = chroma ? (v[from] as number) : NEUTRAL
      data[to] = luma + (tables.redV[vs] as number)
      data[to + 1] = luma + (tables.greenU[us] as number) + (tables.greenV[vs] as number)
      data[to + 2] = luma + (tables.blueU[us] as number)
    }
  }
  return { width, height, channels: 3, data: new Uint8Array(data.buffer) }
}

const NEUTRAL = 128

function chromaSize({ width, height }: ImageSize, { x, y }: { x: number; y: number }): ImageSize {
  return { width: Math.ceil(width / x), height: Math.ceil(height / y) }
}

type Tables = {
  readonly luma: Int16Array
  readonly redV: Int16Array
  readonly greenU: Int16Array
  readonly greenV: Int16Array
  readonly blueU: Int16Array
}

/** BT.601 in 16.16 for samples of 16 to 240: what is taken where a file does not say more. */
const LIMITED = tables({ luma: (65536 * 255) / 219, offset: 16, scale: 1 })
const FULL = tables({ luma: 65536, offset: 0, scale: 224 / 255 })

function tables({ luma, offset, scale }: { luma: number; offset: number; scale: number }): Tables {
  const chroma = (coefficient: number) => terms(Math.trunc(coefficient * scale), NEUTRAL)
  return {
    luma: terms(Math.trunc(luma), offset),
    redV: chroma(104597),
    greenU: chroma(-25675),
    greenV: chroma(-53279),
    blueU: chroma(132201),
  }
}

/** ⌊8 (sample − offset) · c / 2¹⁶⌋ of every sample, c being the coefficient in 3.13. */
function terms(coefficient: number, offset: number): Int16Array {
  const rounded = (coefficient * 8192 + 32768) / 65536
  const c = Math.floor(rounded)
  return Int16Array.from({ length: 256 }, (_, sample) => ((sample - offset) * 8 * c) >> 16)
}
