/**
 * A graph as the bytes of an ONNX model. Weights stay outside: each parameter is declared as external data, or as a
 * graph input where the caller wants to bind it at every run (training).
 *
 * Source: the ONNX IR specification, version 10; operator sets 21 and com.microsoft 1.
 */
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import type { DType, TypedArray } from '../core/dtype.ts'
import { checkOptions } from '../core/check-options.ts'
import { ShapeError } from '../core/errors.ts'
import { atOnce, type Steps } from '../core/steps.ts'
import { hostTensor, type HostTensor } from '../core/tensor.ts'
import { checkGraph, type Graph, type Node, type TensorType, type Value } from './graph.ts'
import { int64Tensor } from './lower.ts'
import { DimArguments } from './onnx-dims.ts'
import {
  AttributeProto_AttributeType,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProto_DataLocation,
  TensorProto_DataType,
  type AttributeProtoSchema,
  type TensorProtoSchema,
  type ValueInfoProtoSchema,
} from './onnx_pb.ts'
import { OPS } from './ops/index.ts'
import type { AttributeKind, OpDefinition } from './ops/definition.ts'

/** The file name that external parameters are declared in; the runtime hands their memory over by name. */
export const EXTERNAL_LOCATION = 'z.bin'

export type OnnxOptions = {
  /** Parameters as external initialisers (packed once) or as inputs (bound at every run). */
  readonly parameters?: 'initializers' | 'inputs'
  /**
   * `lastFirst`: nodes are written from the last to the first. ONNX Runtime walks up from the outputs, the last in the file
   * first: what a layer gives out is then made when the layer runs, and not, from tensors that are kept until then, at the end.
   */
  readonly order?: 'asMade' | 'lastFirst'
  /**
   * Inputs of which nodes see a view whose rank is not known before it runs. ONNX Runtime keeps a tensor's memory for the next
   * one of the same symbolic size, in whatever layer, so that all kinds of a layer's tensors are held at once, through every
   * layer. What has no size to compare is given back after its last reader. (A rank without names does that too, but then each
   * tensor is compared with all that are free, and there are thousands: docs/decisions.md.)
   */
  readonly unsized?: readonly string[]
}

export function writeOnnx(graph: Graph, options: OnnxOptions = {}): Uint8Array {
  checkGraph('writeOnnx: graph', graph)
  checkOptions('writeOnnx', options, ['parameters', 'order', 'unsized'])
  return atOnce(onnxSteps(graph, options))
}

/** Nodes between two pauses. */
const NODES = 256
/** Field numbers of onnx.proto. */
const MODEL_GRAPH = 7
const GRAPH_NODE = 1

/** The same with pauses: a decoder has thousands of nodes. */
export function* onnxSteps(
  graph: Graph,
  { parameters = 'initializers', order = 'asMade', unsized = [] }: OnnxOptions = {},
): Steps<Uint8Array> {
  const live = liveNodes(graph)
  const writer = new Writer(graph, live, unsized)
  for (const [i, node] of live.entries()) {
    if (i % NODES === 0) yield
    writer.node(node)
  }
  const asInputs = parameters === 'inputs'
  const weights = [...graph.parameters.values()].filter((value) => writer.used.has(value))
  // A message is its fields one after another, so nodes are encoded by themselves.
  const bytes = new BinaryWriter()
  const nodes = order === 'asMade' ? writer.nodes : writer.nodes.toReversed()
  for (const [i, node] of nodes.entries()) {
    if (i % NODES === 0) yield
    bytes.tag(GRAPH_NODE, WireType.LengthDelimited)
    bytes.bytes(toBinary(NodeProtoSchema, create(NodeProtoSchema, node)))
  }
  const rest = create(GraphProtoSchema, {
    name: graph.name,
    input: [...graph.inputs, ...(asInputs ? weights : [])].map((value) =>
      valueInfo(value.name, value),
    ),
    output: graph.outputs.map(({ name, value }) => valueInfo(name, value)),
    initializer: [...(asInputs ? [] : weights.map(externalTensor)), ...writer.initializers],
  })
  bytes.raw(toBinary(GraphProtoSchema, rest))
  yield
  return new BinaryWriter()
    .raw(toBinary(ModelProtoSchema, create(ModelProtoSchema, MODEL)))
    .tag(MODEL_GRAPH, WireType.LengthDelimited)
    .bytes(bytes.finish())
    .finish()
}

