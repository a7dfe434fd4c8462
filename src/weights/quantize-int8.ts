/**
 * int8 weights with one scale per output feature ("rown" W8A8).
 *
 *   scale_n = max_k |w_nk| / 127        q_kn = round(w_nk / scale_n), half to even, in float32
 *
 * Stored transposed, [columns, rows], as MatMulInteger and DynamicQuantizeMatMul take their second operand.
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

/** data int8 [columns, rows], scale float32 [rows]. */
export type Int8Weight = { readonly data: Int8Array; readonly scale: Float32Array }

/** 63 keeps sums of two products inside 16 bits, where CPUs without VNNI saturate silently. */
export type Int8Limit = 127 | 63

/** Quantises `weight` [rows, columns]. Throws CheckpointError for a weight that is not finite. */
export function quantizeInt8(
  weight: Float32Array,
  shape: WeightShape,
  limit: Int8Limit = 127,
): Int8Weight {
  const result = {
    data: new Int8Array(shape.rows * shape.columns),
    scale: new Float32Array(shape.rows),
  }
  quantizeInt8Rows(weight, allRows(shape), result, limit)
  return result
}

// Rows quantised together before they are turned: enough bytes side by side to fill the cache lines they are written to.
const TILE_ROWS = 64

/** Quantises the rows of `range` into their place in `result`, which holds the whole weight. */
export function quantizeInt8Rows(
  values: Float32Array,
  range: RowRange,
  result: Int8Weight,
  limit: Int8Limit = 127,
): void {
  checkRange(values, range)
  const { rows, columns } = range.weight
  const bits = float32Bits(values)
  // Odd multiples of a cache line: rows a power of two apart would fight for the same cache sets.
  const stride = (Math.ceil(columns / 64) | 1) * 64
  const tile = new Int8Array(TILE_ROWS * stride)
  for (let row = range.from; row < range.to; row += TILE_ROWS) {
    const count = Math.min(TILE_ROWS, range.to - row)
    for (let r = 0; r < count; r++) {
      const start = (row + r - range.from) * columns
      const max = largestMagnitude(bits, start, columns)
      if (!(max < Infinity)) throw notFinite(values, range)
      const scale = Math.fround(max / limit)
      result.scale[row + r] = scale < SMALLEST_NORMAL ? 0 : scale
      if (scale >= SMALLEST_NORMAL) quantizeRow(values, start, columns, scale, tile, r * stride)
      else tile.fill(0, r * stride, r * stride + columns)
    }
    transposeTile(tile, stride, count, columns, result.data, rows, row)
  }
}

const oneFloat = new Float32Array(1)
const oneInt = new Int32Array(oneFloat.buffer)

/** max |w| of `count` values from their bits; NaN or infinite if one of them is. */
function largestMagnitude(bits: Int32Array, start: number, count: number): number {
  let max = 0
  for (let i = start; i < start + count; i++) {
    const magnitude = (bits[i] as number) & ABSOLUTE_BITS
    if (magnitude > max) max = magnitude
  }
  if (max >= INFINITY_BITS) return Infinity
  oneInt[0] = max
  return oneFloat[0] as number
}

function quantizeRow(
  values: Float32Array,
  start: number,
  count: number,
  scale: number,
  target: Int8Array,
  offset: number,
): void {
  for (let i = 0; i < count; i++) {
    const quotient = Math.fround((values[start + i] as number) / scale)
    target[offset + i] = quotient + ROUND_HALF_EVEN - ROUND_HALF_EVEN
  }
}

/** tile [count, columns] (rows `stride` apart) becomes the columns [row, row + count) of target [columns, rows]. */
function transposeTile(
  tile: Int8Array,
  stride: number,
  count: number,
  columns: number,
  target: Int8Array,
  rows: number,
  row: number,
): void {
  for (let k = 0; k < columns; k++) {
    const to = k * rows + row
    for (let r = 0, from = k; r < count; r++, from += stride) target[to + r] = tile[from] as number
  }
}

/** The weight [rows, columns] that the quantised one stands for. */
export function dequantizeInt8({ data, scale }: Int8Weight, shape: WeightShape): Float32Array {
  const { rows, columns } = shape
  const weight = new Float32Array(rows * columns)
  for (let n = 0; n < rows; n++) {
    const s = scale[n] as number
    for (let k = 0; k < columns; k++) weight[n * columns + k] = (data[k * rows + n] as number) * s
  }
  return weight
}
