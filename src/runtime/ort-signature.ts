/** Reads what a native session declares: names, dtypes and shapes of its inputs and outputs. */
import { ConfigError } from '../core/errors.ts'
import type { Dim } from '../core/shape.ts'
import { readCString, type OrtApi, type Pointer } from './ort-abi.ts'
import type { Declared, Signature } from './session-signature.ts'
import { dtypeOfElementType } from './tensor-registry.ts'

/** Names as C strings, in the order that the signature lists them; valid until released. */
export type NativeNames = {
  readonly inputs: BigUint64Array
  readonly outputs: BigUint64Array
  release(): void
}

type Side = 'input' | 'output'

const FUNCTIONS = {
  input: {
    count: 'SessionGetInputCount',
    name: 'SessionGetInputName',
    type: 'SessionGetInputTypeInfo',
  },
  output: {
    count: 'SessionGetOutputCount',
    name: 'SessionGetOutputName',
    type: 'SessionGetOutputTypeInfo',
  },
} as const

/** Throws ConfigError if an input or output is no tensor, or of a dtype that no tensor here can have. */
export function readSignature(
  api: OrtApi,
  allocator: Pointer,
  session: Pointer,
): { readonly signature: Signature; readonly names: NativeNames } {
  const inputs = readNames(api, allocator, session, 'input')
  const outputs = readNames(api, allocator, session, 'output')
  const release = () => {
    for (const name of [...inputs, ...outputs]) api.call('AllocatorFree', allocator, name)
  }
  try {
    const signature = {
      inputs: Array.from(inputs, (name, i) => readDeclared(api, session, 'input', i, name)),
      outputs: Array.from(outputs, (name, i) => readDeclared(api, session, 'output', i, name)),
    }
    return { signature, names: { inputs, outputs, release } }
  } catch (error) {
    release()
    throw error
  }
}

function readNames(api: OrtApi, allocator: Pointer, session: Pointer, side: Side): BigUint64Array {
  const count = Number(api.make(FUNCTIONS[side].count, session))
  const names = new BigUint64Array(count)
  for (let i = 0; i < count; i++) {
    names[i] = api.make(FUNCTIONS[side].name, session, i, allocator)
  }
  return names
}

function readDeclared(
  api: OrtApi,
  session: Pointer,
  side: Side,
  index: number,
  name: Pointer,
): Declared {
  const typeInfo = api.make(FUNCTIONS[side].type, session, index)
  try {
    const tensorInfo = api.make('CastTypeInfoToTensorInfo', typeInfo)
    const dtype = tensorInfo === 0n ? undefined : readDType(api, tensorInfo)
    if (dtype === undefined) {
      throw new ConfigError(
        'CONFIG_RUNTIME_DTYPE',
        `runtime: ${side} ${readCString(name)} should be a tensor of a known dtype, the model declares another type; change the graph.`,
      )
    }
    return { name: readCString(name), dtype, shape: readShape(api, tensorInfo) }
  } finally {
    api.free('ReleaseTypeInfo', typeInfo)
  }
}

function readDType(api: OrtApi, tensorInfo: Pointer) {
  const elementType = new Int32Array(1)
  api.call('GetTensorElementType', tensorInfo, elementType)
  return dtypeOfElementType(elementType[0] as number)
}

function readShape(api: OrtApi, tensorInfo: Pointer): readonly Dim[] {
  const rank = Number(api.make('GetDimensionsCount', tensorInfo))
  const sizes = new BigInt64Array(rank)
  const symbols = new BigUint64Array(rank)
  api.call('GetDimensions', tensorInfo, sizes, rank)
  api.call('GetSymbolicDimensions', tensorInfo, symbols, rank)
  return Array.from(sizes, (size, axis) => {
    if (size >= 0n) return Number(size)
    return readCString(symbols[axis] as Pointer) || '?'
  })
}
