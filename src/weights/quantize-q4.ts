/**
 * 4-bit weights in blocks along the input features: MatMulNBits with `bits` 4 and packed zero points.
 *
 *   w ≈ (q − zeroPoint) · scale        q, zeroPoint in 0 … 15
 *
 * Each block tries a few ranges, from a little wider than its values to clipping the outermost; each is judged by the
 * squared error left when the scale is then fitted to the chosen q (least squares), which has a closed form:
 *
 *   p = q − zeroPoint        scale = Σwp / Σp²        error = Σw² − (Σwp)² / Σp²
 *
 * Against a symmetric scale (largest value ÷ −8) this takes a fifth off the error of real and of normal weights and
 * costs nothing when the product runs: docs/decisions.md.
 */
import {
  allRows,
  checkRange,
  notFinite,
  SMALLEST_NORMAL,
  type RowRange,
  type WeightShape,
} from './quantize-rows.ts'

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
  const { columns } = range.weight
  const blocks = Math.ceil(columns / block)
  const zeroPointBytes = Math.ceil(blocks / 2)
  const fit: BlockFit = { scale: 0, zeroPoint: 8, inverse: 0 }
  for (let row = range.from; row < range.to; row++) {
    const start = (row - range.from) * columns
    for (let b = 0; b < blocks; b++) {
      const from = start + b * block
      const count = Math.min(block, columns - b * block)
      if (!fitBlock(values, from, count, fit)) throw notFinite(values, range)
      const index = row * blocks + b
      result.scale[index] = fit.scale
      const half = row * zeroPointBytes + (b >> 1)
      if (b & 1) result.zeroPoint[half] = (result.zeroPoint[half] as number) | (fit.zeroPoint << 4)
      else result.zeroPoint[half] = fit.zeroPoint
      packBlock(values, from, count, fit, result.data, (index * block) / 2, block)
    }
  }
}

/** q = ⌊w · inverse + zeroPoint + ½⌋, kept within 0 … 15. */
type BlockFit = { scale: number; zeroPoint: number; inverse: number }

// Widths of the range that the 16 steps span, as a share of the block's own.
const RANGES = [1.06, 1, 0.94, 0.88, 0.82]

/** Chooses `fit` for a block; false if a value is not finite. */
function fitBlock(values: Float32Array, from: number, count: number, fit: BlockFit): boolean {
  let low = 0
  let high = 0
  let sum = 0
  let squares = 0
  for (let i = from; i < from + count; i++) {
    const w = values[i] as number
    if (w < low) low = w
    if (w > high) high = w
    sum += w
    squares += w * w
  }
  if (!(squares < Infinity)) return false
  fit.scale = 0
  fit.zeroPoint = 8
  fit.inverse = 0
  const step = (high - low) / 15
  if (step < SMALLEST_NORMAL) return true
  let least = Infinity
  for (const share of RANGES) {
    const inverse = 1 / (step * share)
    const zeroPoint = Math.min(15, Math.max(0, Math.round(7.5 - ((high + low) / 2) * inverse)))
    const shift = zeroPoint + 0.5
    let total = 0
    let totalSquares = 0
    let product = 0
    for (let i = from; i < from + count; i++) {
      const w = values[i] as number
      let q = (w * inverse + shift) | 0
      if (q < 0) q = 0
      if (q > 15) q = 15
      total += q
      totalSquares += q * q
      product += w * q
    }
    const wp = product - zeroPoint * sum
    const pp = totalSquares - 2 * zeroPoint * total + count * zeroPoint * zeroPoint
    const error = squares - (wp * wp) / pp
    if (error < least) {
      least = error
      fit.scale = wp / pp
      fit.zeroPoint = zeroPoint
      fit.inverse = inverse
    }
  }
  return true
}

function packBlock(
  values: Float32Array,
  from: number,
  count: number,
  fit: BlockFit,
  target: Uint8Array,
  offset: number,
  block: number,
): void {
  const { inverse, zeroPoint } = fit
  const shift = zeroPoint + 0.5
  const whole = count & ~1
  for (let i = 0; i < whole; i += 2) {
    let low = ((values[from + i] as number) * inverse + shift) | 0
    let high = ((values[from + i + 1] as number) * inverse + shift) | 0
    if (low < 0) low = 0
    if (low > 15) low = 15
    if (high < 0) high = 0
    if (high > 15) high = 15
    target[offset + (i >> 1)] = low | (high << 4)
  }
  if (count === block) return
  target.fill(zeroPoint * 0x11, offset + (whole >> 1), offset + block / 2)
  if (whole < count) {
    const last = Math.max(0, Math.min(15, ((values[from + whole] as number) * inverse + shift) | 0))
    target[offset + (whole >> 1)] = last | (zeroPoint << 4)
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
