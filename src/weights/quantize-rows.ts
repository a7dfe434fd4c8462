/**
 * What the quantisers share: which rows they are given, and the check that every weight is a number.
 *
 * Rows are output features, columns input features, as torch stores a linear layer. Rows are quantised independently,
 * so that a weight can be worked through in pieces, by several workers, into one result.
 */
import { CheckpointError } from '../core/errors.ts'

/** The shape of a whole weight, and its name for messages. */
export type WeightShape = {
  readonly rows: number
  readonly columns: number
  readonly name?: string | undefined
  /** The file, and the name that the weight has there; for messages too. */
  readonly place?: string | undefined
  /**
   * [columns]: what an error in each column costs, in any unit; the mean square of the input features is best. The 4-bit
   * forms choose their scales by it.
   */
  readonly importance?: Float32Array | undefined
}

/** Part of a weight: the rows [from, to) of `weight`. */
export type RowRange = { readonly weight: WeightShape; readonly from: number; readonly to: number }

export function allRows(weight: WeightShape): RowRange {
  return { weight, from: 0, to: weight.rows }
}

/** The same memory as integers: the order of absolute values is the order of their bits, and NaN is above infinity. */
export function float32Bits(values: Float32Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length)
}

export const ABSOLUTE_BITS = 0x7fffffff
export const INFINITY_BITS = 0x7f800000

/** Scales below this are taken as zero: the engine flushes such numbers anyway, and dividing by them overflows. */
export const SMALLEST_NORMAL = 2 ** -126

/** Adding and taking away 1.5 · 2^52 rounds a float64 to a whole number, half to even. */
export const ROUND_HALF_EVEN = 6755399441055744

/** The error for the first weight in `values` (the rows of `range`) that is not finite. */
export function notFinite(values: Float32Array, range: RowRange): CheckpointError {
  const index = values.findIndex((value) => !Number.isFinite(value))
  const { columns, name = 'a weight', place } = range.weight
  const row = range.from + Math.floor(index / columns)
  return new CheckpointError(
    'CHECKPOINT_NOT_FINITE',
    `weights: ${name}${place === undefined ? '' : ` (${place})`} has ${values[index]} at [${row}, ${index % columns}], expected finite numbers; ` +
      'the checkpoint is damaged or its training diverged, use another checkpoint.',
  )
}

/** Throws unless `values` holds exactly the rows of `range`. */
export function checkRange(values: Float32Array, { weight, from, to }: RowRange): void {
  if (values.length === (to - from) * weight.columns && from >= 0 && to <= weight.rows) return
  throw new Error(
    `internal: rows ${from} to ${to} of [${weight.rows},${weight.columns}] given as ${values.length} values.`,
  )
}
