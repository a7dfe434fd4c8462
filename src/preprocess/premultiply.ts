/**
 * Colour times alpha and back, rounded to 8 bits in both directions as Pillow does around a resize.
 *
 * Source: python-pillow/Pillow src/libImaging/Convert.c (rgbA2rgba, rgba2rgbA) at 4e5f09f. Alpha is the last channel.
 */
import type { Image } from './image.ts'

/** round(colour · alpha / 255) */
export function premultiply(image: Image): Image {
  const { data, channels } = image
  const output = new Uint8Array(data.length)
  for (let pixel = 0; pixel < data.length; pixel += channels) {
    const alpha = data[pixel + channels - 1] as number
    for (let i = pixel; i < pixel + channels - 1; i++)
      output[i] = divide255((data[i] as number) * alpha)
    output[pixel + channels - 1] = alpha
  }
  return { ...image, data: output }
}

/** ⌊255 · colour / alpha⌋, at most 255; unchanged where alpha is 0 or 255. */
export function unpremultiply(image: Image): Image {
  const { data, channels } = image
  const output = new Uint8Array(data.length)
  for (let pixel = 0; pixel < data.length; pixel += channels) {
    const alpha = data[pixel + channels - 1] as number
    const isPlain = alpha === 0 || alpha === 255
    for (let i = pixel; i < pixel + channels - 1; i++) {
      const colour = data[i] as number
      output[i] = isPlain ? colour : Math.min(255, Math.trunc((255 * colour) / alpha))
    }
    output[pixel + channels - 1] = alpha
  }
  return { ...image, data: output }
}

/** Pillow's MULDIV255 after the product: value / 255 to the nearest integer, for products of two bytes. */
export function divide255(value: number): number {
  const rounded = value + 128
  return ((rounded >> 8) + rounded) >> 8
}
