/**
 * The two orders of rows in query and key projections.
 *
 * llama.cpp puts the two rows that rotate together side by side; checkpoints of transformers keep all first halves, then
 * all second halves, and so does our rotary embedding. Source: llama.cpp, convert_hf_to_gguf.py (`permute`).
 */
import type { TypedArray } from '../core/dtype.ts'
import { ShapeError } from '../core/errors.ts'
import { formatType } from '../core/shape.ts'
import type { HostTensor } from '../core/tensor.ts'

/**
 * From llama.cpp's order to halves: row 2i + j of a head becomes row j·H/2 + i.
 * Takes [heads·H, D], or a bias [heads·H]. Throws ShapeError unless the rows divide into heads of an even size.
 */
export function unpermuteRotary(rows: HostTensor, heads: number): HostTensor {
  return reorder(rows, heads, (row, half) => (row % half) * 2 + Math.floor(row / half))
}

/** From halves to llama.cpp's order, the inverse. */
export function permuteRotary(rows: HostTensor, heads: number): HostTensor {
  return reorder(rows, heads, (row, half) => (row % 2) * half + Math.floor(row / 2))
}

/** Row `row` of each head is taken from row `from(row, H/2)` of the same head. */
function reorder(
  rows: HostTensor,
  heads: number,
  from: (row: number, half: number) => number,
): HostTensor {
  const { dtype, shape, data } = rows
  const numRows = shape[0] ?? 0
  const headDim = numRows / heads
  if (headDim % 2 !== 0) {
    throw new ShapeError(
      'SHAPE_ROTARY',
      `weights: expected rows that divide into ${heads} heads of even size, ${formatType(dtype, shape)} came; check the number of heads.`,
    )
  }
  const width = numRows === 0 ? 0 : data.length / numRows
  const target = data.slice() as TypedArray
  for (let row = 0; row < numRows; row++) {
    const source = row - (row % headDim) + from(row % headDim, headDim / 2)
    copyRow(data, target, { from: source * width, to: row * width, width })
  }
  return { dtype, shape, data: target }
}

function copyRow(
  source: TypedArray,
  target: TypedArray,
  { from, to, width }: { from: number; to: number; width: number },
): void {
  const row = source.subarray(from, from + width)
  if (target instanceof BigInt64Array) target.set(row as BigInt64Array, to)
  else target.set(row as Float32Array, to)
}
