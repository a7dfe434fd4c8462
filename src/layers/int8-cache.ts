/**
 * Keys and values in 8 bits: each channel of each head is divided by a scale of its own and rounded.
 *
 *   row = round(x / s),   x ≈ s · row,   s = headroom · max |x| / 127
 *
 * The scales are the model's, from a prompt that it reads once (`serve/calibrate-cache.ts`): a position's rows are the same
 * in every sequence that begins alike. The two elements that rotation mixes share one: their largest value hardly depends
 * on the position then, and scaling and rotating can change places. Channel-wise keys: arXiv:2402.02750.
 */
import type { Dim } from '../core/shape.ts'
import { hostTensor } from '../core/tensor.ts'
import type { Graph, Value } from '../graph/graph.ts'

/** The largest row value that is not cut off. */
export const INT8_LEVELS = 127

/** Scales of an int8 cache as decoding needs them, one set a sequence. H is the cache's width of a head. */
export type CacheScales = {
  /** float32[B,1,K·H], s of the keys and of the values */
  readonly key: Value
  readonly value: Value
  /** float32[B,1,N·H], s of the keys and of the values that each query head reads */
  readonly query: Value
  readonly output: Value
}

type Heads = { readonly heads: number; readonly width: number }

/** Positions [0, length) of a cache int8[1,K,C,H], with scales [1,1,K·H], as float32[1,K,length,H]. */
export function unpackRows(
  g: Graph,
  cache: Value,
  { scale, length, heads, width }: Heads & { readonly scale: Value; readonly length: Dim },
): Value {
  const filled = g.op('Slice', [cache], { starts: [0], ends: [length], axes: [2] })
  const channels = g.op('Reshape', [scale], { shape: [1, heads, 1, width] })
  return g.op('Mul', [g.op('Cast', [filled], { to: 'float32' }), channels])
}

export type PackedRows = {
  /** int8[1,K,T,H], as a cache keeps them. */
  readonly data: Value
  /** float32[1,T,K·H], what they mean: attention reads these, so that it sees the same wherever a prompt is cut into runs. */
  readonly rounded: Value
  /** float32[1,1,K·H], max |x| over the rows, and over the pairs of keys. */
  readonly largest: Value
}

/** Rows [1,T,K·H] in 8 bits with `scale` [1,1,K·H]; where that is 0, with the smallest that cuts nothing off. */
export function packRows(
  g: Graph,
  rows: Value,
  {
    scale,
    isRotated,
    heads,
    width,
  }: Heads & { readonly scale: Value; readonly isRotated: boolean },
): PackedRows {
  const ofChannels = g.op('ReduceMax', [g.op('Abs', [rows])], { axes: [1], keepdims: 1 }) // [1, 1, K·H]
  const largest = isRotated ? largestOfPairs(g, ofChannels, { heads, width }) : ofChannels
  const isUnset = g.op('Equal', [scale, g.scalar(0)])
  const own = g.op('Mul', [largest, g.scalar(1 / INT8_LEVELS)])
  const chosen = g.op('Max', [g.op('Where', [isUnset, own, scale]), g.scalar(SMALLEST_SCALE)])
  const zero = g.constant(hostTensor('int8', [], Int8Array.of(0)))
  const levels = g.op('QuantizeLinear', [g.op('Div', [rows, chosen]), g.scalar(1), zero])
  const rounded = g.op('Mul', [g.op('Cast', [levels], { to: 'float32' }), chosen])
  const length = rows.shape[1] as Dim
  const split = g.op('Reshape', [levels], { shape: [1, length, heads, width] })
  return { data: g.op('Transpose', [split], { perm: [0, 2, 1, 3] }), rounded, largest } // [1, K, T, H]
}

/** The scale of channels that hold nothing but zeros. */
export const SMALLEST_SCALE = 1e-8

/** [1, 1, K·H]: elements i and i + H/2 of each head become the larger of the two. */
function largestOfPairs(g: Graph, largest: Value, { heads, width }: Heads): Value {
  const halves = g.op('Reshape', [largest], { shape: [heads, 2, width / 2] })
  const pairs = g.op('ReduceMax', [halves], { axes: [1], keepdims: 1 }) // [K, 1, H/2]
  const both = g.op('Expand', [pairs], { shape: [heads, 2, width / 2] })
  return g.op('Reshape', [both], { shape: [1, 1, heads * width] })
}
