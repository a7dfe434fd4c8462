/**
 * `Image.reduce` of Pillow: averages of factorX × factorY blocks, the last ones smaller where they do not fit.
 *
 * Source: python-pillow/Pillow src/libImaging/Reduce.c at 4e5f09f. Division by the block's size is a multiplication
 * by a reciprocal that the C code computes in float32.
 */
import type { Image, Region } from './image.ts'

/** The region of the picture, [h, w, C] → [⌈h / factorY⌉, ⌈w / factorX⌉, C]. */
export function reduceImage(image: Image, factorX: number, factorY: number, region: Region): Image {
  const { channels } = image
  const width = Math.ceil(region.width / factorX)
  const height = Math.ceil(region.height / factorY)
  const data = new Uint8Array(width * height * channels)
  for (let y = 0; y < height; y++) {
    const top = region.top + y * factorY
    const bottom = Math.min(top + factorY, region.top + region.height)
    for (let x = 0; x < width; x++) {
      const left = region.left + x * factorX
      const right = Math.min(left + factorX, region.left + region.width)
      const multiplier = reciprocal((right - left) * (bottom - top))
      for (let channel = 0; channel < channels; channel++) {
        const sum = sumBlock(image, channel, left, top, right, bottom)
        data[(y * width + x) * channels + channel] = Math.imul(sum, multiplier) >>> 24
      }
    }
  }
  return { width, height, channels, data }
}

/** Sum of a block, and half its size so that the division rounds. */
function sumBlock(
  { data, width, channels }: Image,
  channel: number,
  left: number,
  top: number,
  right: number,
  bottom: number,
): number {
  let sum = Math.trunc(((right - left) * (bottom - top)) / 2)
  for (let y = top; y < bottom; y++) {
    const end = (y * width + right) * channels
    for (let at = (y * width + left) * channels + channel; at < end; at += channels) {
      sum += data[at] as number
    }
  }
  return sum
}

/** 2²⁴ / count in 32 bits. */
function reciprocal(count: number): number {
  return Math.trunc(Math.fround(2 ** 32 / Math.fround(256 * count)))
}
