/**
 * The external weights that a model declares, checked against those that are given for it.
 *
 * ONNX Runtime takes memory of any size for a declared weight and reads past its end, and ignores names it does not
 * know. So the declarations are read from the model's bytes first.
 */
import { fromBinary } from '@bufbuild/protobuf'
import { ConfigError } from '../core/errors.ts'
import type { HostTensor } from '../core/tensor.ts'
import {
  ModelProtoSchema,
  TensorProto_DataLocation,
  type ModelProto,
  type TensorProto,
} from '../graph/onnx_pb.ts'
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
  const declared = externalTensors(model)
  checkNames('initializer', declared, Object.fromEntries(initializers))
  const given = declared.map(({ name }) => initializers.get(name) as HostTensor)
  checkTypes([{ side: 'initializer', declared, given }])
}

function externalTensors(model: Uint8Array): readonly Declared[] {
  const initializers = parseModel(model).graph?.initializer ?? []
  return initializers
    .filter(({ dataLocation }) => dataLocation === TensorProto_DataLocation.EXTERNAL)
    .map(declaredOf)
}

function parseModel(model: Uint8Array): ModelProto {
  try {
    return fromBinary(ModelProtoSchema, model)
  } catch (cause) {
    throw new ConfigError(
      'CONFIG_RUNTIME_MODEL',
      `runtime: the bytes of an ONNX model are expected, ${model.length} bytes came that are none; write the graph with writeOnnx.`,
      { cause },
    )
  }
}

function declaredOf({ name, dataType, dims }: TensorProto): Declared {
  const dtype = dtypeOfElementType(dataType)
  if (dtype !== undefined) return { name, dtype, shape: dims.map(Number) }
  throw new ConfigError(
    'CONFIG_RUNTIME_DTYPE',
    `runtime: initializer ${name} should be of a dtype that tensors here have, the model declares ONNX type ${dataType}; change the graph.`,
  )
}
