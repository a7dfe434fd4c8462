/**
 * Shapes, their notation, and the one key of letters that the whole project uses.
 *
 *   B batch · T positions in this call · S cached + T · D hiddenSize · N query heads · K key/value heads ·
 *   H headDim · V vocabSize · I tiles · P patches per tile · R image tokens · F frames · C h w channels, height, width
 *   (Dv is the vision tower's D)
 *
 * A dimension is a number or a symbol that gets its value when a graph runs. Written `[B, T, D]` in text and
 * `float32[1,576,1024]` in printed graphs and errors.
 */
import type { DType } from './dtype.ts'

export type Dim = number | string
export type Shape = readonly Dim[]

/** `float32[2,T,3]`: how a type is written everywhere. */
export function formatType(dtype: DType, shape: Shape): string {
  return `${dtype}[${shape.join(',')}]`
}

/** Number of elements of a shape without symbols; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  let count = 1
  for (const dim of shape) count *= dim
  return count
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i])
}
