/**
 * Keys and values in 8 bits: each channel of each head is divided by a scale of its own and rounded.
 *
 *   row = round(x / s),   x ≈ s · row,   s = headroom · max |x| / 127
 *
 * The scales belong to a sequence, since its prompt decides them. The two elements that rotation mixes share one: their
 * largest value hardly depends on the position then, and scaling and rotating can change places. Channel-wise keys:
 * arXiv:2402.02750.
 */
import type { Dim } from '../core/shape.ts'
import { hostTensor } from '../core/tensor.ts'
import type { Graph, Value } from '../graph/graph.ts'

/** The largest row value that is not cut off. */
export const INT8_LEVELS = 127
/** How much larger than all before it a value may be before its scale must grow. Chosen by measurement: docs/decisions.md. */
export const HEADROOM = 1.25
/** The scale of channels that hold nothing but zeros. */
const SMALLEST_SCALE = 1e-8

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

/**
 * Rows [1, T, K·H] as a cache keeps them, int8[1,K,T,H], and the scales [1,1,K·H] they have: `scale`, the scales until
 * now, where that is large enough.
 */
export function packRows(
  g: Graph,
  rows: Value,
  {
    scale,
    isRotated,
    heads,
    width,
  }: Heads & { readonly scale: Value; readonly isRotated: boolean },
): { readonly data: Value; readonly scale: Value } {
  const largest = g.op('ReduceMax', [g.op('Abs', [rows])], { axes: [1], keepdims: 1 }) // [1, 1, K·H]
  const shared = isRotated ? largestOfPairs(g, largest, { heads, width }) : largest
  const needed = g.op('Mul', [shared, g.scalar(1 / INT8_LEVELS)])
  const roomy = g.op('Mul', [needed, g.scalar(HEADROOM)])
  const next = g.op('Where', [g.op('LessOrEqual', [needed, scale]), scale, roomy])
  const nonzero = g.op('Max', [next, g.scalar(SMALLEST_SCALE)])
  const zero = g.constant(hostTensor('int8', [], Int8Array.of(0)))
  const rounded = g.op('QuantizeLinear', [g.op('Div', [rows, nonzero]), g.scalar(1), zero])
  const length = rows.shape[1] as Dim
  const split = g.op('Reshape', [rounded], { shape: [1, length, heads, width] })
  return { data: g.op('Transpose', [split], { perm: [0, 2, 1, 3] }), scale: nonzero } // [1, K, T, H]
}

/** [1, 1, K·H]: elements i and i + H/2 of each head become the larger of the two. */
function largestOfPairs(g: Graph, largest: Value, { heads, width }: Heads): Value {
  const halves = g.op('Reshape', [largest], { shape: [heads, 2, width / 2] })
  const pairs = g.op('ReduceMax', [halves], { axes: [1], keepdims: 1 }) // [K, 1, H/2]
  const both = g.op('Expand', [pairs], { shape: [heads, 2, width / 2] })
  return g.op('Reshape', [both], { shape: [1, 1, heads * width] })
}
