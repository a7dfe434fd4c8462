/** Graphs out of graphs: what some values need is copied, equal nodes become one, the rest is left behind. */
import type { HostTensor } from '../core/tensor.ts'
import type { Graph, Node, Value } from '../graph/graph.ts'

/**
 * Copies into `target` what `wanted` needs of `source` and gives each copied value's copy.
 *
 * `replaced` names values that have a stand-in in `target` already: nothing behind them is copied. Inputs,
 * parameters and constants that nothing needs are left out too.
 */
export function copyGraph(
  source: Graph,
  target: Graph,
  { wanted, replaced }: { wanted: readonly Value[]; replaced: ReadonlyMap<Value, Value> },
): Map<Value, Value> {
  const { nodes, leaves } = reach(wanted, replaced)
  const copies = new Map(replaced)
  const merge = new Merging(target)
  for (const value of [
    ...source.inputs,
    ...source.parameters.values(),
    ...source.constants.keys(),
  ]) {
    const isNeeded = leaves.has(value) && !copies.has(value)
    if (isNeeded) copies.set(value, merge.leaf(value, source.constants.get(value)))
  }
  for (const node of source.nodes) {
    if (!nodes.has(node)) continue
    const inputs = node.inputs.map((input) => input && (copies.get(input) as Value))
    const outputs = merge.node(node, inputs)
    node.outputs.forEach((output, i) => {
      if (!copies.has(output)) copies.set(output, outputs[i] as Value)
    })
  }
  return copies
}

/** The nodes behind some values, and the values at which the way back ends: what no node makes, and what is replaced. */
export function reach(
  wanted: readonly Value[],
  replaced: { has(value: Value): boolean },
): { readonly nodes: ReadonlySet<Node>; readonly leaves: ReadonlySet<Value> } {
  const nodes = new Set<Node>()
  const leaves = new Set<Value>()
  const stack = [...wanted]
  for (let value = stack.pop(); value; value = stack.pop()) {
    const { origin } = value
    if (typeof origin === 'string' || replaced.has(value)) leaves.add(value)
    else if (!nodes.has(origin)) {
      nodes.add(origin)
      for (const input of origin.inputs) if (input) stack.push(input)
    }
  }
  return { nodes, leaves }
}

/** Adds nodes to a graph unless one that computes the same is there. */
class Merging {
  readonly #target: Graph
  readonly #nodes = new Map<string, readonly Value[]>()
  readonly #scalars = new Map<string, Value>()

  constructor(target: Graph) {
    this.#target = target
  }

  leaf(value: Value, constant: HostTensor | undefined): Value {
    const { name, dtype, shape, origin } = value
    if (origin === 'input') return this.#target.input(name, dtype, shape)
    if (!constant) return this.#target.parameter(name, shape as readonly number[], dtype)
    if (constant.data.length !== 1) return this.#target.constant(constant)
    const key = `${constant.dtype}[${constant.shape}] ${constant.data[0]}`
    const known = this.#scalars.get(key) ?? this.#target.constant(constant)
    this.#scalars.set(key, known)
    return known
  }

  node(node: Node, inputs: readonly (Value | null)[]): readonly Value[] {
    const ids = inputs.map((input) => input?.id ?? 'none')
    const attributes = Object.entries(node.attributes).sort(([a], [b]) => (a < b ? -1 : 1))
    const key = `${node.op}(${ids})${JSON.stringify(attributes)}`
    const known = this.#nodes.get(key)
    if (known) return known
    const { outputs } = this.#target.node(node.op, inputs, node.attributes)
    this.#nodes.set(key, outputs)
    return outputs
  }
}