const MODEL = {
  irVersion: 10n,
  producerName: 'llava-ts',
  opsetImport: [
    { domain: '', version: 21n },
    { domain: 'com.microsoft', version: 1n },
  ],
}

/** The names of the parameters that some output depends on, in order of declaration. */
export function liveParameters(graph: Graph): Value[] {
  checkGraph('liveParameters: graph', graph)
  const used = new Set(liveNodes(graph).flatMap((node) => node.inputs))
  return [...graph.parameters.values()].filter((value) => used.has(value))
}

/** Nodes that some output depends on, in order. */
function liveNodes(graph: Graph): Node[] {
  const wanted = new Set<Node>()
  const stack = graph.outputs.map(({ value }) => value)
  for (let value = stack.pop(); value; value = stack.pop()) {
    const { origin } = value
    if (typeof origin === 'string' || wanted.has(origin)) continue
    wanted.add(origin)
    for (const input of origin.inputs) if (input) stack.push(input)
  }
  return graph.nodes.filter((node) => wanted.has(node))
}

class Writer {
  readonly nodes: MessageInitShape<typeof NodeProtoSchema>[] = []
  readonly initializers: MessageInitShape<typeof TensorProtoSchema>[] = []
  readonly used = new Set<Value>()
  readonly #graph: Graph
  /** What some node or the caller reads. */
  readonly #read: ReadonlySet<Value | null>
  /** Names of values that have others than their own. */
  readonly #names = new Map<Value, string>()
  readonly #tensors = new Map<string, string>()
  readonly #written = new Set<Value>()
  readonly #dims: DimArguments

