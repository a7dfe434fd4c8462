/**
 * The graph language: typed values, the nodes that make them, and the graph that owns both.
 *
 * A model is a function that adds nodes to a graph. Every node's output types are inferred when it is added, so a
 * wrong shape fails on the line that wrote it, in our notation. Nothing here knows a model or an engine.
 */
import type { DType } from '../core/dtype.ts'
import { ShapeError } from '../core/errors.ts'
import { formatType, type Shape } from '../core/shape.ts'
import { hostTensor, type HostTensor } from '../core/tensor.ts'
import { OPS, type OpAttributes, type OpName } from './ops/index.ts'

export type TensorType = { readonly dtype: DType; readonly shape: Shape }

/** One tensor of the graph. `origin` says where it comes from. */
export type Value = TensorType & {
  readonly id: number
  readonly name: string
  readonly origin: 'input' | 'parameter' | 'constant' | Node
}

export type Node = {
  readonly op: OpName
  readonly inputs: readonly (Value | null)[]
  readonly attributes: Readonly<Record<string, unknown>>
  readonly outputs: readonly Value[]
}

export class Graph {
  readonly name: string
  readonly inputs: Value[] = []
  /** Weights by dotted path; where their data comes from is decided when the graph is lowered. */
  readonly parameters = new Map<string, Value>()
  readonly constants = new Map<Value, HostTensor>()
  readonly nodes: Node[] = []
  readonly outputs: { readonly name: string; readonly value: Value }[] = []
  /** Names of values; ONNX tells them apart by nothing else. */
  readonly #names = new Set<string>()
  #nextId = 0

  constructor(name: string) {
    this.name = name
  }

  input(name: string, dtype: DType, shape: Shape): Value {
    this.#take(name)
    const value = this.#value({ dtype, shape }, name, 'input')
    this.inputs.push(value)
    return value
  }

  /** A named weight. Asking twice for one name gives the same value: tied weights are one parameter. */
  parameter(name: string, shape: readonly number[], dtype: DType = 'float32'): Value {
    const known = this.parameters.get(name)
    if (known) {
      if (formatType(known.dtype, known.shape) !== formatType(dtype, shape)) {
        throw new ShapeError(
          'SHAPE_PARAMETER',
          `${this.name}: parameter ${name} is ${formatType(known.dtype, known.shape)} and cannot also be ${formatType(dtype, shape)}.`,
        )
      }
      return known
    }
    this.#take(name)
    const value = this.#value({ dtype, shape }, name, 'parameter')
    this.parameters.set(name, value)
    return value
  }

  constant(tensor: HostTensor, name?: string): Value {
    const value = this.#value(tensor, name ?? `constant${this.constants.size}`, 'constant')
    this.constants.set(value, tensor)
    return value
  }

  /** A float32 scalar. */
  scalar(number: number): Value {
    return this.constant(hostTensor('float32', [], Float32Array.of(number)))
  }

  /** Adds a node and gives its first output. */
  op<N extends OpName>(
    name: N,
    inputs: readonly (Value | null)[],
    ...rest: Record<string, never> extends OpAttributes<N>
      ? [attributes?: OpAttributes<N>]
      : [attributes: OpAttributes<N>]
  ): Value {
    return this.node(name, inputs, rest[0] ?? {}).outputs[0] as Value
  }

  /** Adds a node whose attributes were computed; `op` is the checked way to write one. */
  node(
    op: OpName,
    inputs: readonly (Value | null)[],
    attributes: Readonly<Record<string, unknown>> = {},
  ): Node {
    const outputs: Value[] = []
    const node: Node = { op, inputs, attributes, outputs }
    for (const type of this.#infer(op, inputs, attributes)) {
      outputs.push(this.#value(type, this.#freeName(), node))
    }
    this.nodes.push(node)
    return node
  }

  output(name: string, value: Value): void {
    this.#take(name)
    this.outputs.push({ name, value })
  }

  #take(name: string): void {
    if (this.#names.has(name)) {
      throw new ShapeError(
        'SHAPE_NAME',
        `${this.name}: the name ${name} is taken; choose another for the second value.`,
      )
    }
    this.#names.add(name)
  }

  #freeName(): string {
    let name = `v${this.#nextId}`
    while (this.#names.has(name)) name += "'"
    this.#names.add(name)
    return name
  }

  #infer(
    op: OpName,
    inputs: readonly (Value | null)[],
    attributes: Readonly<Record<string, unknown>>,
  ): readonly TensorType[] {
    try {
      return OPS[op].infer(inputs, attributes as never)
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error
      const types = inputs.map((v) => (v ? formatType(v.dtype, v.shape) : 'none')).join(', ')
      throw new ShapeError(error.code, `${this.name}: ${op}(${types}): ${error.message}`, {
        cause: error,
      })
    }
  }

  #value(type: TensorType, name: string, origin: Value['origin']): Value {
    return { id: this.#nextId++, name, dtype: type.dtype, shape: [...type.shape], origin }
  }
}
