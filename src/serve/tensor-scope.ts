/** Tensors that live as long as one run, or as long as what owns the scope. */
import type { Runtime, Tensor } from '../runtime/runtime.ts'

export class TensorScope {
  readonly #runtime: Runtime
  readonly #tensors: Tensor[] = []

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  tensor(...args: Parameters<Runtime['tensor']>): Tensor {
    return this.own(this.#runtime.tensor(...args))
  }

  own(tensor: Tensor): Tensor {
    this.#tensors.push(tensor)
    return tensor
  }

  dispose(): void {
    for (const tensor of this.#tensors) tensor.dispose()
  }
}
