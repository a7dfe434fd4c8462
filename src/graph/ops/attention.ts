/** Attention and rotary positions as ONNX Runtime's fused operators. */
import { ShapeError } from '../../core/errors.ts'
import { defineOp, expectDtype, required } from './definition.ts'

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
        throw new ShapeError(
          'SHAPE_HEADS',
          `${numHeads} heads are no multiple of ${numKvHeads} key/value heads.`,
        )
      }
      const pastKey = inputs[3]
      const pastValue = inputs[4]
      if (pastKey && pastValue) return [query, pastKey, pastValue]
      return [query]
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
