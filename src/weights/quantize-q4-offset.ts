/**
 * 4-bit weights in blocks of 32 with a scale and an offset each: any block of sixteen evenly spaced values is exact.
 *
 *   w ≈ (q − 8) scale + offset        q in 0 … 15
 *
 * The operator multiplies (q − 8) scale; offsets times the sums of the activations' blocks are added beside it, a
 * product of a thirty-second of the size. Integer zero points would cost nothing and round the offset to a whole step,
 * which weights that come from a 4-bit file with offsets (Q4_1) feel as much as the quantisation itself.
 *
 * Each block tries a few ranges, from a little wider than its values to clipping the outermost; scale and offset are
 * then the least-squares line through the chosen q. Source of the blocks: ggml, Q4_1.
 */
import {
  allRows,
  checkRange,
  notFinite,
  SMALLEST_NORMAL,
  type RowRange,
  type WeightShape,
} from './quantize-rows.ts'

export const Q4_OFFSET_BLOCK = 32

/** data uint8 [rows, blocks, 16], the even element in the low half of a byte; scale and offset float32 [rows, blocks]. */
export type Q4OffsetWeight = {
  readonly data: Uint8Array
  readonly scale: Float32Array
  readonly offset: Float32Array
}

/** Quantises `weight` [rows, columns]. Throws CheckpointError for a weight that is not finite. */
export function quantizeQ4Offset(weight: Float32Array, shape: WeightShape): Q4OffsetWeight {
  const blocks = shape.rows * Math.ceil(shape.columns / Q4_OFFSET_BLOCK)
  const result = {
    data: new Uint8Array((blocks * Q4_OFFSET_BLOCK) / 2),
    scale: new Float32Array(blocks),
    offset: new Float32Array(blocks),
  }
  quantizeQ4OffsetRows(weight, allRows(shape), result)
  return result
}

/** Quantises the rows of `range` into their place in `result`, which holds the whole weight. */
export function quantizeQ4OffsetRows(
  values: Float32Array,
  range: RowRange,
  result: Q4OffsetWeight,
): void {
  checkRange(values, range)
  const { columns } = range.weight
  const blocks = Math.ceil(columns / Q4_OFFSET_BLOCK)
  const line: Line = { low: 0, inverse: 0, scale: 0, start: 0 }
  for (let row = range.from; row < range.to; row++) {
    for (let b = 0; b < blocks; b++) {
      const from = (row - range.from) * columns + b * Q4_OFFSET_BLOCK
      const count = Math.min(Q4_OFFSET_BLOCK, columns - b * Q4_OFFSET_BLOCK)
      if (!fitLine(values, from, count, line)) throw notFinite(values, range)
      const index = row * blocks + b
      result.scale[index] = line.scale
      result.offset[index] = line.start + 8 * line.scale
      packBlock(values, { from, count, target: result.data, at: index * 16 }, line)
    }
  }
}

/** q = ⌊(w − low) · inverse + ½⌋ within 0 … 15; w ≈ start + q · scale. */
type Line = { low: number; inverse: number; scale: number; start: number }

// Widths of the range that the 16 steps span, as a share of the block's own. 1 comes first: of equal errors it wins.
const SHARES = [1, 1.05, 0.95, 0.9, 0.85]

/** Chooses `line` for a block; false if a value is not finite. */
function fitLine(values: Float32Array, from: number, count: number, line: Line): boolean {
  let low = Infinity
  let high = -Infinity
  let sum = 0
  for (let i = from; i < from + count; i++) {
    const w = values[i] as number
    if (w < low) low = w
    if (w > high) high = w
    sum += w
  }
  if (!Number.isFinite(high - low) || !Number.isFinite(sum)) return false
  const step = (high - low) / 15
  if (step < SMALLEST_NORMAL) {
    Object.assign(line, { low, inverse: 0, scale: 0, start: sum / count })
    return true
  }
  const mean = sum / count
  let least = Infinity
  for (const share of SHARES) {
    const inverse = 1 / (step * share)
    const start = (low + high) / 2 - 7.5 * step * share
    const found = regress(values, { from, count, mean, start, inverse })
    if (found.error < least) {
      least = found.error
      Object.assign(line, {
        low: start,
        inverse,
        scale: found.scale,
        start: mean - found.scale * found.mean,
      })
    }
  }
  return true
}

/** The least-squares slope of w over q, the mean of q, and the error that is left up to a constant. */
function regress(
  values: Float32Array,
  at: { from: number; count: number; mean: number; start: number; inverse: number },
): { scale: number; mean: number; error: number } {
  let total = 0
  let squares = 0
  let product = 0
  for (let i = at.from; i < at.from + at.count; i++) {
    const w = values[i] as number
    const q = nearest((w - at.start) * at.inverse)
    total += q
    squares += q * q
    product += (w - at.mean) * q
  }
  const mean = total / at.count
  const spread = squares - total * mean
  if (spread === 0) return { scale: 0, mean, error: Infinity }
  return { scale: product / spread, mean, error: -(product * product) / spread }
}

function nearest(position: number): number {
  const q = (position + 0.5) | 0
  return q < 0 ? 0 : q > 15 ? 15 : q
}

/** Packs a block; elements behind the last column are 8, which stands for nothing but the offset. */
function packBlock(
  values: Float32Array,
  { from, count, target, at }: { from: number; count: number; target: Uint8Array; at: number },
  { low, inverse }: Line,
): void {
  const quantize = (i: number) =>
    i < count ? nearest(((values[from + i] as number) - low) * inverse) : 8
  for (let i = 0; i < Q4_OFFSET_BLOCK; i += 2) {
    target[at + (i >> 1)] = quantize(i) | (quantize(i + 1) << 4)
  }
}

/** The weight [rows, columns] that the quantised one stands for. */
export function dequantizeQ4Offset(
  { data, scale, offset }: Q4OffsetWeight,
  { rows, columns }: WeightShape,
): Float32Array {
  const blocks = Math.ceil(columns / Q4_OFFSET_BLOCK)
  const weight = new Float32Array(rows * columns)
  for (let n = 0; n < rows; n++) {
    for (let k = 0; k < columns; k++) {
      const index = n * blocks + Math.floor(k / Q4_OFFSET_BLOCK)
      const within = k % Q4_OFFSET_BLOCK
      const byte = data[index * 16 + (within >> 1)] as number
      const q = within & 1 ? byte >> 4 : byte & 15
      weight[n * columns + k] = (q - 8) * (scale[index] as number) + (offset[index] as number)
    }
  }
  return weight
}
