/** Attention of the vision tower (every patch sees every patch) and of the decoder (causal, cached). */
import type { Dim } from '../core/shape.ts'
import { hostTensor } from '../core/tensor.ts'
import type { Graph, Value } from '../graph/graph.ts'
import { groupedAttention, mergeHeads, segmentAttention, splitHeads } from './grouped-attention.ts'
import { packRows, unpackRows, type CacheScales } from './int8-cache.ts'
import { linear } from './linear.ts'

/**
 *   W_o softmax(q kᵀ / √H) v,   q, k, v = W_q x + b_q, W_k x + b_k, W_v x + b_v
 *
 * x [I, P, D]; all four projections are [D, D]; that of the output always has its bias. Source: arXiv:2010.11929.
 */
export function patchAttention(
  g: Graph,
  path: string,
  x: Value,
  { numHeads, bias }: { readonly numHeads: number; readonly bias: boolean },
): Value {
  const outputs = x.shape.at(-1) as number
  const project = (part: string) => linear(g, `${path}.${part}`, x, { outputs, bias })
  const rows = [project('q'), project('k'), project('v')]
  const attended = g.op('MultiHeadAttention', rows, { num_heads: numHeads })
  return linear(g, `${path}.o`, attended, { outputs, bias: true })
}

export type CausalAttentionConfig = {
  readonly numHeads: number
  readonly numKvHeads: number
  readonly headDim: number
  /** Whether q, k and v have biases. */
  readonly bias: boolean
  /** Whether the output projection has one: Llama's with `attention_bias`. */
  readonly outputBias: boolean
  /** Keys further back than this are not seen; null sees all. */
  readonly slidingWindow: number | null
}

/**
 * Where the keys of a layer come from: a cache that grows, or one for each segment, an int8 cache that someone else makes
 * grow, the whole sequence at once, or whoever attends elsewhere.
 */
export type LayerContext = LayerCache | SegmentedCaches | Int8Past | FullSequence | AttendedRows

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
  /** What divides an int8 cache; null where the cache is float32. */
  readonly scales: CacheScales | null
}

/** Sequences that lie one behind the other in T, each with a cache of its own: `length` positions of T are its new ones. */
export type SegmentedCaches = {
  readonly segments: readonly (LayerCache & { readonly length: Dim })[]
}

/** What one layer needs to go on after positions that are kept in 8 bits; one sequence. */
export type Int8Past = {
  /** int8[1,K,C,cacheHeadDim(H)] */
  readonly key: Value
  readonly value: Value
  /** float32[1,1,K·cacheHeadDim(H)]; 0 where new rows give it themselves */
  readonly pastScales: { readonly key: Value; readonly value: Value }
  /** Positions [0, length) of the cache are filled. */
  readonly length: Dim
  /** int64[1,T] */
  readonly positions: Value
  readonly lastPosition: Value
  readonly totalLength: Value
  readonly cos: Value
  readonly sin: Value
}

/** A whole sequence without a cache, as training sees it. */
export type FullSequence = {
  /** int64[B,T] */
  readonly positions: Value
  /** float32[positions,H/2] */
  readonly cos: Value
  readonly sin: Value
  /**
   * Which keys each query sees: a mask float32[B or 1,1,T,T] that is added (`causalMask`; T may be a symbol), or the
   * lengths of the samples packed in a row, whose sum is T: each is causal by itself, and nothing hidden is computed.
   */
  readonly visible: Value | { readonly segments: readonly number[] }
}

/**
 * A sequence whose attention is a graph of its own. Training cuts a layer here: projections see all samples of a batch
 * as one matrix of rows, while each sample attends to itself, and both take any length.
 */
export type AttendedRows = {
  /** int64[B,T] */
  readonly positions: Value
  /** float32[positions,H/2] */
  readonly cos: Value
  readonly sin: Value
  /** Rotated q [B,T,N·H] and k, and v, [B,T,K·H], to the attended rows [B,T,N·H]. */
  readonly attend: (rows: AttentionRows) => Value
}

export type AttentionRows = { readonly q: Value; readonly k: Value; readonly v: Value }

/**
 *   W_o softmax(rope(q) rope(k)ᵀ / √H + causal) v over the cache and this call's positions
 *
 * x [B, T, D]. Query head n reads key head ⌊nK/N⌋. Gives the result [B, T, D] and the cache with T rows added, or, of a
 * whole sequence, its rotated keys and its values [B, K, T, H] (rows of them, [B, T, K·H], where attention is elsewhere).
 * After an `Int8Past` these are the T new rows int8[1,K,T,H].
 * Source: arXiv:1706.03762 eq. 1; grouping, arXiv:2305.13245; rotation of halves, arXiv:2104.09864.
 */
