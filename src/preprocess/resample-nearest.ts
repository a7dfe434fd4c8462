/**
 * Nearest-neighbour resizing as Pillow does it, in the terms of `resample.ts`.
 *
 * Source: python-pillow/Pillow src/libImaging/Geometry.c (ImagingScaleAffine) at 4e5f09f. Positions are summed up step
 * by step in float64: multiplying instead would pick another neighbour now and then.
 */
import type { Image, ImageSize, Region } from './image.ts'
import type { Box, Canvas } from './resample.ts'

export function nearest(
  image: Image,
  canvas: Canvas,
  box: Box,
  size: ImageSize,
  window: Region,
): Uint8Array {
  const { channels, data } = image
  const columns = positions(canvas.width, size.width, box[0], box[2], window.left, window.width)
  const rows = positions(canvas.height, size.height, box[1], box[3], window.top, window.height)
  const output = new Uint8Array(window.width * window.height * channels)
  let at = 0
  for (const row of rows) {
    const y = row - canvas.top
    for (const column of columns) {
      const x = column - canvas.left
      const isOnImage = x >= 0 && x < image.width && y >= 0 && y < image.height
      const from = (y * image.width + x) * channels
      for (let i = 0; i < channels; i++) {
        // Off the canvas (−1) Pillow leaves zeros.
        const bare = row < 0 || column < 0 ? 0 : (canvas.colour[i] ?? 0)
        output[at++] = isOnImage ? (data[from + i] as number) : bare
      }
    }
  }
  return output
}

/** The input that each output of [start, start + count) takes, −1 for none. */
function positions(
  inputs: number,
  outputs: number,
  from: number,
  to: number,
  start: number,
  count: number,
): Int32Array {
  const begin = Math.fround(from)
  const step = Math.fround(Math.fround(to) - begin) / outputs
  const found = new Int32Array(count)
  let position = begin + step * 0.5
  for (let output = 0; output < start + count; output++) {
    const index = position < 0 ? -1 : Math.trunc(position)
    if (output >= start) found[output - start] = index < inputs ? index : -1
    position += step
  }
  return found
}
