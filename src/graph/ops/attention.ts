/** Attention and rotary positions as ONNX Runtime's fused operators. */
import { ShapeError } from '../../core/errors.ts'
import type { Dim } from '../../core/shape.ts'
import { defineOp, expectDtype, expectRank, required } from './definition.ts'

export const attention = {
  /** softmax(q kᵀ/√H) v without a mask. q, k, v [B, T, N·H] give [B, T, N·H]. */
  MultiHeadAttention: defineOp({
    domain: 'com.microsoft',
    required: { num_heads: 'int' },
    optional: { scale: 'float' },
    infer: (inputs) => [required(inputs, 0)],
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
    infer(inputs, { num_heads: numHeads, kv_num_heads: numKvHeads }) {
      const query = required(inputs, 0)
      if (numHeads % numKvHeads !== 0) {
        throw headsError(numHeads, numKvHeads)
      }
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
      const [q, k] = [required(inputs, 0), required(inputs, 1)]
      expectRank(q, 4)
      expectRank(k, 4)
      const [heads, kvHeads] = [q.shape[1] as number, k.shape[1] as number]
      if (heads % kvHeads !== 0) throw headsError(heads, kvHeads)
      return [q, { dtype: q.dtype, shape: [...q.shape.slice(0, 3), k.shape[2] as Dim] }]
    },
  }),
  /** Rotates halves: x [B, N, T, H] at int64 positions [B, T] with cos and sin [positions, H/2]. Source: arXiv:2104.09864. */
  RotaryEmbedding: defineOp({
    domain: 'com.microsoft',
    required: {},
    optional: { interleaved: 'int', num_heads: 'int' },
    infer(inputs) {
      const x = required(inputs, 0)
      expectDtype(required(inputs, 1), 'int64')
      return [x]
    },
  }),
} as const

function headsError(numHeads: number, numKvHeads: number): ShapeError {
  return new ShapeError(
    'SHAPE_HEADS',
    `${numHeads} heads are no multiple of ${numKvHeads} key/value heads.`,
  )
}
