/** Tensors of a model by the names that lowered graphs give them: trained ones in the store, frozen ones as stored. */
import { toFloat32 } from '../core/tensor.ts'
import type { Runtime, Tensor } from '../runtime/runtime.ts'
import type { ParameterMap } from '../families/parameter-map.ts'
import { assertFinite } from '../weights/index.ts'
import type { ParameterStore } from './parameter-store.ts'
import type { Lookup } from './stage.ts'

export class ModelWeights {
  readonly store: ParameterStore
  readonly #runtime: Runtime
  readonly #parameters: ParameterMap
  readonly #frozen = new Map<string, Tensor>()

  constructor(runtime: Runtime, parameters: ParameterMap, store: ParameterStore) {
    this.#runtime = runtime
    this.#parameters = parameters
    this.store = store
  }

  /**
   * What a stage binds besides activations, which come first: weights, `gradient.PATH` and `accumulated.PATH`. `rename`
   * makes the path of the layer at hand from that of the layer that stands for all.
   */
  lookup(
    activations: ReadonlyMap<string, Tensor>,
    rename: (path: string) => string = (path) => path,
  ): Lookup {
    return (name) => {
      const activation = activations.get(name)
      if (activation) return activation
      const gradient = /^(?:gradient|accumulated)\.(.*)$/.exec(name)
      if (gradient) return this.store.gradient(rename(gradient[1] as string))
      return this.tensor(rename(name))
    }
  }

  tensor(path: string): Tensor {
    return this.store.has(path) ? this.store.weight(path) : this.#frozenTensor(path)
  }

  #frozenTensor(path: string): Tensor {
    const known = this.#frozen.get(path)
    if (known) return known
    const stored = this.#parameters.read(path)
    assertFinite(stored, path, 'the checkpoint')
    const tensor = this.#runtime.tensor('float32', stored.shape, toFloat32(stored))
    this.#frozen.set(path, tensor)
    return tensor
  }
}