  constructor(graph: Graph, nodes: readonly Node[], unsized: readonly string[]) {
    this.#graph = graph
    const outputs = graph.outputs.map(({ value }) => value)
    this.#read = new Set([...nodes.flatMap(({ inputs }) => inputs), ...outputs])
    this.#dims = new DimArguments({
      graph,
      node: (op, input, attributes) => this.#plainNode(op, input, attributes),
      int64: (numbers) => this.#int64(numbers),
      input: (value) => this.#name(value),
    })
    for (const input of graph.inputs) {
      if (unsized.includes(input.name)) this.#names.set(input, this.#unsizedView(input))
    }
    for (const { name, value } of graph.outputs) {
      // An output that is an input, a weight or already an output under another name needs a node of its own.
      if (typeof value.origin === 'string' || this.#names.has(value)) {
        this.nodes.push({ opType: 'Identity', input: [this.#name(value)], output: [name] })
      } else this.#names.set(value, name)
    }
  }

  node(node: Node): void {
    const definition: OpDefinition = OPS[node.op] as OpDefinition
    if (definition.domain === 'llava') {
      throw new ShapeError(
        'SHAPE_LOWERED',
        `${this.#graph.name}: ${node.op} has no form in ONNX before it is lowered; write the graph that lower gives.`,
      )
    }
    const input = node.inputs.map((value) => (value ? this.#name(value) : ''))
    const inputTensors = definition.tensors ?? []
    for (const name of inputTensors) {
      if (node.attributes[name] !== undefined) input.push(this.#dims.write(node, name))
    }
    const kinds = { ...definition.required, ...definition.optional }
    const attribute = Object.entries(node.attributes)
      .filter(([name, value]) => value !== undefined && !inputTensors.includes(name))
      .map(([name, value]) => attributeProto(name, kinds[name] as AttributeKind, value))
    this.nodes.push({
      name: `${node.op}_${(node.outputs[0] as Value).id}`,
      opType: node.op,
      domain: definition.domain,
      input,
      output: node.outputs.map((value) => this.#name(value)),
      attribute,
    })
    for (const index of definition.lasting ?? []) {
      const value = node.outputs[index]
      if (value && !this.#read.has(value)) this.#plainNode('Shape', [this.#name(value)], {})
    }
  }

  /** As many of its sizes as are picked are its shape: all, but only we know. */
  #unsizedView({ name, shape }: Value): string {
    const all = `all axes of ${name}`
    const picked = hostTensor('bool', [shape.length], new Uint8Array(shape.length).fill(1))
    this.initializers.push(tensorProto(all, picked))
    const sizes = this.#plainNode('Shape', [name], {})
    return this.#plainNode('Reshape', [name, this.#plainNode('Compress', [sizes, all], {})], {})
  }

  #plainNode(
    opType: string,
    input: readonly string[],
    attributes: Readonly<Record<string, number>>,
  ): string {
    const name = `dim${this.nodes.length}`
    const attribute = Object.entries(attributes).map(([key, value]) =>
      attributeProto(key, 'int', value),
    )
    this.nodes.push({ name, opType, input: [...input], output: [name], attribute })
    return name
  }

  #int64(numbers: readonly number[]): string {
    const key = numbers.join(',')
    const known = this.#tensors.get(key)
    if (known) return known
    const name = `int64[${key}]`
    this.#tensors.set(key, name)
    this.initializers.push(tensorProto(name, int64Tensor(numbers)))
    return name
  }

  #name(value: Value): string {
    this.used.add(value)
    const constant = this.#graph.constants.get(value)
    if (constant && !this.#written.has(value)) {
      this.#written.add(value)
      this.initializers.push(tensorProto(`${value.name}#${value.id}`, constant))
    }
    if (constant) return `${value.name}#${value.id}`
    return this.#names.get(value) ?? value.name
  }
}

const DATA_TYPES: { readonly [D in DType]: TensorProto_DataType } = {
  float32: TensorProto_DataType.FLOAT,
  float64: TensorProto_DataType.DOUBLE,
  float16: TensorProto_DataType.FLOAT16,
  bfloat16: TensorProto_DataType.BFLOAT16,
  int8: TensorProto_DataType.INT8,
  uint8: TensorProto_DataType.UINT8,
  int16: TensorProto_DataType.INT16,
  uint16: TensorProto_DataType.UINT16,
  int32: TensorProto_DataType.INT32,
  uint32: TensorProto_DataType.UINT32,
  int64: TensorProto_DataType.INT64,
  bool: TensorProto_DataType.BOOL,
}

function valueInfo(name: string, type: TensorType): MessageInitShape<typeof ValueInfoProtoSchema> {
  const dim = type.shape.map((d) => ({
    value:
      typeof d === 'number'
        ? ({ case: 'dimValue', value: BigInt(d) } as const)
        : ({ case: 'dimParam', value: d } as const),
  }))
  const tensor = { elemType: DATA_TYPES[type.dtype], shape: { dim } }
  return { name, type: { value: { case: 'tensorType', value: tensor } } }
}

function externalTensor(value: Value): MessageInitShape<typeof TensorProtoSchema> {
  return {
    name: value.name,
    dataType: DATA_TYPES[value.dtype],
    dims: (value.shape as readonly number[]).map(BigInt),
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: [{ key: 'location', value: EXTERNAL_LOCATION }],
  }
}

function tensorProto(name: string, tensor: HostTensor): MessageInitShape<typeof TensorProtoSchema> {
  return {
    name,
    dataType: DATA_TYPES[tensor.dtype],
    dims: tensor.shape.map(BigInt),
    rawData: bytesOf(tensor.data),
  }
}

function bytesOf(data: TypedArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

function attributeProto(
  name: string,
  kind: AttributeKind,
  value: unknown,
): MessageInitShape<typeof AttributeProtoSchema> {
  const type = AttributeProto_AttributeType
  switch (kind) {
    case 'int':
      return { name, type: type.INT, i: BigInt(value as number) }
    case 'float':
      return { name, type: type.FLOAT, f: value as number }
    case 'ints':
    case 'dims':
      return { name, type: type.INTS, ints: (value as readonly number[]).map(BigInt) }
    case 'string':
      return { name, type: type.STRING, s: new TextEncoder().encode(value as string) }
    case 'dtype':
      return { name, type: type.INT, i: BigInt(DATA_TYPES[value as DType]) }
  }
}
