/**
 * Where one run over several positions gives what so many steps give, so that guesses can be checked at once.
 *
 * The attention operator adds up in another order where a run has one position. In float32 that is a change of the last
 * bits; where activations are rounded to 8 bits behind it, some fall on the other side of a border, and log-probabilities
 * differ by tenths: docs/decisions.md.
 */
import type { Graph } from '../graph/graph.ts'
import type { LinearPrecision, PrecisionPolicy } from '../graph/lower.ts'

/** Whether activations keep so many bits that those last ones do not matter. */
const IS_FINE: { readonly [P in LinearPrecision]: boolean } = {
  f32: true,
  int8: false,
  int8a16: true,
  q8: false,
  q4: false,
  q4b128: false,
}

/** The first linear layer that rounds its activations to 8 bits, as `NAME in PRECISION`; null if none does. */
export function coarseLayer(graph: Graph, policy: PrecisionPolicy): string | null {
  for (const { op, inputs } of graph.nodes) {
    const name = op === 'Linear' ? inputs[1]?.name : undefined
    if (name !== undefined && !IS_FINE[policy(name)]) return `${name} in ${policy(name)}`
  }
  return null
}
