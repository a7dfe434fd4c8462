/** The two feed-forward blocks of the family and their activations. */
import type { Graph, Value } from '../graph/graph.ts'
import { linear } from './linear.ts'

/** quickGelu x σ(1.702 x); gelu x Φ(x); geluTanh its tanh form; silu x σ(x). Source: arXiv:1606.08415. */
export type Activation = 'quickGelu' | 'gelu' | 'geluTanh' | 'silu' | 'relu' | 'identity'

const ACTIVATIONS: { readonly [A in Activation]: (g: Graph, x: Value) => Value } = {
  quickGelu: (g, x) => g.op('QuickGelu', [x], { alpha: 1.702 }),
  gelu: (g, x) => g.op('Gelu', [x]),
  geluTanh: (g, x) => g.op('Gelu', [x], { approximate: 'tanh' }),
  silu: (g, x) => g.op('QuickGelu', [x], { alpha: 1 }),
  relu: (g, x) => g.op('Relu', [x]),
  identity: (_, x) => x,
}

export function activation(g: Graph, kind: Activation, x: Value): Value {
  return ACTIVATIONS[kind](g, x)
}

/**
 *   W₂ act(W₁ x + b₁) + b₂
 *
 * x [I, P, D]; W₁ [intermediateSize, D] is `path.up`, W₂ [D, intermediateSize] is `path.down`.
 */
export function mlp(
  g: Graph,
  path: string,
  x: Value,
  { intermediateSize, kind }: { readonly intermediateSize: number; readonly kind: Activation },
): Value {
  const hidden = linear(g, `${path}.up`, x, { outputs: intermediateSize, bias: true })
  const width = x.shape.at(-1) as number
  return linear(g, `${path}.down`, activation(g, kind, hidden), { outputs: width, bias: true })
}

/**
 *   W_down (silu(W_gate x) ⊙ W_up x)
 *
 * x [B, T, D]; with `bias` one is added to each product. Source: arXiv:2002.05202, SwiGLU.
 */
export function gatedMlp(
  g: Graph,
  path: string,
  x: Value,
  { intermediateSize, bias }: { readonly intermediateSize: number; readonly bias: boolean },
): Value {
  const shape = { outputs: intermediateSize, bias }
  const gate = activation(g, 'silu', linear(g, `${path}.gate`, x, shape))
  const product = g.op('Mul', [gate, linear(g, `${path}.up`, x, shape)])
  return linear(g, `${path}.down`, product, { outputs: x.shape.at(-1) as number, bias })
}
