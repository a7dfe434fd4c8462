/** The two normalisations of the family, over the last axis. */
import type { Graph, Value } from '../graph/graph.ts'

/**
 *   w x / √(mean(x²) + ε)
 *
 * x [..., D]; the parameter `path.weight` is [D]. Source: arXiv:1910.07467.
 */
export function rmsNorm(g: Graph, path: string, x: Value, epsilon: number): Value {
  const weight = g.parameter(`${path}.weight`, [x.shape.at(-1) as number])
  return g.op('SimplifiedLayerNormalization', [x, weight], { epsilon, axis: -1 })
}

/**
 *   w (x − mean(x)) / √(var(x) + ε) + b
 *
 * x [..., D]; the parameters `path.weight` and `path.bias` are [D]. Source: arXiv:1607.06450.
 */
export function layerNorm(g: Graph, path: string, x: Value, epsilon: number): Value {
  const width = x.shape.at(-1) as number
  const weight = g.parameter(`${path}.weight`, [width])
  const bias = g.parameter(`${path}.bias`, [width])
  return g.op('LayerNormalization', [x, weight, bias], { epsilon, axis: -1 })
}
