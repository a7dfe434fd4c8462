/**
 * Arguments of ONNX operators that are dimensions: constants where they are numbers, nodes that read the sizes of the
 * graph's inputs where they have symbols.
 */
import { ShapeError } from '../core/errors.ts'
import type { Dim, Shape } from '../core/shape.ts'
import { parseDim, type DimExpression } from './dimension.ts'
import type { Graph, Node, Value } from './graph.ts'

/** What the writer lends: nodes and constants of the model being written. */
export type OnnxSink = {
  readonly graph: Graph
  node(op: string, input: readonly string[], attributes: Readonly<Record<string, number>>): string
  int64(numbers: readonly number[]): string
  /** The name of a graph input, marked as used. */
  input(value: Value): string
}

/** A list of dimensions as the name of an int64 tensor. */
export class DimArguments {
  readonly #sink: OnnxSink
  readonly #symbols = new Map<string, string>()

  constructor(sink: OnnxSink) {
    this.#sink = sink
  }

  write(node: Node, argument: string): string {
    const dims = node.attributes[argument] as Shape
    const fixed = dims.every((dim) => typeof dim === 'number') ? dims : reshapeTarget(node, dims)
    if (fixed) return this.#sink.int64(fixed as readonly number[])
    const parts = dims.map((dim) => this.#expression(parseDim(dim)))
    return this.#sink.node('Concat', parts, { axis: 0 })
  }

  /** The name of an int64[1] that holds the expression's value. */
  #expression(expression: DimExpression): string {
    if (expression.kind === 'number') return this.#sink.int64([expression.value])
    if (expression.kind === 'symbol') return this.#symbol(expression.name)
    const op = expression.kind === 'sum' ? 'Add' : 'Mul'
    const [first, ...rest] = expression.parts.map((part) => this.#expression(part))
    return rest.reduce((left, right) => this.#sink.node(op, [left, right], {}), first as string)
  }

  #symbol(name: string): string {
    const known = this.#symbols.get(name)
    if (known) return known
    const { graph } = this.#sink
    const input = graph.inputs.find(({ shape }) => shape.includes(name))
    if (!input) {
      throw new ShapeError(
        'SHAPE_SYMBOLS',
        `${graph.name}: no input has the dimension ${name} by itself, so its size is not known when the graph runs.`,
      )
    }
    const axis = input.shape.indexOf(name)
    const size = this.#sink.node('Shape', [this.#sink.input(input)], { start: axis, end: axis + 1 })
    this.#symbols.set(name, size)
    return size
  }
}

/** Reshape can say some symbols itself: 0 copies the input's axis of that place, one −1 is computed. */
function reshapeTarget({ op, inputs }: Node, dims: Shape): readonly Dim[] | undefined {
  if (op !== 'Reshape') return undefined
  const x = inputs[0] as Value
  const copied = dims.map((dim, i) => (typeof dim === 'string' && dim === x.shape[i] ? 0 : dim))
  const computed = copied.map((dim) => (typeof dim === 'string' ? -1 : dim))
  return computed.filter((dim) => dim === -1).length > 1 ? undefined : computed
}
