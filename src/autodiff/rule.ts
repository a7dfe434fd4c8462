/** What a gradient rule is: a function that adds the nodes of its op's gradient to the graph, once per node. */
import type { Graph, Node, Value } from '../graph/graph.ts'
import type { OpAttributes, OpName } from '../graph/ops/index.ts'
import type { Formula } from './formula.ts'

export type RuleContext<N extends OpName = OpName> = {
  readonly g: Graph
  readonly f: Formula
  readonly node: Node
  /** Inputs of the node. Those that an op may lack are never read by its rule. */
  readonly inputs: readonly [a: Value, b: Value, c: Value]
  readonly outputs: readonly [first: Value, second: Value, third: Value]
  readonly attributes: OpAttributes<N>
  /** Gradient of the first output, of its shape; further outputs are statistics that only rules read. */
  readonly dy: Value
  /** Gradients of all outputs; null where nothing depends on one. Only ops whose outputs are all results read this. */
  readonly gradients: readonly (Value | null)[]
}

/**
 * Gradients of the inputs, in their order; null for one that has none (indices, conditions). What is not wanted is
 * dropped afterwards, and an input that was broadcast may get the gradient of the broadcast shape: the reverse pass sums it.
 */
export type Rule<N extends OpName = OpName> = (context: RuleContext<N>) => readonly (Value | null)[]

/**
 * `none`: the derivative is zero wherever it exists (comparisons, rounding), so nothing flows back. `refused`: there
 * is a derivative, but the op only serves running; a graph is differentiated before it is lowered or given a cache.
 */
export type NoRule = 'none' | 'refused'

/** One entry for every op of a group of `graph/ops`: a new op without a rule does not compile. */
export type RuleTable<N extends OpName> = { readonly [P in N]: Rule<P> | NoRule }
