/**
 * 4-bit weights in blocks along the input features: MatMulNBits with `bits` 4 and packed zero points.
 *
 *   w ≈ (q − zeroPoint) · scale        q, zeroPoint in 0 … 15
 *
 * Each block tries some widths of its range, from a little more than its values span to clipping the outermost, and for
 * each three zero points; every try is judged by the error left when its scale is fitted by least squares. With p =
 * q − zeroPoint and the importance v of the columns:
 *
 *   scale = Σvwp / Σvp²        error = Σvw² − (Σvwp)² / Σvp²
 *
 * Against the plain symmetric rule (largest value ÷ −8) this takes an eighth to a fifth off the error of real weights, and
 * zero points cost nothing when the product runs: docs/decisions.md.
 */
import { KernelRow } from './quantize-q4-block.ts'
import { q4ZeroPointKernel } from './quantize-q4-kernel.ts'
import { allRows, checkRange, notFinite, type RowRange, type WeightShape } from './quantize-rows.ts'

export type Q4Block = 32 | 128

/**
 * data uint8 [rows, blocks, block / 2], the even element in the low half of a byte; scale float32 [rows, blocks];
 * zeroPoint uint8 [rows, ⌈blocks / 2⌉], packed alike. blocks = ⌈columns / block⌉, the last one padded with zeros.
 */
export type Q4Weight = {
  readonly data: Uint8Array
  readonly scale: Float32Array
  readonly zeroPoint: Uint8Array
}

export type Q4Options = WeightShape & { readonly block: Q4Block }

/** Quantises `weight` [rows, columns]. Throws CheckpointError for a weight that is not finite. */
export function quantizeQ4(weight: Float32Array, options: Q4Options): Q4Weight {
  const { rows, columns, block } = options
  const blocks = Math.ceil(columns / block)
  const result = {
    data: new Uint8Array((rows * blocks * block) / 2),
    scale: new Float32Array(rows * blocks),
    zeroPoint: new Uint8Array(rows * Math.ceil(blocks / 2)),
  }
  quantizeQ4Rows(weight, allRows(options), result, block)
  return result
}

/** Quantises the rows of `range` into their place in `result`, which holds the whole weight. */
export function quantizeQ4Rows(
  values: Float32Array,
  range: RowRange,
  result: Q4Weight,
  block: Q4Block,
): void {
  checkRange(values, range)
  const { columns, importance } = range.weight
  const blocks = Math.ceil(columns / block)
  const row = new KernelRow(q4ZeroPointKernel(), columns, block, importance)
  for (let n = range.from; n < range.to; n++) {
    const start = (n - range.from) * columns
    if (!row.quantize(values.subarray(start, start + columns))) throw notFinite(values, range)
    row.pad(row.origin.at(-1) as number)
    result.data.set(row.data, (n * blocks * block) / 2)
    result.scale.set(row.scale, n * blocks)
    packNibbles(row.origin, result.zeroPoint, n * Math.ceil(blocks / 2))
  }
}

function packNibbles(source: Float32Array, target: Uint8Array, offset: number): void {
  for (let i = 0; i < source.length; i += 2) {
    target[offset + i / 2] = (source[i] as number) | ((source[i + 1] ?? 0) << 4)
  }
}

/** The weight [rows, columns] that the quantised one stands for. */
export function dequantizeQ4(quantized: Q4Weight, options: Q4Options): Float32Array {
  const { rows, columns, block } = options
  const { data, scale, zeroPoint } = quantized
  const weight = new Float32Array(rows * columns)
  const blocks = Math.ceil(columns / block)
  for (let n = 0; n < rows; n++) {
    for (let k = 0; k < columns; k++) {
      const b = Math.floor(k / block)
      const q = nibble(data, n * blocks * block + k)
      const z = nibble(zeroPoint, n * Math.ceil(blocks / 2) * 2 + b)
      weight[n * columns + k] = (q - z) * (scale[n * blocks + b] as number)
    }
  }
  return weight
}

function nibble(bytes: Uint8Array, index: number): number {
  const byte = bytes[index >> 1] as number
  return index & 1 ? byte >> 4 : byte & 15
}
