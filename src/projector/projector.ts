/**
 * Vision features into rows of the decoder's embedding space.
 *
 * LLaVA v1 has one linear layer, 1.5 and later two with GELU between. Sources: arXiv:2304.08485 §4.1; arXiv:2310.03744 §3.2.
 */
import type { Graph, Value } from '../graph/graph.ts'
import { linear } from '../layers/linear.ts'
import { activation, type Activation } from '../layers/mlp.ts'

export type ProjectorConfig = {
  /** Number of linear layers with an activation between each two; 0 hands the features on unchanged. */
  readonly depth: number
  readonly activation: Activation
  readonly inputSize: number
  readonly hiddenSize: number
  readonly bias: boolean
}

/** features [I, P, Dv] to [I, P, D]. */
export function projector(g: Graph, config: ProjectorConfig, features: Value): Value {
  let x = features
  for (let i = 0; i < config.depth; i++) {
    if (i > 0) x = activation(g, config.activation, x)
    x = linear(g, `projector.layers.${i}`, x, { outputs: config.hiddenSize, bias: config.bias })
  }
  return x
}