export function causalAttention(
  g: Graph,
  path: string,
  x: Value,
  { config, cache }: { readonly config: CausalAttentionConfig; readonly cache: LayerContext },
): Attended {
  const { numHeads, numKvHeads, headDim, bias, outputBias } = config
  const project = (part: string, heads: number) =>
    linear(g, `${path}.${part}`, x, { outputs: heads * headDim, bias })
  const rows = {
    q: project('q', numHeads),
    k: project('k', numKvHeads),
    v: project('v', numKvHeads),
  }
  const attended = attend(g, rows, { config, cache })
  const outputs = x.shape.at(-1) as number
  const output = linear(g, `${path}.o`, attended.output, { outputs, bias: outputBias })
  return { ...attended, output }
}

export type Attended = {
  readonly output: Value
  readonly key: Value
  readonly value: Value
  /** Of new rows after an `Int8Past`: max |x| of each channel, [1,1,K·H]. */
  readonly largest?: { readonly key: Value; readonly value: Value }
  /** The caches of all segments, where there are several; `key` and `value` are the first one's. */
  readonly segments?: readonly { readonly key: Value; readonly value: Value }[]
}

/** q [B, T, N·H], k and v [B, T, K·H] to [B, T, N·H]. */
function attend(
  g: Graph,
  rows: AttentionRows,
  { config, cache }: { readonly config: CausalAttentionConfig; readonly cache: LayerContext },
): Attended {
  if ('visible' in cache) return sequenceAttention(g, rows, { config, sequence: cache })
  if ('attend' in cache) return attendElsewhere(g, rows, cache)
  if ('pastScales' in cache) return attentionAfterInt8(g, rows, { config, past: cache })
  if ('segments' in cache) return segmentedAttention(g, rows, { config, ...cache })
  return cachedAttention(g, rows, { config, cache })
}

/** The operator rotates rows of heads as it rotates heads: the width of a head is that of the tables. */
function attendElsewhere(
  g: Graph,
  { q, k, v }: AttentionRows,
  { positions, cos, sin, attend }: AttendedRows,
): Attended {
  const rotate = (x: Value) => g.op('RotaryEmbedding', [x, positions, cos, sin])
  const rows = { q: rotate(q), k: rotate(k), v }
  return { output: attend(rows), key: rows.k, value: v }
}

/**
 * q [B, T, N·H], k and v [B, T, K·H] to [B, T, N·H] through the fused operator, which rotates and extends the cache.
 *
 * The operator's own scales of an int8 cache are the same for all sequences of a batch. Ours are not: they are taken out
 * of k and v and put into q and the result, (q s)·(k / s) = q·k, and the operator rounds with a scale of 1.
 */
function cachedAttention(
  g: Graph,
  rows: AttentionRows,
  { config, cache }: { readonly config: CausalAttentionConfig; readonly cache: LayerCache },
): Attended {
  const { lastPosition, totalLength, cos, sin, scales } = cache
  const { q, k, v } = widenHeads(g, rows, config)
  const scaled = scales
    ? [g.op('Mul', [q, scales.query]), g.op('Div', [k, scales.key]), g.op('Div', [v, scales.value])]
    : [q, k, v]
  const state = [cache.key, cache.value, lastPosition, totalLength, cos, sin]
  const operatorScales = scales ? [null, null, null, unitScale(g), unitScale(g)] : []
  const node = g.node('GroupQueryAttention', [...scaled, ...state, ...operatorScales], {
    ...operatorAttributes(config),
    do_rotary: 1,
    ...(scales && INT8_CACHE),
  })
  const [attended, key, value] = node.outputs as [Value, Value, Value]
  const rescaled = scales ? g.op('Mul', [attended, scales.output]) : attended
  return { output: narrowHeads(g, rescaled, config), key, value }
}

/**
 * The same for several sequences, which the operator takes one by one: with a past, it takes several new positions of one
 * sequence only.
 */
function segmentedAttention(
  g: Graph,
  { q, k, v }: AttentionRows,
  { config, segments }: { readonly config: CausalAttentionConfig } & SegmentedCaches,
): Attended {
  const lengths = { axis: 1, split: segments.map(({ length }) => length) }
  const [qs, ks, vs] = [q, k, v].map((x) => g.node('Split', [x], lengths).outputs) as Three
  const attended = segments.map((cache, s) => {
    const rows = { q: qs[s] as Value, k: ks[s] as Value, v: vs[s] as Value }
    return cachedAttention(g, rows, { config, cache })
  })
  const outputs = attended.map(({ output }) => output)
  const output = g.op('Concat', outputs, { axis: 1 })
  return { ...(attended[0] as Attended), output, segments: attended }
}

