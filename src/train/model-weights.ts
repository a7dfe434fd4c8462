/** Tensors of a model by the names that lowered graphs give them: trained ones in the store, frozen ones as stored. */
import { toFloat32, type HostTensor } from '../core/tensor.ts'
import type { ParameterMap } from '../families/parameter-map.ts'
import type { Runtime, Tensor } from '../runtime/runtime.ts'
import { assertFinite, quantizeInt8, type WeightSource } from '../weights/index.ts'
import type { DropoutMasks } from './dropout-masks.ts'
import { ParameterStore } from './parameter-store.ts'
import type { Lookup } from './stage.ts'

export type ModelWeightsParts = {
  readonly store: ParameterStore
  readonly masks: DropoutMasks | null
  /** A tensor that is not trained; asked for once. */
  readonly frozen: (path: string) => Tensor
}

export class ModelWeights {
  readonly store: ParameterStore
  readonly masks: DropoutMasks | null
  readonly #frozen: (path: string) => Tensor
  readonly #known = new Map<string, Tensor>()

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

  tensor(path: string): Tensor {
    if (this.store.has(path)) return this.store.weight(path)
    const known = this.#known.get(path)
    if (known) return known
    const tensor = this.#frozen(path)
    this.#known.set(path, tensor)
    return tensor
  }

  /** The same model with nothing trained: what is trained here has the values of `start`, the rest is shared. */
  frozenCopy(runtime: Runtime, start: (path: string) => Float32Array): ModelWeights {
    const frozen = (path: string) => {
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
): (path: string) => Tensor {
  return (path) => {
    const { dtype, shape, data } = quantized?.tensors.has(path)
      ? quantized.read(path)
      : widened(parameters, path)
    return runtime.tensor(dtype, shape, data)
  }
}

function widened(parameters: ParameterMap, path: string): HostTensor {
  const stored = parameters.read(path)
  assertFinite(stored, path, 'the checkpoint')
  return { dtype: 'float32', shape: stored.shape, data: toFloat32(stored) }
}
