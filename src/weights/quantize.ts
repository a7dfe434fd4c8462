/**
 * The quantised forms of a linear weight, by name: which tensors each consists of and how its rows are made.
 *
 * A weight [rows, columns] (output and input features, as torch stores it) becomes tensors named after it:
 * `NAME.int8`, `NAME.q8`, `NAME.q4` or `NAME.q4b128`, with `NAME.scale` and `NAME.offset` or `NAME.zeroPoint`. Layouts are those that ONNX Runtime's operators take.
 */
import { bytesPerElement, viewBytes, type DType } from '../core/dtype.ts'
import { elementCount } from '../core/shape.ts'
import { quantizeInt8Rows, type Int8Limit } from './quantize-int8.ts'
import { Q4_OFFSET_BLOCK, quantizeQ4OffsetRows } from './quantize-q4-offset.ts'
import { quantizeQ4Rows } from './quantize-q4.ts'
import { Q8_BLOCK, quantizeQ8Rows } from './quantize-q8.ts'
import type { RowRange, WeightShape } from './quantize-rows.ts'

/**
 * int8: [columns, rows] with a scale per row. int7: the same with |q| ≤ 63, for CPUs that add products in 16 bits.
 * q8: blocks of 32 in 8 bits. q4: blocks of 32 in 4 bits with offsets; q4b128: blocks of 128 in 4 bits with zero points.
 */
export type QuantizedKind = 'int8' | 'int7' | 'q8' | 'q4' | 'q4b128'

export const QUANTIZED_KINDS = [
  'int8',
  'int7',
  'q8',
  'q4',
  'q4b128',
] as const satisfies QuantizedKind[]

/** The arrays of a quantised weight by part; each form has some of them. `NAME.part` is a tensor's name in a source. */
export type QuantizedArrays = {
  readonly int8?: Int8Array
  readonly q8?: Uint8Array
  readonly q4?: Uint8Array
  readonly q4b128?: Uint8Array
  readonly scale?: Float32Array
  readonly zeroPoint?: Uint8Array
  readonly offset?: Float32Array
}

export type PartName = keyof QuantizedArrays

export type QuantizedPart = {
  readonly part: PartName
  readonly dtype: DType
  readonly shape: readonly number[]
}

/** The tensors that a weight of this shape becomes. */
export function quantizedParts(kind: QuantizedKind, shape: WeightShape): readonly QuantizedPart[] {
  return FORMS[kind].parts(shape)
}

/** Zeroed arrays for a whole weight; `Buffer` may be SharedArrayBuffer, for several workers to fill them. */
export function allocateParts(
  kind: QuantizedKind,
  shape: WeightShape,
  Buffer: ArrayBufferConstructor | SharedArrayBufferConstructor = ArrayBuffer,
): QuantizedArrays {
  const arrays = quantizedParts(kind, shape).map(({ part, dtype, shape }) => {
    const count = elementCount(shape)
    return [part, viewBytes(dtype, new Buffer(count * bytesPerElement(dtype)), 0, count)]
  })
  return Object.fromEntries(arrays)
}

/** Quantises the rows of `range` into their place in `into`, which holds the whole weight. Throws CheckpointError for one that is not finite. */
export function quantizeRows(
  kind: QuantizedKind,
  values: Float32Array,
  range: RowRange,
  into: QuantizedArrays,
): void {
  FORMS[kind].quantizeRows(values, range, into)
}

type Form = {
  parts(shape: WeightShape): readonly QuantizedPart[]
  quantizeRows(values: Float32Array, range: RowRange, into: QuantizedArrays): void
}

const FORMS: { readonly [K in QuantizedKind]: Form } = {
  int8: int8Form(127),
  int7: int8Form(63),
  q8: q8Form(),
  q4: q4OffsetForm(),
  q4b128: q4b128Form(),
}

function int8Form(limit: Int8Limit): Form {
  return {
    parts: ({ rows, columns }) => [
      { part: 'scale', dtype: 'float32', shape: [rows] },
      { part: 'int8', dtype: 'int8', shape: [columns, rows] },
    ],
    quantizeRows: (values, range, into) =>
      quantizeInt8Rows(
        values,
        range,
        { data: need(into, 'int8'), scale: need(into, 'scale') },
        limit,
      ),
  }
}

function q8Form(): Form {
  return {
    parts({ rows, columns }) {
      const blocks = Math.ceil(columns / Q8_BLOCK)
      return [
        { part: 'scale', dtype: 'float32', shape: [rows, blocks] },
        { part: 'q8', dtype: 'uint8', shape: [rows, blocks, Q8_BLOCK] },
      ]
    },
    quantizeRows: (values, range, into) =>
      quantizeQ8Rows(values, range, { data: need(into, 'q8'), scale: need(into, 'scale') }),
  }
}

function q4OffsetForm(): Form {
  return {
    parts({ rows, columns }) {
      const blocks = Math.ceil(columns / Q4_OFFSET_BLOCK)
      return [
        { part: 'scale', dtype: 'float32', shape: [rows, blocks] },
        { part: 'offset', dtype: 'float32', shape: [rows, blocks] },
        { part: 'q4', dtype: 'uint8', shape: [rows, blocks, Q4_OFFSET_BLOCK / 2] },
      ]
    },
    quantizeRows(values, range, into) {
      const scale = need(into, 'scale')
      const offset = need(into, 'offset')
      quantizeQ4OffsetRows(values, range, { data: need(into, 'q4'), scale, offset })
    },
  }
}

function q4b128Form(): Form {
  const block = 128
  return {
    parts({ rows, columns }) {
      const blocks = Math.ceil(columns / block)
      return [
        { part: 'scale', dtype: 'float32', shape: [rows, blocks] },
        { part: 'zeroPoint', dtype: 'uint8', shape: [rows, Math.ceil(blocks / 2)] },
        { part: 'q4b128', dtype: 'uint8', shape: [rows, blocks, block / 2] },
      ]
    },
    quantizeRows(values, range, into) {
      const scale = need(into, 'scale')
      const zeroPoint = need(into, 'zeroPoint')
      quantizeQ4Rows(values, range, { data: need(into, 'q4b128'), scale, zeroPoint }, block)
    },
  }
}

function need<P extends PartName>(
  arrays: QuantizedArrays,
  part: P,
): NonNullable<QuantizedArrays[P]> {
  const array = arrays[part]
  if (array === undefined)
    throw new Error(`internal: the arrays of a quantised weight lack ${part}.`)
  return array
}