type Three = [readonly Value[], readonly Value[], readonly Value[]]

/**
 * The same for positions after an int8 cache. The operator's own way over such a cache takes three times as long with
 * many new positions (docs/decisions.md), so it gets the past unpacked, and new positions rounded as the past is.
 */
function attentionAfterInt8(
  g: Graph,
  rows: AttentionRows,
  { config, past }: { readonly config: CausalAttentionConfig; readonly past: Int8Past },
): Attended {
  const { positions, lastPosition, totalLength, cos, sin, length, pastScales } = past
  const { q, k, v } = widenHeads(g, rows, config)
  const rotate = (x: Value) => g.op('RotaryEmbedding', [x, positions, cos, sin])
  const layout = { heads: config.numKvHeads, width: cacheHeadDim(config.headDim) }
  const key = packRows(g, rotate(k), { scale: pastScales.key, isRotated: true, ...layout })
  const value = packRows(g, v, { scale: pastScales.value, isRotated: false, ...layout })
  const unpack = (kind: 'key' | 'value') =>
    unpackRows(g, past[kind], { scale: pastScales[kind], length, ...layout })
  const news = [rotate(q), key.rounded, value.rounded]
  const attended = g.op(
    'GroupQueryAttention',
    [...news, unpack('key'), unpack('value'), lastPosition, totalLength],
    operatorAttributes(config),
  )
  const output = narrowHeads(g, attended, config)
  const largest = { key: key.largest, value: value.largest }
  return { output, key: key.data, value: value.data, largest }
}

function operatorAttributes({
  numHeads,
  numKvHeads,
  headDim,
  slidingWindow,
}: CausalAttentionConfig) {
  return {
    num_heads: numHeads,
    kv_num_heads: numKvHeads,
    scale: 1 / Math.sqrt(headDim),
    local_window_size: slidingWindow ?? -1,
  }
}

const INT8_CACHE = {
  k_quant_type: 'PER_TENSOR',
  v_quant_type: 'PER_TENSOR',
  kv_cache_bit_width: 8,
} as const

function unitScale(g: Graph): Value {
  return g.constant(hostTensor('float32', [1], Float32Array.of(1)))
}

/** q [B, T, N·H], k and v [B, T, K·H] to [B, T, N·H] in operators that have gradients. */
function sequenceAttention(
  g: Graph,
  rows: AttentionRows,
  { config, sequence }: { readonly config: CausalAttentionConfig; readonly sequence: FullSequence },
): Attended {
  const { numHeads, numKvHeads, slidingWindow } = config
  const { positions, cos, sin, visible } = sequence
  const rotate = (x: Value) => g.op('RotaryEmbedding', [x, positions, cos, sin])
  const q = rotate(splitHeads(g, rows.q, numHeads)) // [B, N, T, H]
  const k = rotate(splitHeads(g, rows.k, numKvHeads)) // [B, K, T, H]
  const v = splitHeads(g, rows.v, numKvHeads) // [B, K, T, H]
  const attended =
    'segments' in visible
      ? segmentAttention(g, { q, k, v }, { segments: visible.segments, slidingWindow })
      : groupedAttention(g, { q, k, v }, visible)
  return { output: mergeHeads(g, attended), key: k, value: v }
}

/**
 * Width of a head in the cache: ONNX Runtime's operator wants multiples of 16, so narrower heads carry zeros. Each half
 * is filled up by itself, because rotation pairs element i of one half with element i of the other.
 */
export function cacheHeadDim(headDim: number): number {
  return Math.ceil(headDim / 16) * 16
}

function widenHeads(
  g: Graph,
  { q, k, v }: AttentionRows,
  { numHeads, numKvHeads, headDim }: CausalAttentionConfig,
): AttentionRows {
  const widen = (rows: Value, heads: number) =>
    resizeHeads(g, rows, { heads, from: headDim, to: cacheHeadDim(headDim) })
  return { q: widen(q, numHeads), k: widen(k, numKvHeads), v: widen(v, numKvHeads) }
}

function narrowHeads(g: Graph, rows: Value, { numHeads, headDim }: CausalAttentionConfig): Value {
  return resizeHeads(g, rows, { heads: numHeads, from: cacheHeadDim(headDim), to: headDim })
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
