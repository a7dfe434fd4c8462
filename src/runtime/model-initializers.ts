/**
 * The external weights that a model declares, checked against those that are given for it.
 *
 * ONNX Runtime takes memory of any size for a declared weight and reads past its end, and ignores names it does not
 * know. So the declarations are read from the model's bytes first.
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { ConfigError } from '../core/errors.ts'
import { atOnce, type Steps } from '../core/steps.ts'
import type { HostTensor } from '../core/tensor.ts'
import { TensorProto_DataLocation } from '../graph/onnx_pb.ts'
import { checkNames, checkTypes, type Declared } from './session-signature.ts'
import { dtypeOfElementType } from './tensor-registry.ts'

/**
 * Throws ConfigError naming every weight that is missing, unknown or of a dtype no tensor here can have, ShapeError
 * naming every one whose dtype or shape differs.
 */
export function checkInitializers(
  model: Uint8Array,
  initializers: ReadonlyMap<string, HostTensor>,
): void {
  atOnce(initializerSteps(model, initializers))
}

/** The same with pauses. */
export function* initializerSteps(
  model: Uint8Array,
  initializers: ReadonlyMap<string, HostTensor>,
): Steps<void> {
  const declared = yield* externalTensors(model)
  checkNames('initializer', declared, Object.fromEntries(initializers))
  const given = declared.map(({ name }) => initializers.get(name) as HostTensor)
  checkTypes([{ side: 'initializer', declared, given }])
}

/** Field numbers of onnx.proto. Only what is asked for is decoded: a whole graph would block for too long. */
const MODEL_GRAPH = 7
const GRAPH_INITIALIZER = 5
const TENSOR = { dims: 1, dataType: 2, name: 8, dataLocation: 14 } as const

function* externalTensors(model: Uint8Array): Steps<readonly Declared[]> {
  try {
    const tensors: TensorHeader[] = []
    for (const graph of yield* messages(model, MODEL_GRAPH)) {
      for (const bytes of yield* messages(graph, GRAPH_INITIALIZER)) tensors.push(readTensor(bytes))
      yield
    }
    return tensors
      .filter(({ dataLocation }) => dataLocation === TensorProto_DataLocation.EXTERNAL)
      .map(declaredOf)
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause
    throw new ConfigError(
      'CONFIG_RUNTIME_MODEL',
      `runtime: the bytes of an ONNX model are expected, ${model.length} bytes came that are none; write the graph with writeOnnx.`,
      { cause },
    )
  }
}

/** Fields between two pauses. */
const FIELDS = 512

/** The messages in one repeated field of a message. */
function* messages(bytes: Uint8Array, field: number): Steps<readonly Uint8Array[]> {
  const found: Uint8Array[] = []
  let fields = 0
  for (const reader = new BinaryReader(bytes); reader.pos < reader.len;) {
    const [number, wireType] = reader.tag()
    if (number === field && wireType === WireType.LengthDelimited) found.push(reader.bytes())
    else reader.skip(wireType, number)
    if (++fields % FIELDS === 0) yield
  }
  return found
}

type TensorHeader = { name: string; dataType: number; dataLocation: number; dims: number[] }

function readTensor(bytes: Uint8Array): TensorHeader {
  const tensor: TensorHeader = { name: '', dataType: 0, dataLocation: 0, dims: [] }
  for (const reader = new BinaryReader(bytes); reader.pos < reader.len;) {
    const [number, wireType] = reader.tag()
    if (number === TENSOR.name) tensor.name = reader.string()
    else if (number === TENSOR.dataType) tensor.dataType = reader.int32()
    else if (number === TENSOR.dataLocation) tensor.dataLocation = reader.int32()
    else if (number === TENSOR.dims) readDims(reader, wireType, tensor.dims)
    else reader.skip(wireType, number)
  }
  return tensor
}

/** Numbers come one by one or packed, as the writer likes. */
function readDims(reader: BinaryReader, wireType: WireType, dims: number[]): void {
  const end = wireType === WireType.LengthDelimited ? reader.uint32() + reader.pos : reader.pos + 1
  while (reader.pos < end) dims.push(Number(reader.int64()))
}

function declaredOf({ name, dataType, dims }: TensorHeader): Declared {
  const dtype = dtypeOfElementType(dataType)
  if (dtype !== undefined) return { name, dtype, shape: dims }
  throw new ConfigError(
    'CONFIG_RUNTIME_DTYPE',
    `runtime: initializer ${name} should be of a dtype that tensors here have, the model declares ONNX type ${dataType}; change the graph.`,
  )
}
