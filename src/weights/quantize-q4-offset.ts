/**
 * 4-bit weights in blocks of 32 with a scale and an offset each: any block of sixteen evenly spaced values is kept.
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
import { KernelRow } from './quantize-q4-block.ts'
import { q4OffsetKernel } from './quantize-q4-offset-kernel.ts'
import { allRows, checkRange, notFinite, type RowRange, type WeightShape } from './quantize-rows.ts'

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
  const { columns, importance } = range.weight
  const blocks = Math.ceil(columns / Q4_OFFSET_BLOCK)
  const row = new KernelRow(q4OffsetKernel(), columns, Q4_OFFSET_BLOCK, importance)
  for (let n = range.from; n < range.to; n++) {
    const start = (n - range.from) * columns
    if (!row.quantize(values.subarray(start, start + columns))) throw notFinite(values, range)
    // 8 stands for nothing but the offset.
    row.pad(8)
    result.data.set(row.data, (n * blocks * Q4_OFFSET_BLOCK) / 2)
    result.scale.set(row.scale, n * blocks)
    result.offset.set(row.origin, n * blocks)
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
