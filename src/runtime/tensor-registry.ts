/**
 * Tensors over JavaScript memory, and who keeps that memory alive.
 *
 * Native code holds a bare address; V8 may collect an array whose address alone is in use, and a variable in scope
 * does not prevent that. So every wrapped array is held here from wrapping to release. Releasing waits until no run
 * uses the tensor; a tensor that was forgotten is released when it is collected.
 */
import { allocate, type DType, type TypedArray } from '../core/dtype.ts'
import { ConfigError, ShapeError } from '../core/errors.ts'
import { elementCount, formatType } from '../core/shape.ts'
import type { OrtApi, Pointer } from './ort-abi.ts'
import type { Tensor } from './runtime.ts'

/** `ONNXTensorElementDataType`. Source: onnxruntime_c_api.h. */
const ELEMENT_TYPES: { readonly [D in DType]: number } = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  bfloat16: 16,
}

const DTYPES = new Map<number, DType>(
  (Object.keys(ELEMENT_TYPES) as DType[]).map((dtype) => [ELEMENT_TYPES[dtype], dtype]),
)

/** Our name of an ONNX element type; undefined for strings, complex numbers and what else no tensor here can hold. */
export function dtypeOfElementType(elementType: number): DType | undefined {
  return DTYPES.get(elementType)
}

/** What is needed of the environment to wrap memory. */
export type Wrapper = { readonly api: OrtApi; readonly memoryInfo: Pointer }

/** One wrapped array: pinned from construction until the native value is released. */
class Pin {
  readonly handle: Pointer
  readonly data: TypedArray
  readonly byteLength: number
  locks = 0
  disposed = false
  constructor(handle: Pointer, data: TypedArray) {
    this.handle = handle
    this.data = data
    this.byteLength = data.byteLength
  }
}

export class TensorRegistry {
  readonly #wrapper: Wrapper
  readonly #pins = new Set<Pin>()
  readonly #forgotten = new FinalizationRegistry<Pin>((pin) => this.dispose(pin))

  constructor(wrapper: Wrapper) {
    this.#wrapper = wrapper
  }

  /** Number of native values alive. */
  get size(): number {
    return this.#pins.size
  }

  /** Wraps `data`, or new zeroed memory, without a copy. Throws ShapeError unless dtype and length fit. */
  tensor(dtype: DType, shape: readonly number[], data?: TypedArray): HostBackedTensor {
    checkDims(dtype, shape)
    const memory = data ?? allocate(dtype, elementCount(shape))
    checkMemory(dtype, shape, memory)
    const pin = new Pin(this.#wrap(dtype, shape, memory), memory)
    this.#pins.add(pin)
    const tensor = new HostBackedTensor(this, pin, dtype, shape)
    this.#forgotten.register(tensor, pin, pin)
    return tensor
  }

  /**
   * The tensor given as `label`. Throws ConfigError unless it was made here, is not disposed and
   * still has its memory.
   */
  check(label: string, tensor: Tensor | undefined): HostBackedTensor {
    const isOurs = tensor instanceof HostBackedTensor
    const fault = isOurs ? tensor.fault(this) : 'was not made by a runtime'
    if (isOurs && fault === undefined) return tensor
    throw new ConfigError(
      'CONFIG_RUNTIME_TENSOR',
      `runtime: ${label} should be a living tensor of this runtime, the one given ${fault}; make it with runtime.tensor and dispose of it after the run.`,
    )
  }

  /** Releases the native value now, or when the last lock goes. */
  dispose(pin: Pin): void {
    pin.disposed = true
    this.#forgotten.unregister(pin)
    if (pin.locks === 0 && this.#pins.delete(pin)) {
      this.#wrapper.api.free('ReleaseValue', pin.handle)
    }
  }

  lock(pin: Pin): void {
    pin.locks++
  }

  unlock(pin: Pin): void {
    pin.locks--
    if (pin.disposed) this.dispose(pin)
  }

  disposeAll(): void {
    for (const pin of this.#pins) this.dispose(pin)
  }

  #wrap(dtype: DType, shape: readonly number[], data: TypedArray): Pointer {
    const { api, memoryInfo } = this.#wrapper
    const dims = BigInt64Array.from(shape, BigInt)
    // An array without elements may have no address, which ONNX Runtime refuses; any address will do for it.
    const memory = data.length === 0 ? NOTHING : data
    return api.make(
      'CreateTensorWithDataAsOrtValue',
      memoryInfo,
      memory,
      data.byteLength,
      dims,
      dims.length,
      ELEMENT_TYPES[dtype],
    )
  }
}

const NOTHING = new Uint8Array(8)

export class HostBackedTensor implements Tensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly #registry: TensorRegistry
  readonly #pin: Pin

  constructor(registry: TensorRegistry, pin: Pin, dtype: DType, shape: readonly number[]) {
    this.#registry = registry
    this.#pin = pin
    this.dtype = dtype
    this.shape = Object.freeze([...shape])
  }

  get data(): TypedArray {
    return this.#pin.data
  }

  get handle(): Pointer {
    return this.#pin.handle
  }

  /** Why this tensor cannot be given to a session of `registry`, or undefined. */
  fault(registry: TensorRegistry): string | undefined {
    if (this.#registry !== registry) return 'belongs to another runtime'
    if (this.#pin.disposed) return 'is disposed'
    if (this.#pin.data.byteLength !== this.#pin.byteLength) return 'has lost its memory (detached)'
    return undefined
  }

  view(shape: readonly number[], offset = 0): HostBackedTensor {
    if (this.#pin.disposed) {
      throw new ConfigError(
        'CONFIG_RUNTIME_DISPOSED',
        `runtime: view of ${formatType(this.dtype, this.shape)} expects a living tensor, it is disposed; make views first.`,
      )
    }
    const end = offset + elementCount(shape)
    if (!(Number.isInteger(offset) && offset >= 0 && end <= this.data.length)) {
      throw new ShapeError(
        'SHAPE_VIEW',
        `runtime: a view ${formatType(this.dtype, shape)} at element ${offset} ends at ${end}, ${formatType(this.dtype, this.shape)} has ${this.data.length} elements; view inside them.`,
      )
    }
    return this.#registry.tensor(this.dtype, shape, this.data.subarray(offset, end))
  }

  /** Holds the native value until the returned function is called once. */
  lock(): () => void {
    const [registry, pin] = [this.#registry, this.#pin]
    registry.lock(pin)
    return () => registry.unlock(pin)
  }

  dispose(): void {
    this.#registry.dispose(this.#pin)
  }
}

function checkDims(dtype: DType, shape: readonly number[]): void {
  if (shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) return
  throw new ShapeError(
    'SHAPE_DIMENSION',
    `runtime: a tensor's dimensions should be whole numbers, ${formatType(dtype, shape)} came; give every symbol its value.`,
  )
}

function checkMemory(dtype: DType, shape: readonly number[], data: TypedArray): void {
  const expected = allocate(dtype, 0).constructor as Uint8ArrayConstructor
  if (!(data instanceof expected)) {
    throw new ShapeError(
      'SHAPE_DATA',
      `runtime: ${formatType(dtype, shape)} lives in a ${expected.name}, ${describe(data)} came; convert the data.`,
    )
  }
  if (data.length !== elementCount(shape)) {
    throw new ShapeError(
      'SHAPE_DATA',
      `runtime: ${formatType(dtype, shape)} needs ${elementCount(shape)} elements, the data has ${data.length}; give exactly its part (subarray).`,
    )
  }
}

function describe(data: unknown): string {
  return ArrayBuffer.isView(data) ? `a ${data.constructor.name}` : `a value of type ${typeof data}`
}
