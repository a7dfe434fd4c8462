/**
 * Attention of new positions to those before them and to one another, one block of queries after the other.
 *
 * ONNX Runtime's operator multiplies each query with every key it is given and hides those to come afterwards. A block is
 * given none after its own. Each of n blocks computes `overlap` positions more than it keeps, so that n stride + overlap
 * is any number of positions:
 *
 *   block i computes [i stride, (i+1) stride + overlap) and keeps all but its first `overlap`; the first keeps all
 */
import type { Dim } from '../core/shape.ts'
import { hostTensor } from '../core/tensor.ts'
import { sum } from '../graph/dimension.ts'
import type { Graph, Value } from '../graph/graph.ts'

/** More blocks save less each: of the products, 1/4, 3/8, 7/16 with 2, 4 and 8. */
export const QUERY_BLOCKS = 4

export type QueryBlocks = {
  readonly stride: Dim
  readonly overlap: Dim
  /** int32[QUERY_BLOCKS]: positions that are filled when a block is over. */
  readonly ends: Value
}

/** Only where query heads share keys: the operator copies all keys for each block, and without sharing that takes what is saved. */
export function cutsQueries(heads: {
  readonly numHeads: number
  readonly numKvHeads: number
}): boolean {
  return heads.numKvHeads < heads.numHeads
}

/** How a run over so many positions is cut. A block has two or more, since the operator adds up one by itself in another order. */
export function cutQueries(length: number): { readonly stride: number; readonly overlap: number } {
  const stride = Math.max(0, Math.floor((length - 2) / QUERY_BLOCKS))
  return { stride, overlap: length - QUERY_BLOCKS * stride }
}

type BlockParts = {
  /** q [1, T, N·H]; k and v [1, T, K·H] */
  readonly q: Value
  readonly k: Value
  readonly v: Value
  /** Keys and values before them, [1, K, P, H] */
  readonly past: { readonly key: Value; readonly value: Value }
  readonly blocks: QueryBlocks
}

/** [1, T, N·H], as the operator gives it for all positions at once: bit for bit. */
export function blockAttention(
  g: Graph,
  { q, k, v, past, blocks }: BlockParts,
  attributes: { readonly num_heads: number; readonly kv_num_heads: number; readonly scale: number },
): Value {
  const { stride, overlap } = blocks
  const length = past.key.shape[2] as Dim
  const [keys, values] = [followed(g, past.key, k), followed(g, past.value, v)]
  const kept: Value[] = []
  for (let i = 0; i < QUERY_BLOCKS; i++) {
    const start = sum(Array.from({ length: i }, () => stride))
    const cut = { starts: [start], ends: [sum([start, stride, overlap])], axes: [1] }
    const [queries, newKeys, newValues] = [q, k, v].map((x) => g.op('Slice', [x], cut))
    const before = { starts: [0], ends: [sum([length, start])], axes: [2] }
    const [oldKeys, oldValues] = [keys, values].map((x) => g.op('Slice', [x], before))
    const node = g.node(
      'GroupQueryAttention',
      [queries, newKeys, newValues, oldKeys, oldValues, ...blockEnd(g, blocks, i)] as Value[],
      attributes,
    )
    const output = node.outputs[0] as Value
    const own = { starts: [overlap], ends: [sum([stride, overlap])], axes: [1] }
    kept.push(i === 0 ? output : g.op('Slice', [output], own))
  }
  return g.op('Reshape', [g.op('Concat', kept, { axis: 1 })], { shape: q.shape })
}

/** Past rows [1, K, P, H] and the new ones, [1, T, K·H], behind them. */
function followed(g: Graph, past: Value, rows: Value): Value {
  const [, heads, , width] = past.shape as readonly [Dim, Dim, Dim, Dim]
  const split = g.op('Reshape', [rows], { shape: [1, rows.shape[1] as Dim, heads, width] })
  return g.op('Concat', [past, g.op('Transpose', [split], { perm: [0, 2, 1, 3] })], { axis: 2 })
}

/** int32[1], the block's last position, and int32[], the positions that are filled then. */
function blockEnd(g: Graph, { ends }: QueryBlocks, block: number): readonly [Value, Value] {
  const index = g.constant(hostTensor('int64', [], BigInt64Array.of(BigInt(block))), 'block')
  const total = g.op('Gather', [ends, index], { axis: 0 })
  const one = g.constant(hostTensor('int32', [], Int32Array.of(1)), 'one')
  return [g.op('Reshape', [g.op('Sub', [total, one])], { shape: [1] }), total]
}
