/** Attention of the vision tower (every patch sees every patch) and of the decoder (causal, cached). */
import type { Dim } from '../core/shape.ts'
import type { Graph, Value } from '../graph/graph.ts'
import { linear } from './linear.ts'

/**
 *   W_o softmax(q kᵀ / √H) v,   q, k, v = W_q x + b_q, W_k x + b_k, W_v x + b_v
 *
 * x [I, P, D]; all four projections are [D, D] with bias. Source: arXiv:2010.11929.
 */
export function patchAttention(g: Graph, path: string, x: Value, numHeads: number): Value {
  const width = x.shape.at(-1) as number
  const project = (part: string, input: Value) =>
    linear(g, `${path}.${part}`, input, { outputs: width, bias: true })
  const attended = g.op('MultiHeadAttention', [project('q', x), project('k', x), project('v', x)], {
    num_heads: numHeads,
  })
  return project('o', attended)
}

export type CausalAttentionConfig = {
  readonly numHeads: number
  readonly numKvHeads: number
  readonly headDim: number
  /** Whether q, k and v have biases; the output projection never has one. */
  readonly bias: boolean
  /** Keys further back than this are not seen; null sees all. */
  readonly slidingWindow: number | null
}

/** What one layer of the decoder needs of its cache, as values of the graph. */
export type LayerCache = {
  /** float32[B,K,C,cacheHeadDim(H)], C the capacity; rows [0, length) of each sequence are filled. */
  readonly key: Value
  readonly value: Value
  /** int32[B]: filled length of each sequence after this call, minus one. */
  readonly lastPosition: Value
  /** int32[]: the largest filled length after this call. */
  readonly totalLength: Value
  /** float32[positions,cacheHeadDim(H)/2], the angles of the added elements 0 */
  readonly cos: Value
  readonly sin: Value
}

/**
 *   W_o softmax(rope(q) rope(k)ᵀ / √H + causal) v over the cache and this call's positions
 *
 * x [B, T, D]. Query head n reads key head ⌊nK/N⌋. Gives the result [B, T, D] and the cache with T rows added.
 * Source: arXiv:1706.03762 eq. 1; grouping, arXiv:2305.13245; rotation of halves, arXiv:2104.09864.
 */
export function causalAttention(
  g: Graph,
  path: string,
  x: Value,
  { config, cache }: { readonly config: CausalAttentionConfig; readonly cache: LayerCache },
): { readonly output: Value; readonly key: Value; readonly value: Value } {
  const { numHeads, numKvHeads, headDim, bias } = config
  const project = (part: string, heads: number) => {
    const rows = linear(g, `${path}.${part}`, x, { outputs: heads * headDim, bias })
    return resizeHeads(g, rows, { heads, from: headDim, to: cacheHeadDim(headDim) })
  }
  const [q, k, v] = [project('q', numHeads), project('k', numKvHeads), project('v', numKvHeads)]
  const node = g.node(
    'GroupQueryAttention',
    [q, k, v, cache.key, cache.value, cache.lastPosition, cache.totalLength, cache.cos, cache.sin],
    {
      num_heads: numHeads,
      kv_num_heads: numKvHeads,
      do_rotary: 1,
      scale: 1 / Math.sqrt(headDim),
      local_window_size: config.slidingWindow ?? -1,
    },
  )
  const [attended, key, value] = node.outputs as [Value, Value, Value]
  const heads = resizeHeads(g, attended, {
    heads: numHeads,
    from: cacheHeadDim(headDim),
    to: headDim,
  })
  const output = linear(g, `${path}.o`, heads, { outputs: x.shape.at(-1) as number, bias: false })
  return { output, key, value }
}

/**
 * Width of a head in the cache: ONNX Runtime's operator wants multiples of 16, so narrower heads carry zeros. Each half
 * is filled up by itself, because rotation pairs element i of one half with element i of the other.
 */
export function cacheHeadDim(headDim: number): number {
  return Math.ceil(headDim / 16) * 16
}

/** [B, T, heads·from] to [B, T, heads·to], zeros added to or cut off the end of each half of each head. */
function resizeHeads(
  g: Graph,
  x: Value,
  { heads, from, to }: { readonly heads: number; readonly from: number; readonly to: number },
): Value {
  if (from === to) return x
  const [batch, length] = x.shape as readonly [Dim, Dim]
  const halves = g.op('Reshape', [x], { shape: [batch, length, 2 * heads, from / 2] }) // [B, T, 2N, H/2]
  const resized =
    to > from
      ? g.op('Pad', [halves], { pads: [0, 0, 0, 0, 0, 0, 0, (to - from) / 2] })
      : g.op('Slice', [halves], { starts: [0], ends: [to / 2], axes: [3] })
  return g.op('Reshape', [resized], { shape: [batch, length, heads * to] }) // [B, T, N·H]
}
