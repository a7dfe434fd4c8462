/** A linear layer of a graph; its precision is chosen when the graph is lowered. */
import type { Dim } from '../core/shape.ts'
import type { Graph, Value } from '../graph/graph.ts'

/**
 *   x Wᵀ + b
 *
 * x [..., inputs]; W [outputs, inputs] is the parameter `path.weight`, b [outputs] is `path.bias` or absent.
 */
export function linear(
  g: Graph,
  path: string,
  x: Value,
  { outputs, bias }: { readonly outputs: number; readonly bias: boolean },
): Value {
  const weight = g.parameter(`${path}.weight`, [outputs, x.shape.at(-1) as number])
  return g.op('Linear', [x, weight, bias ? g.parameter(`${path}.bias`, [outputs]) : null])
}

/** [B, T, D] as [B·T, D]: rows without their batch. */
export function flattenRows(g: Graph, x: Value): Value {
  const [batch, length, width] = x.shape as readonly [Dim, Dim, Dim]
  const rows =
    typeof batch === 'number' && typeof length === 'number' ? batch * length : `${batch}*${length}`
  return g.op('Reshape', [x], { shape: [rows, width] })
}
