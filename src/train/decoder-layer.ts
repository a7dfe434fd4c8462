/** One half of a decoder layer, as stages that serve every layer of its shape. */
import { keepProducts } from '../autodiff/index.ts'
import type { Graph } from '../graph/graph.ts'
import type { LinearPrecision, LoweringOptions, PrecisionPolicy } from '../graph/lower.ts'
import { liveParameters } from '../graph/onnx-writer.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { ANY_LAYER } from './decoder-graphs.ts'
import { Stage } from './stage.ts'

/** Whether backward takes the products of forward or makes them again. */
export type Keeping = 'keep' | 'recompute'

export type LayerHalf = {
  /** Paths of its trained parameters, in layer 0. */
  readonly trained: readonly string[]
  readonly stages: { readonly [K in Keeping]: Stage }
}

export type HalfOptions = LoweringOptions & {
  readonly index: number
  readonly policy: PrecisionPolicy
  readonly isTrained: (path: string) => boolean
  /** Inputs whose gradients go on to what came before. */
  readonly wrt: readonly string[]
  readonly passed?: readonly string[]
}

/** From the layer that stands for all to layer `index`. */
export function layerPath(index: number): (path: string) => string {
  return (path) =>
    path.startsWith(ANY_LAYER) ? `decoder.layers.${index}.${path.slice(ANY_LAYER.length)}` : path
}

/** Makes each half once for all layers that train and store the same weights in the same way. */
export class LayerHalves {
  readonly #runtime: Runtime
  readonly #known = new Map<string, LayerHalf>()

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  half(graph: Graph, { index, policy, isTrained, wrt, passed, widen }: HalfOptions): LayerHalf {
    const path = layerPath(index)
    const names = liveParameters(graph).map(({ name }) => name)
    const trained = names.filter((name) => isTrained(path(name)))
    const layerPolicy = (name: string): LinearPrecision => policy(path(name))
    const key = [graph.name, ...names.map((name) => `${name} ${layerPolicy(name)}`), '', ...trained]
    const known = this.#known.get(key.join('\n'))
    if (known) return known
    const shared = { policy: layerPolicy, wrt: [...wrt, ...trained], passed, widen }
    const half = {
      trained,
      stages: {
        keep: new Stage(this.#runtime, graph, { ...shared, keep: keepProducts }),
        recompute: new Stage(this.#runtime, graph, shared),
      },
    }
    this.#known.set(key.join('\n'), half)
    return half
  }

  async dispose(): Promise<void> {
    for (const { stages } of this.#known.values()) {
      await stages.keep.dispose()
      await stages.recompute.dispose()
    }
  }
}
