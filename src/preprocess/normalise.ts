/**
 * uint8 tiles → float32 pixel values, as transformers computes them.
 *
 *   float32(v · rescale)  in float64, then  (x − mean) / std  in float32
 *
 * A sample has 256 values, so each channel is a table: exact and fast. Channels go first, [I, h, w, C] → [I, C, h, w].
 * Source: huggingface/transformers 5.23 image_transforms.py (rescale, normalize).
 */
import type { ImageProcessor } from './image-processor.ts'

export function normaliseTiles(
  tiles: Uint8Array,
  pixelsPerTile: number,
  processor: Pick<ImageProcessor, 'rescale' | 'normalise'>,
): Float32Array {
  const [red, green, blue] = [0, 1, 2].map((channel) => channelTable(processor, channel))
  const values = new Float32Array(tiles.length)
  let at = 0
  for (let tile = 0; tile < tiles.length; tile += pixelsPerTile * 3) {
    const reds = values.subarray(tile, tile + pixelsPerTile)
    const greens = values.subarray(tile + pixelsPerTile, tile + 2 * pixelsPerTile)
    const blues = values.subarray(tile + 2 * pixelsPerTile, tile + 3 * pixelsPerTile)
    for (let i = 0; i < pixelsPerTile; i++) {
      reds[i] = (red as Float32Array)[tiles[at] as number] as number
      greens[i] = (green as Float32Array)[tiles[at + 1] as number] as number
      blues[i] = (blue as Float32Array)[tiles[at + 2] as number] as number
      at += 3
    }
  }
  return values
}

function channelTable(
  { rescale, normalise }: Pick<ImageProcessor, 'rescale' | 'normalise'>,
  channel: number,
): Float32Array {
  const mean = Math.fround(normalise?.mean[channel] ?? 0)
  const std = Math.fround(normalise?.std[channel] ?? 1)
  // Storing into the Float32Array is the rounding of the division.
  return Float32Array.from({ length: 256 }, (_, value) => {
    const scaled = Math.fround(rescale === null ? value : value * rescale)
    return Math.fround(scaled - mean) / std
  })
}
