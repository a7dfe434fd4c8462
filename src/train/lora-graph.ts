/**
 * Low-rank adapters added to a graph's linear layers.
 *
 *   y = W x + b + (alpha / rank) B A drop(x)
 *
 * Source: arXiv:2106.09685; the order of operations, peft 0.21 `tuners/lora/layer.py`.
 */
import { Graph, type Node, type Value } from '../graph/graph.ts'

export type Adapter = {
  readonly rank: number
  readonly scale: number
  readonly hasDropout: boolean
}

/** The two matrices of the layer whose weight is at `weight`. */
export function adapterPaths(weight: string): { readonly a: string; readonly b: string } {
  const module = weight.replace(/\.weight$/, '')
  return { a: `${module}.lora.a`, b: `${module}.lora.b` }
}

/** The input float32[1,T,K] that a layer's activations are multiplied with: 0, or 1 / (1 − dropout). */
export function maskName(weight: string): string {
  return `mask.${weight.replace(/\.weight$/, '')}`
}

/** A copy of the graph in which the layers that `adapterOf` gives an adapter for have one. */
export function addAdapters(source: Graph, adapterOf: (weight: string) => Adapter | null): Graph {
  const target = new Graph(source.name)
  const copies = new Map<Value, Value>()
  const copy = (value: Value): Value => {
    const known = copies.get(value) ?? copyLeaf(source, target, value)
    copies.set(value, known)
    return known
  }
  for (const input of source.inputs) copy(input)
  for (const node of source.nodes) {
    const inputs = node.inputs.map((input) => input && copy(input))
    const { outputs } = target.node(node.op, inputs, node.attributes)
    node.outputs.forEach((output, i) => copies.set(output, outputs[i] as Value))
    const adapter = weightOf(node) && adapterOf(weightOf(node) as string)
    if (!adapter) continue
    const [y, x] = [outputs[0] as Value, inputs[0] as Value]
    const added = adapted(target, x, { weight: node.inputs[1] as Value, adapter })
    copies.set(node.outputs[0] as Value, target.op('Add', [y, added]))
  }
  for (const { name, value } of source.outputs) target.output(name, copy(value))
  return target
}

function weightOf({ op, inputs }: Node): string | null {
  const weight = op === 'Linear' ? inputs[1] : null
  return weight?.origin === 'parameter' ? weight.name : null
}

function adapted(
  g: Graph,
  x: Value,
  { weight, adapter }: { readonly weight: Value; readonly adapter: Adapter },
): Value {
  const { rank, scale, hasDropout } = adapter
  const [rows, columns] = weight.shape as readonly [number, number]
  const paths = adapterPaths(weight.name)
  const dropped = hasDropout
    ? g.op('Mul', [x, g.input(maskName(weight.name), 'float32', x.shape)])
    : x
  const narrow = g.op('Linear', [dropped, g.parameter(paths.a, [rank, columns]), null])
  const wide = g.op('Linear', [narrow, g.parameter(paths.b, [rows, rank]), null])
  return g.op('Mul', [wide, g.scalar(scale)])
}

function copyLeaf(source: Graph, target: Graph, value: Value): Value {
  const { name, dtype, shape, origin } = value
  if (origin === 'input') return target.input(name, dtype, shape)
  const constant = source.constants.get(value)
  if (constant) return target.constant(constant)
  return target.parameter(name, shape as readonly number[], dtype)
}
