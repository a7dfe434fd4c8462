/** Grouped attention as products. Source: arXiv:1706.03762 eq. 1; grouping, arXiv:2305.13245. */
import type { Dim, Shape } from '../core/shape.ts'
import { product } from './dimension.ts'
import type { Graph, Value } from './graph.ts'

/**
 * q [B, N, T, H], k and v [B, K, S, H] to the result [B, N, T, H] and the softmax [B, N, T, S].
 *
 * Keys are not repeated: the N/K query heads that read one key head are stacked into one matrix of (N/K)·T rows.
 */
export function groupedAttention(
  g: Graph,
  { q, k, v, mask }: { readonly [V in 'q' | 'k' | 'v']: Value } & { readonly mask: Value | null },
  scale: number,
): readonly [Value, Value] {
  const [batch, heads, length, width] = q.shape as readonly [Dim, number, Dim, number]
  const [kvHeads, keys] = k.shape.slice(1, 3) as [Dim, Dim] as readonly [number, Dim]
  const isGrouped = heads !== kvHeads
  const stacked = (last: Dim): Shape => [batch, kvHeads, product([heads / kvHeads, length]), last]
  const reshape = (x: Value, shape: Shape) => (isGrouped ? g.op('Reshape', [x], { shape }) : x)

  const rows = reshape(q, stacked(width))
  const products = g.op('FusedMatMul', [rows, k], { transB: 1, alpha: scale })
  const scores = reshape(products, [batch, heads, length, keys])
  const masked = mask ? g.op('Add', [scores, mask]) : scores
  const weights = g.op('Softmax', [masked], { axis: -1 })
  const output = g.op('MatMul', [reshape(weights, stacked(keys)), v])
  return [reshape(output, q.shape), weights]
}
