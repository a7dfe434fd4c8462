/** Tensors of a model by the names that lowered graphs give them: trained ones in the store, frozen ones as stored. */
import { toFloat32, type HostTensor } from '../core/tensor.ts'
import type { Runtime, Tensor } from '../runtime/runtime.ts'
import type { ParameterMap } from '../families/parameter-map.ts'
import { assertFinite, type WeightSource } from '../weights/index.ts'
import type { DropoutMasks } from './dropout-masks.ts'
import type { ParameterStore } from './parameter-store.ts'
import type { Lookup } from './stage.ts'

export type ModelWeightsParts = {
  readonly parameters: ParameterMap
  readonly store: ParameterStore
  /** Frozen weights in fewer bits, `PATH.int8`, `PATH.scale` …, null where all are float32. */
  readonly quantized: WeightSource | null
  readonly masks: DropoutMasks | null
}

export class ModelWeights {
  readonly store: ParameterStore
  readonly masks: DropoutMasks | null
  readonly #runtime: Runtime
  readonly #parameters: ParameterMap
  readonly #quantized: WeightSource | null
  readonly #frozen = new Map<string, Tensor>()

  constructor(runtime: Runtime, { parameters, store, quantized, masks }: ModelWeightsParts) {
    this.#runtime = runtime
    this.#parameters = parameters
    this.#quantized = quantized
    this.store = store
    this.masks = masks
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
    return this.store.has(path) ? this.store.weight(path) : this.#frozenTensor(path)
  }

  #mask(module: string): Tensor {
    if (!this.masks) throw new Error(`internal: ${module} has no dropout`)
    return this.masks.tensor(module)
  }

  #frozenTensor(path: string): Tensor {
    const known = this.#frozen.get(path)
    if (known) return known
    const { dtype, shape, data } = this.#read(path)
    const tensor = this.#runtime.tensor(dtype, shape, data)
    this.#frozen.set(path, tensor)
    return tensor
  }

  #read(path: string): HostTensor {
    if (this.#quantized?.tensors.has(path)) return this.#quantized.read(path)
    const stored = this.#parameters.read(path)
    assertFinite(stored, path, 'the checkpoint')
    return { dtype: 'float32', shape: stored.shape, data: toFloat32(stored) }
  }
}
