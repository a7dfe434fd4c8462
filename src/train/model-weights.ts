/** Tensors of a model by the names that lowered graphs give them: trained ones in the store, frozen ones as stored. */
import type { ParameterMap } from '../families/parameter-map.ts'
import type { Runtime, Tensor } from '../runtime/runtime.ts'
import { readFloatWeight, turnTaker } from '../read-float-weight.ts'
import { quantizeInt8, type WeightSource } from '../weights/index.ts'
import type { DropoutMasks } from './dropout-masks.ts'
import { ParameterStore } from './parameter-store.ts'
import type { Lookup } from './stage.ts'

export type ModelWeightsParts = {
  readonly store: ParameterStore
  readonly masks: DropoutMasks | null
  /** A tensor that is not trained; asked for once. */
  readonly frozen: (path: string) => Promise<Tensor>
}

export class ModelWeights {
  readonly store: ParameterStore
  readonly masks: DropoutMasks | null
  readonly #frozen: (path: string) => Promise<Tensor>
  readonly #known = new Map<string, Tensor>()
  readonly #reading = new Map<string, Promise<Tensor>>()

  constructor({ store, masks, frozen }: ModelWeightsParts) {
    this.store = store
    this.masks = masks
    this.#frozen = frozen
  }

  /**
   * What a stage binds besides activations, which come first: weights, `gradient.PATH`, `accumulated.PATH` and
   * `mask.PATH`. `rename` makes the path of the layer at hand from that of the layer that stands for all.
   */
  lookup(
    activations: ReadonlyMap<string, Tensor>,
    rename: (path: string) => string = (path) => path,
  ): Lookup {
    return (name) => {
      const activation = activations.get(name)
      if (activation) return activation
      const [, kind, path] = /^(gradient|accumulated|mask)\.(.*)$/.exec(name) ?? []
      if (path === undefined) return this.tensor(rename(name))
      return kind === 'mask' ? this.#mask(rename(path)) : this.store.gradient(rename(path))
    }
  }

  tensor(path: string): Tensor | Promise<Tensor> {
    if (this.store.has(path)) return this.store.weight(path)
    const known = this.#known.get(path) ?? this.#reading.get(path)
    if (known) return known
    const reading = this.#frozen(path).then((tensor) => {
      this.#known.set(path, tensor)
      this.#reading.delete(path)
      return tensor
    })
    this.#reading.set(path, reading)
    return reading
  }

  /** The same model with nothing trained: what is trained here has the values of `start`, the rest is shared. */
  frozenCopy(runtime: Runtime, start: (path: string) => Float32Array): ModelWeights {
    const frozen = async (path: string) => {
      if (this.store.has(path)) {
        return runtime.tensor('float32', this.store.weight(path).shape, start(path))
      }
      const [, weight = '', part] = /^(.*)\.(int8|scale)$/.exec(path) ?? []
      if (!this.store.has(weight)) return this.tensor(path)
      const [rows, columns] = this.store.weight(weight).shape as readonly [number, number]
      const { data, scale } = quantizeInt8(start(weight), { rows, columns })
      return part === 'int8'
        ? runtime.tensor('int8', [columns, rows], data)
        : runtime.tensor('float32', [rows], scale)
    }
    return new ModelWeights({ store: new ParameterStore(runtime, []), masks: null, frozen })
  }

  #mask(module: string): Tensor {
    if (!this.masks) throw new Error(`internal: ${module} has no dropout`)
    return this.masks.tensor(module)
  }
}

/** Reads frozen tensors: in fewer bits where `quantized` has them, else as float32. */
export function frozenReader(
  runtime: Runtime,
  parameters: ParameterMap,
  quantized: WeightSource | null,
): (path: string) => Promise<Tensor> {
  const allocate = (elements: number) => new Float32Array(elements)
  return async (path) => {
    const { dtype, shape, data } = quantized?.tensors.has(path)
      ? quantized.read(path)
      : await readFloatWeight(path, { parameters, allocate, takeTurns: turnTaker() })
    return runtime.tensor(dtype, shape, data)
  }
}
