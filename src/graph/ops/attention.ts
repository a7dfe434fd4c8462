/** Attention and rotary positions as ONNX Runtime's fused operators. */
import { ShapeError } from '../../core/errors.ts'
import { sameShape, type Dim, type Shape } from '../../core/shape.ts'
import type { Value } from '../graph.ts'
import {
  broadcast,
  defineOp,
  expectDtype,
  expectEqualDims,
  expectRank,
  required,
  type Inputs,
} from './definition.ts'

export const attention = {
  /** softmax(q kᵀ/√H) v without a mask. q, k, v [B, T, N·H] give [B, T, N·H]. */
  MultiHeadAttention: defineOp({
    domain: 'com.microsoft',
    required: { num_heads: 'int' },
    optional: { scale: 'float' },
    infer(inputs, { num_heads: numHeads }) {
      const [q, k, v] = projections(inputs)
      expectHeads(q, numHeads)
      expectEqualDims(k.shape[2], q.shape[2], 'widths of q and k')
      expectEqualDims(v.shape[1], k.shape[1], 'lengths of k and v')
      return [{ dtype: q.dtype, shape: [...q.shape.slice(0, 2), v.shape[2] as Dim] }]
    },
  }),
  /**
   * Causal attention with grouped heads, rotary positions and a cache written in place.
   *
   * Inputs: q [B, T, N·H], k and v [B, T, K·H], past key and value [B, K, C, H] (C the capacity), int32 seqlens_k [B]
   * (tokens in the cache after this call, minus one), int32 total_sequence_length, cos and sin [positions, H/2],
   * then (position_ids, attention_bias, head_sink) absent here, k_scale and v_scale for an int8 cache.
   * Outputs: [B, T, N·H], present key and value of the past's type, which may be the same memory.
   */
  GroupQueryAttention: defineOp({
    domain: 'com.microsoft',
    required: { num_heads: 'int', kv_num_heads: 'int' },
    optional: {
      do_rotary: 'int',
      scale: 'float',
      local_window_size: 'int',
      k_quant_type: 'string',
      v_quant_type: 'string',
      kv_cache_bit_width: 'int',
      sliding_window_cache: 'int',
    },
    lasting: [1, 2],
    infer(inputs, { num_heads: numHeads, kv_num_heads: numKvHeads }) {
      const [query, key, value] = projections(inputs)
      if (numHeads % numKvHeads !== 0) throw headsError(numHeads, numKvHeads)
      expectHeads(query, numHeads)
      const width = ((query.shape[2] as number) / numHeads) * numKvHeads
      expectEqualDims(key.shape[2], width, 'width of k and that of the key/value heads')
      expectEqualDims(value.shape[2], width, 'width of v and that of the key/value heads')
      const pastKey = inputs[3]
      const pastValue = inputs[4]
      if (pastKey && pastValue) return [query, pastKey, pastValue]
      return [query]
    },
  }),
  /**
   * softmax(scale · q kᵀ + mask) v with grouped heads, in differentiable products; lowered before writing.
   *
   * q [B, N, T, H]; k, v [B, K, S, H]; mask, added, broadcasts to [B, N, T, S] or is absent. Query head n reads key head
   * ⌊nK/N⌋. Outputs: [B, N, T, H] and the softmax [B, N, T, S], which costs nothing where it is not read.
   */
  GroupedAttention: defineOp({
    domain: 'llava',
    required: { scale: 'float' },
    optional: {},
    infer(inputs) {
      const [q, k, v] = [0, 1, 2].map((i) => required(inputs, i)) as [Value, Value, Value]
      for (const value of [q, k, v]) expectRank(value, 4)
      const [heads, kvHeads] = [q.shape[1] as number, k.shape[1] as number]
      if (heads % kvHeads !== 0) throw headsError(heads, kvHeads)
      expectEqualDims(k.shape[0], q.shape[0], 'batches of q and k')
      expectEqualDims(k.shape[3], q.shape[3], 'widths of q and k')
      for (const axis of [0, 1, 2]) {
        expectEqualDims(v.shape[axis], k.shape[axis], `axis ${axis} of k and v`)
      }
      const scores = [...q.shape.slice(0, 3), k.shape[2] as Dim]
      const mask = inputs[3]
      if (mask) expectSameShape(broadcast(scores, mask.shape), scores, 'mask')
      return [
        { dtype: q.dtype, shape: [...q.shape.slice(0, 3), v.shape[3] as Dim] },
        { dtype: q.dtype, shape: scores },
      ]
    },
  }),
  /** Rotates halves: x [B, N, T, H] at int64 positions [B, T] with cos and sin [positions, H/2]. Source: arXiv:2104.09864. */
  RotaryEmbedding: defineOp({
    domain: 'com.microsoft',
    required: {},
    optional: { interleaved: 'int', num_heads: 'int' },
    infer(inputs) {
      const [x, positions, cos, sin] = [0, 1, 2, 3].map((i) => required(inputs, i)) as Four
      expectDtype(positions, 'int64')
      for (const table of [cos, sin]) {
        expectDtype(table, x.dtype)
        expectRank(table, 2)
      }
      return [x]
    },
  }),
} as const

type Four = [Value, Value, Value, Value]

/** q, k and v [B, T, heads·H]. */
function projections(inputs: Inputs): readonly [Value, Value, Value] {
  const [q, k, v] = [0, 1, 2].map((i) => required(inputs, i)) as [Value, Value, Value]
  for (const value of [q, k, v]) {
    expectRank(value, 3)
    expectDtype(value, q.dtype)
    expectEqualDims(value.shape[0], q.shape[0], 'batches')
  }
  return [q, k, v]
}

function expectHeads(query: Value, numHeads: number): void {
  const width = query.shape[2]
  if (typeof width === 'number' && width % numHeads === 0) return
  throw new ShapeError('SHAPE_HEADS', `${width} is no multiple of ${numHeads} heads.`)
}

function expectSameShape(shape: Shape, wanted: Shape, what: string): void {
  if (sameShape(shape, wanted)) return
  throw new ShapeError('SHAPE_MISMATCH', `the ${what} is larger than [${wanted}].`)
}

function headsError(numHeads: number, numKvHeads: number): ShapeError {
  return new ShapeError(
    'SHAPE_HEADS',
    `${numHeads} heads are no multiple of ${numKvHeads} key/value heads.`,
  )
}
