/**
 * The reverse pass: one loop over the nodes of a graph, last to first, that adds the nodes of the gradients.
 *
 * A node is visited when a wanted value leads into it and it leads to a seed. Broadcasting is undone here and nowhere
 * else; gradients of a value that is used more than once are added here.
 */
import { ConfigError } from '../core/errors.ts'
import { formatType, sameShape, type Shape } from '../core/shape.ts'
import type { Graph, Node, Value } from '../graph/graph.ts'
import { Formula } from './formula.ts'
import { isFloat } from './is-float.ts'
import type { Rule, RuleContext } from './rule.ts'
import { RULES } from './rules/index.ts'

/**
 * Gradients, by value, of everything between `wanted` and the values that `seeds` has gradients for.
 *
 * Adds nodes to `g`. Seeds may hold a start for a wanted value too: its gradient is then added to that (accumulation).
 * A wanted value that no seeded value depends on has no entry in the result. Throws ConfigError (CONFIG_GRADIENT_OP)
 * where the way back passes an op that only serves running.
 */
export function reversePass(
  g: Graph,
  seeds: ReadonlyMap<Value, Value>,
  wanted: readonly Value[],
): Map<Value, Value> {
  const pass = new ReversePass(g, seeds)
  const active = activeValues(g, wanted)
  for (const node of [...g.nodes].reverse()) pass.visit(node, active)
  return pass.gradients
}

/** The wanted values and all that depends on them through ops with a derivative. */
function activeValues(g: Graph, wanted: readonly Value[]): Set<Value> {
  const active = new Set(wanted)
  for (const node of g.nodes) {
    const isActive = node.inputs.some((input) => input && active.has(input))
    if (!isActive || RULES[node.op] === 'none') continue
    for (const output of node.outputs) if (isFloat(output)) active.add(output)
  }
  return active
}

class ReversePass {
  readonly gradients: Map<Value, Value>
  readonly #g: Graph
  readonly #f: Formula

  constructor(g: Graph, seeds: ReadonlyMap<Value, Value>) {
    this.#g = g
    this.#f = new Formula(g)
    this.gradients = new Map(seeds)
  }

  visit(node: Node, active: ReadonlySet<Value>): void {
    const gradients = node.outputs.map((output) => this.gradients.get(output) ?? null)
    if (!gradients.some(Boolean) || !node.outputs.some((output) => active.has(output))) return
    const results = this.#apply(node, gradients)
    node.inputs.forEach((input, i) => {
      if (!input || !active.has(input)) return
      const result = results[i]
      if (!result) throw new Error(`internal: ${node.op} gives input ${i} no gradient`)
      this.#accumulate(input, this.#unbroadcast(result, input, node))
    })
  }

  #apply(node: Node, gradients: readonly (Value | null)[]): readonly (Value | null)[] {
    const rule = RULES[node.op] as Rule | 'none' | 'refused'
    if (rule === 'none') return []
    if (rule === 'refused') {
      throw new ConfigError(
        'CONFIG_GRADIENT_OP',
        `${this.#g.name}: ${node.op} only serves running and has no gradient; differentiate the graph before it is lowered, and without a cache.`,
      )
    }
    const [dy, ...others] = gradients
    const hasOneResult = node.op !== 'Split'
    if (hasOneResult && (!dy || others.some(Boolean))) {
      throw new Error(`internal: only the first output of ${node.op} can have a gradient`)
    }
    const { inputs, outputs, attributes } = node
    return rule({
      g: this.#g,
      f: this.#f,
      inputs: inputs as unknown as RuleContext['inputs'],
      outputs: outputs as unknown as RuleContext['outputs'],
      attributes: attributes as RuleContext['attributes'],
      dy: dy as Value,
      gradients,
      node,
    })
  }

  /** Sums the axes along which `target` was repeated. */
  #unbroadcast(gradient: Value, target: Value, { op }: Node): Value {
    const extra = gradient.shape.length - target.shape.length
    const axes = gradient.shape.flatMap((dim, i) =>
      i < extra || (target.shape[i - extra] === 1 && dim !== 1) ? [i] : [],
    )
    const isLeading = axes.length === extra
    const summed = axes.length === 0 ? gradient : this.#f.sum(gradient, axes, isLeading ? 0 : 1)
    const result = isLeading ? summed : this.#f.reshape(summed, target.shape)
    if (!sameShape(result.shape, target.shape)) throw this.#mismatch(op, result.shape, target)
    return result
  }

  #mismatch(op: string, came: Shape, target: Value): Error {
    const expected = formatType(target.dtype, target.shape)
    return new Error(`internal: the gradient of ${op}'s input is [${came}], the input ${expected}`)
  }

  #accumulate(value: Value, gradient: Value): void {
    const known = this.gradients.get(value)
    this.gradients.set(value, known ? this.#sum(known, gradient) : gradient)
  }

  /** a + b; rows scattered into zeros are scattered into the other summand instead, in place where its memory is bound. */
  #sum(a: Value, b: Value): Value {
    return this.#scatterOnto(a, b) ?? this.#scatterOnto(b, a) ?? this.#f.add(a, b)
  }

  #scatterOnto(target: Value, { origin }: Value): Value | undefined {
    if (typeof origin === 'string' || !origin.op.startsWith('Scatter')) return undefined
    const [data, ...rest] = origin.inputs as readonly [Value, ...Value[]]
    if (origin.attributes['reduction'] !== 'add' || !this.#f.isZeros(data)) return undefined
    return this.#g.node(origin.op, [target, ...rest], origin.attributes).outputs[0]
  }
}
