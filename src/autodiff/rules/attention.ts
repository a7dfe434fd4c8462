/** Gradients of attention and of rotary positions. */
import type { Dim } from '../../core/shape.ts'
import { product } from '../../graph/dimension.ts'
import type { Value } from '../../graph/graph.ts'
import type { attention as ops } from '../../graph/ops/attention.ts'
import type { Formula } from '../formula.ts'
import type { RuleTable } from '../rule.ts'

export const attention: RuleTable<keyof typeof ops> = {
  // The same attention with its weights as a second output, so that they are computed in one place.
  MultiHeadAttention: ({ g, f, inputs, attributes, dy }) => {
    const heads = attributes.num_heads
    const [q, k, v] = inputs.map((x) => toHeads(f, x, heads)) as [Value, Value, Value]
    const scale = attributes.scale ?? 1 / Math.sqrt(q.shape[3] as number)
    const node = g.node('GroupedAttention', [q, k, v, null], { scale })
    const [output, weights] = node.outputs as readonly [Value, Value]
    const attended = { q, k, v, output, weights, scale, dy: toHeads(f, dy, heads) }
    const [dq, dk, dv] = attentionGradients(f, attended)
    return [dq, dk, dv].map((x) => fromHeads(f, x))
  },
  GroupQueryAttention: 'refused',
  GroupedAttention: ({ f, inputs: [q, k, v], outputs, attributes: { scale }, dy }) => {
    const [output, weights] = outputs
    return attentionGradients(f, { q, k, v, output, weights, scale, dy })
  },
  // A rotation's inverse turns the other way.
  RotaryEmbedding: ({ g, f, inputs: [, positions, cos], node, attributes, dy }) => {
    const sin = node.inputs[3] as Value
    return [g.op('RotaryEmbedding', [dy, positions, cos, f.neg(sin)], attributes), null, null, null]
  },
}

type Attended = {
  /** q, output and dy [B, N, T, H]; k and v [B, K, S, H]; weights, the softmax, [B, N, T, S] */
  readonly q: Value
  readonly k: Value
  readonly v: Value
  readonly output: Value
  readonly weights: Value
  readonly scale: number
  readonly dy: Value
}

/**
 *   dv = Pᵀ dy,  dS = P ∘ (dy vᵀ − rowsum(dy ∘ output)),  dq = scale dS k,  dk = scale dSᵀ q,  dmask = dS
 *
 * The heads that share a key head are one matrix of (N/K)·T rows, so the sums over them need no node.
 * Source of the row sums: arXiv:2205.14135 appendix B.
 */
function attentionGradients(f: Formula, attended: Attended): readonly [Value, Value, Value, Value] {
  const { k, v, scale } = attended
  const group = (x: Value) => groupRows(f, x, k.shape[1] as number)
  const [q, dy, weights] = [group(attended.q), group(attended.dy), group(attended.weights)]
  const rowSum = f.sum(f.mul(dy, group(attended.output)), [3]) // [B, K, N/K·T, 1]
  const ds = f.mul(weights, f.sub(f.product(dy, v, { transB: 1 }), rowSum)) // [B, K, N/K·T, S]
  return [
    f.reshape(f.product(ds, k, { alpha: scale }), attended.q.shape),
    f.product(ds, q, { transA: 1, alpha: scale }),
    f.product(weights, dy, { transA: 1 }),
    f.reshape(ds, attended.weights.shape),
  ]
}

/** [B, N, T, X] to [B, K, N/K·T, X]. */
function groupRows(f: Formula, x: Value, numKvHeads: number): Value {
  const [batch, heads, length, width] = x.shape as readonly [Dim, number, Dim, Dim]
  return f.reshape(x, [batch, numKvHeads, product([heads / numKvHeads, length]), width])
}

/** [B, T, N·H] to [B, N, T, H]. */
function toHeads(f: Formula, x: Value, heads: number): Value {
  const [batch, length, width] = x.shape as readonly [Dim, Dim, number]
  return f.transpose(f.reshape(x, [batch, length, heads, width / heads]), [0, 2, 1, 3])
}

/** [B, N, T, H] to [B, T, N·H]. */
function fromHeads(f: Formula, x: Value): Value {
  const [batch, heads, length, width] = x.shape as readonly [Dim, number, Dim, number]
  return f.reshape(f.transpose(x, [0, 2, 1, 3]), [batch, length, heads * width])
}
