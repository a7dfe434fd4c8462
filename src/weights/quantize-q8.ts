/**
 * 8-bit weights in blocks of 32 along the input features: MatMulNBits with `bits` 8, symmetric.
 *
 *   scale = (the value of largest magnitude) / −128        w ≈ (q − 128) · scale
 *
 * Dividing by −128 puts the largest value of either sign on a step, so the range is used to its end.
 */
import {
  ABSOLUTE_BITS,
  allRows,
  checkRange,
  float32Bits,
  INFINITY_BITS,
  notFinite,
  ROUND_HALF_EVEN,
  SMALLEST_NORMAL,
  type RowRange,
  type WeightShape,
} from './quantize-rows.ts'

export const Q8_BLOCK = 32

/** data uint8 [rows, blocks, 32], scale float32 [rows, blocks]; blocks = ⌈columns / 32⌉, the last one padded with zeros. */
export type Q8Weight = { readonly data: Uint8Array; readonly scale: Float32Array }

/** Quantises `weight` [rows, columns]. Throws CheckpointError for a weight that is not finite. */
export function quantizeQ8(weight: Float32Array, shape: WeightShape): Q8Weight {
  const blocks = shape.rows * Math.ceil(shape.columns / Q8_BLOCK)
  const result = { data: new Uint8Array(blocks * Q8_BLOCK), scale: new Float32Array(blocks) }
  quantizeQ8Rows(weight, allRows(shape), result)
  return result
}

/** Quantises the rows of `range` into their place in `result`, which holds the whole weight. */
export function quantizeQ8Rows(values: Float32Array, range: RowRange, result: Q8Weight): void {
  checkRange(values, range)
  const { columns } = range.weight
  const bits = float32Bits(values)
  let block = range.from * Math.ceil(columns / Q8_BLOCK)
  for (let start = 0; start < values.length; start += columns) {
    for (let k = 0; k < columns; k += Q8_BLOCK, block++) {
      const count = Math.min(Q8_BLOCK, columns - k)
      const peak = indexOfLargest(bits, start + k, count)
      if (((bits[peak] as number) & ABSOLUTE_BITS) >= INFINITY_BITS) throw notFinite(values, range)
      const scale = Math.fround((values[peak] as number) / -128)
      const isZero = Math.abs(scale) < SMALLEST_NORMAL
      result.scale[block] = isZero ? 0 : scale
      quantizeBlock(values, start + k, count, isZero ? 0 : 1 / scale, result.data, block * Q8_BLOCK)
    }
  }
}

function indexOfLargest(bits: Int32Array, start: number, count: number): number {
  let max = -1
  let index = start
  for (let i = start; i < start + count; i++) {
    const magnitude = (bits[i] as number) & ABSOLUTE_BITS
    if (magnitude > max) {
      max = magnitude
      index = i
    }
  }
  return index
}

function quantizeBlock(
  values: Float32Array,
  start: number,
  count: number,
  inverse: number,
  target: Uint8Array,
  offset: number,
): void {
  for (let i = 0; i < count; i++) {
    const q = (values[start + i] as number) * inverse + 128 + ROUND_HALF_EVEN - ROUND_HALF_EVEN
    target[offset + i] = q < 255 ? q : 255
  }
  target.fill(128, offset + count, offset + Q8_BLOCK)
}

/** The weight [rows, columns] that the quantised one stands for. */
export function dequantizeQ8(
  { data, scale }: Q8Weight,
  { rows, columns }: WeightShape,
): Float32Array {
  const weight = new Float32Array(rows * columns)
  const blocks = Math.ceil(columns / Q8_BLOCK)
  for (let n = 0; n < rows; n++) {
    for (let k = 0; k < columns; k++) {
      const q = data[n * blocks * Q8_BLOCK + k] as number
      weight[n * columns + k] = (q - 128) * (scale[n * blocks + Math.floor(k / Q8_BLOCK)] as number)
    }
  }
  return weight
}
