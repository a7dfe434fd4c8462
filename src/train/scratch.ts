/** Memory that is written anew in every run and kept for the next one, by name; it grows to the largest shape asked for. */
import { allocate, type DType, type TypedArray } from '../core/dtype.ts'
import { elementCount, sameShape } from '../core/shape.ts'
import type { Runtime, Tensor } from '../runtime/runtime.ts'

type Entry = { readonly memory: TypedArray; readonly tensor: Tensor }

export class Scratch {
  readonly #runtime: Runtime
  readonly #entries = new Map<string, Entry>()

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  /** What was there before in this memory is undefined; a tensor of this name with another shape is disposed of. */
  tensor(name: string, shape: readonly number[], dtype: DType = 'float32'): Tensor {
    const known = this.#entries.get(name)
    if (known && known.tensor.dtype === dtype && sameShape(known.tensor.shape, shape)) {
      return known.tensor
    }
    const count = elementCount(shape)
    const isLarge =
      known !== undefined && known.tensor.dtype === dtype && known.memory.length >= count
    const memory = isLarge ? known.memory : allocate(dtype, count)
    known?.tensor.dispose()
    const tensor = this.#runtime.tensor(dtype, shape, memory.subarray(0, count))
    this.#entries.set(name, { memory, tensor })
    return tensor
  }

  /** A float32 tensor of zeros. */
  zeros(name: string, shape: readonly number[]): Tensor {
    const tensor = this.tensor(name, shape)
    ;(tensor.data as Float32Array).fill(0)
    return tensor
  }

  /** A tensor with a copy of `data`. */
  filled(name: string, shape: readonly number[], data: Float32Array | BigInt64Array): Tensor {
    const isFloat = data instanceof Float32Array
    const tensor = this.tensor(name, shape, isFloat ? 'float32' : 'int64')
    if (isFloat) (tensor.data as Float32Array).set(data)
    else (tensor.data as BigInt64Array).set(data)
    return tensor
  }

  dispose(): void {
    for (const { tensor } of this.#entries.values()) tensor.dispose()
    this.#entries.clear()
  }
}
