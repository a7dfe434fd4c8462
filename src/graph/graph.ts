/**
 * The graph language: typed values, the nodes that make them, and the graph that owns both.
 *
 * A model is a function that adds nodes to a graph. Every node's output types are inferred when it is added, so a
 * wrong shape fails on the line that wrote it, in our notation. Nothing here knows a model or an engine.
 */
import { describeValue } from '../core/describe-value.ts'
import { isDType, type DType } from '../core/dtype.ts'
import { InputError, ShapeError } from '../core/errors.ts'
import type { OptionKind } from '../core/option-kinds.ts'
import { formatType, type Shape } from '../core/shape.ts'
import { checkData, hostTensor, type HostTensor } from '../core/tensor.ts'
import { checkAttributes } from './ops/check-attributes.ts'
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
  readonly #values = new Set<Value | null>()
  /** Names of values; ONNX tells them apart by nothing else. */
  readonly #names = new Set<string>()
  #nextId = 0

  constructor(name: string) {
    this.name = name
  }

  input(name: string, dtype: DType, shape: Shape): Value {
    checkType(`${this.name}: input ${name}`, { dtype, shape })
    this.#take(name)
    const value = this.#value({ dtype, shape }, name, 'input')
    this.inputs.push(value)
    return value
  }

  /** A named weight. Asking twice for one name gives the same value: tied weights are one parameter. */
  parameter(name: string, shape: readonly number[], dtype: DType = 'float32'): Value {
    checkType(`${this.name}: parameter ${name}`, { dtype, shape }, SIZES)
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
    checkType(`${this.name}: constant`, tensor, SIZES)
    checkData(`${this.name}: constant`, tensor)
    const value = this.#value(tensor, name ?? `constant${this.constants.size}`, 'constant')
    this.constants.set(value, tensor)
    return value
  }

  /** A float32 scalar. */
  scalar(number: number): Value {
    if (typeof number === 'number') {
      return this.constant(hostTensor('float32', [], Float32Array.of(number)))
    }
    throw new ShapeError(
      'SHAPE_DATA',
      `${this.name}: a scalar should be a number, ${describeValue(number)} came.`,
    )
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
    this.#checkOwn(`output ${name}`, value)
    this.#take(name)
    this.outputs.push({ name, value })
  }

  #checkOwn(place: string, value: Value | null): void {
    if (this.#values.has(value)) return
    const came = isValue(value) ? `that of another graph, ${value.name},` : describeValue(value)
    throw new ShapeError(
      'SHAPE_VALUE',
      `${this.name}: ${place} should be a value of this graph, ${came} came; make it by this graph's methods.`,
    )
  }

  #take(name: string): void {
    if (typeof name !== 'string' || name === '') {
      throw new ShapeError(
        'SHAPE_NAME',
        `${this.name}: a name should be a text that is not empty, ${describeValue(name)} came.`,
      )
    }
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
    if (!Object.hasOwn(OPS, op) || !Array.isArray(inputs)) {
      const fault = Array.isArray(inputs)
        ? `there is no operator ${describeValue(op)}; OPS has them all`
        : `${op}: inputs should be a list, ${describeValue(inputs)} came`
      throw new ShapeError('SHAPE_OPERATOR', `${this.name}: ${fault}.`)
    }
    for (const [i, value] of inputs.entries()) {
      if (value) this.#checkOwn(`input ${i} of ${op}`, value)
    }
    try {
      checkAttributes(OPS[op], attributes)
      const outputs: readonly TensorType[] = OPS[op].infer(inputs, attributes as never)
      for (const type of outputs) checkType('the output', type)
      return outputs
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error
      const types = inputs.map((v) => (v ? formatType(v.dtype, v.shape) : 'none')).join(', ')
      throw new ShapeError(error.code, `${this.name}: ${op}(${types}): ${error.message}`, {
        cause: error,
      })
    }
  }

  #value(type: TensorType, name: string, origin: Value['origin']): Value {
    const { dtype, shape } = type
    const value: Value = { id: this.#nextId++, name, dtype, shape: [...shape], origin }
    this.#values.add(value)
    return value
  }
}

/** Throws InputError INPUT_ARGUMENT. */
export function checkGraph(where: string, graph: Graph): void {
  if (graph instanceof Graph) return
  throw new InputError(
    'INPUT_ARGUMENT',
    `${where} should be a Graph, ${describeValue(graph)} came; new Graph(name) makes one.`,
  )
}

/** Of what is there before the graph runs. */
const SIZES: OptionKind = {
  expected: 'whole numbers from 0',
  is: (dim) => Number.isSafeInteger(dim) && (dim as number) >= 0,
}
const DIMS: OptionKind = {
  expected: `${SIZES.expected} and named symbols`,
  is: (dim) => SIZES.is(dim) || (typeof dim === 'string' && dim !== ''),
}

/** Throws ShapeError. */
function checkType(where: string, type: TensorType, dims: OptionKind = DIMS): void {
  const { dtype, shape } = type ?? {}
  if (!isDType(dtype)) {
    const came = describeValue(dtype)
    throw new ShapeError('SHAPE_DTYPE', `${where} should have a dtype, ${came} came.`)
  }
  if (Array.isArray(shape) && shape.every(dims.is)) return
  throw new ShapeError(
    'SHAPE_DIM',
    `${where} should have a shape of ${dims.expected}, ${describeValue(shape)} came.`,
  )
}

function isValue(value: Value | null): value is Value {
  return typeof value === 'object' && value !== null && typeof value.name === 'string'
}
