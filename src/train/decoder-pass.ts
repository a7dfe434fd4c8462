/**
 * All layers of the decoder, forward and backward: in each layer projections over all rows, attention block by block, and
 * the rest over all rows.
 *
 * Forward leaves each layer's input; what else backward needs is kept too, or made again.
 */
import { elementCount } from '../core/shape.ts'
import type { Steps } from '../core/steps.ts'
import { layerAttention, type DecoderConfig } from '../decoder/decoder.ts'
import { resolveShape } from '../graph/dimension.ts'
import type { Graph } from '../graph/graph.ts'
import type { LoweringOptions, PrecisionPolicy } from '../graph/lower.ts'
import type { RunOptions, Runtime, Tensor } from '../runtime/runtime.ts'
import { AttentionPass, type AttentionMemory } from './attention-pass.ts'
import type { Batch } from './batch.ts'
import { projectionsGraph, restGraph } from './decoder-graphs.ts'
import { LayerHalves, layerPath, type Keeping, type LayerHalf } from './decoder-layer.ts'
import { hasNonFinite } from './diverged.ts'
import type { ModelWeights } from './model-weights.ts'
import { RotaryTensors } from './rotary-tensors.ts'
import { Scratch } from './scratch.ts'
import type { Lookup } from './stage.ts'

/** `evaluate`: there will be no backward. */
export type PassMode = Keeping | 'evaluate'

export type DecoderPassParts = LoweringOptions & {
  readonly runtime: Runtime
  readonly config: DecoderConfig
  readonly weights: ModelWeights
  readonly policy: PrecisionPolicy
  /** Adds adapters to a graph whose paths mean the layer that `path` gives. */
  readonly adapt: (graph: Graph, path: (path: string) => string) => Graph
}

const HALVES = ['projections', 'rest'] as const
type HalfName = (typeof HALVES)[number]

type Layer = { readonly [H in HalfName]: LayerHalf } & {
  readonly path: (path: string) => string
  /** Layers that attend alike share it. */
  readonly attention: AttentionPass
}

/** What one layer reads and writes in one run, by the names of its graphs. */
type LayerMemory = AttentionMemory & Readonly<Record<'x' | 'y' | 'cos' | 'sin', Tensor>>

type Tensors = Readonly<Record<string, Tensor>>

export type BackwardStart = {
  /** Gradient of the hidden states; what comes back is in the same memory. */
  readonly dy: Tensor
  /** The last layer to go through. */
  readonly until: number
  readonly keeping: Keeping
}

export class DecoderPass {
  readonly #config: DecoderConfig
  readonly #weights: ModelWeights
  readonly #halves: LayerHalves
  readonly #layers: readonly Layer[]
  readonly #rotary: RotaryTensors
  readonly #scratch: Scratch;

  /** With pauses: the graphs of every layer are made and differentiated. */
  static *steps(parts: DecoderPassParts): Steps<DecoderPass> {
    const { runtime, config } = parts
    const halves = new LayerHalves(runtime)
    const attentionOf = attentionPasses(runtime, config)
    const layers: Layer[] = []
    for (let index = 0; index < config.numLayers; index++) {
      layers.push({ attention: attentionOf(index), ...makeHalves(index, halves, parts) })
      yield
    }
    return new DecoderPass(parts, { halves, layers })
  }

  constructor(
    { runtime, config, weights }: DecoderPassParts,
    { halves, layers }: { readonly halves: LayerHalves; readonly layers: readonly Layer[] },
  ) {
    this.#config = config
    this.#weights = weights
    this.#halves = halves
    this.#layers = layers
    this.#rotary = new RotaryTensors(runtime, config)
    this.#scratch = new Scratch(runtime)
  }

  /** The first layer that trains something; the number of layers where none does. */
  get firstTrained(): number {
    const index = this.#layers.findIndex((layer) =>
      HALVES.some((half) => layer[half].trained.length > 0),
    )
    return index < 0 ? this.#layers.length : index
  }

  /** float32[1,T,D]: where the embeddings of a batch are to be written. */
  input(batch: Batch): Tensor {
    return this.#states(batch, 0, 'evaluate')
  }

  /** Bytes of activations that lie between forward and backward of T positions. */
  activationBytes(length: number, keeping: Keeping): number {
    const { hiddenSize, attention } = this.#config
    const { numHeads, numKvHeads, headDim } = attention
    const states = (this.#layers.length + 1) * hiddenSize * length
    if (keeping === 'recompute') return 4 * states
    const rows = (3 * numHeads + 2 * numKvHeads) * headDim * length
    const kept = this.#layers.flatMap((layer) =>
      HALVES.flatMap((half) => keptShapes(layer[half], length)),
    )
    const products = kept.reduce((sum, { shape }) => sum + elementCount(shape), 0)
    return 4 * (states + this.#layers.length * rows + products)
  }

  /** From the embeddings in `input` to hidden states float32[1,T,D], before the last norm. */
  async forward(batch: Batch, mode: PassMode, options: RunOptions): Promise<Tensor> {
    for (let index = 0; index < this.#layers.length; index++) {
      const { projections, attention, rest } = this.#layers[index] as Layer
      const memory = this.#memory(batch, index, mode)
      const find = (half: HalfName) => this.#lookup(memory, { index, half, mode })
      const keeping = mode === 'keep' ? 'keep' : 'recompute'
      await projections.stages[keeping].forward(find('projections'), options)
      await attention.forward(batch, memory, options)
      await rest.stages[keeping].forward(find('rest'), options)
    }
    return this.#states(batch, this.#layers.length, mode)
  }

  /** From the gradient of the hidden states to that of the input of layer `until`; those of parameters go into the store. */
  async backward(batch: Batch, start: BackwardStart, options: RunOptions): Promise<Tensor> {
    const { dy, until, keeping } = start
    for (let index = this.#layers.length - 1; index >= until; index--) {
      const memory = this.#memory(batch, index, keeping)
      if (keeping === 'recompute') await this.#recompute(batch, { index, memory }, options)
      const gradients = this.#gradients(batch)
      const { middle, attended, q, k, v } = gradients
      const ofRest = { y: dy, x: middle, attended }
      await this.#half(
        { index, half: 'rest', mode: keeping },
        { memory, gradients: ofRest },
        options,
      )
      await this.#layers[index]?.attention.backward(batch, memory, { gradients, ...options })
      const ofProjections = { q, k, v, skip: middle, x: dy }
      const half = { index, half: 'projections', mode: keeping } as const
      await this.#half(half, { memory, gradients: ofProjections }, options)
    }
    return dy
  }

  /** The first layer whose output is not finite, after `forward`; -1 for the embeddings, null where all are. */
  firstNonFinite(batch: Batch, keeping: Keeping): number | null {
    for (let index = 0; index <= this.#layers.length; index++) {
      if (hasNonFinite(this.#states(batch, index, keeping).data as Float32Array)) return index - 1
    }
    return null
  }

  async dispose(): Promise<void> {
    await this.#halves.dispose()
    for (const attention of new Set(this.#layers.map((layer) => layer.attention))) {
      await attention.dispose()
    }
    this.#rotary.dispose()
    this.#scratch.dispose()
  }

  /** Makes again what the backward runs of attention and of the projections read. */
  async #recompute(
    batch: Batch,
    { index, memory }: { readonly index: number; readonly memory: LayerMemory },
    options: RunOptions,
  ): Promise<void> {
    const { projections, attention } = this.#layers[index] as Layer
    const find = this.#lookup(memory, { index, half: 'projections', mode: 'recompute' })
    await projections.stages.recompute.forward(find, options)
    await attention.forward(batch, memory, options)
  }

  async #half(
    of: HalfRun & { readonly mode: Keeping },
    { memory, gradients }: { readonly memory: LayerMemory; readonly gradients: Tensors },
    options: RunOptions,
  ): Promise<void> {
    const layer = this.#layers[of.index] as Layer
    const { trained, stages } = layer[of.half]
    const named = Object.entries(gradients).map(([name, tensor]) => [`gradient.${name}`, tensor])
    const find = this.#lookup({ ...memory, ...Object.fromEntries(named) }, of)
    const accumulate = this.#weights.store.claim(trained.map(layer.path))
    await stages[of.mode].backward(find, { accumulate, ...options })
  }

  #lookup(tensors: Tensors, { index, half, mode }: HalfRun): Lookup {
    const layer = this.#layers[index] as Layer
    const activations = new Map(Object.entries(tensors))
    if (mode === 'keep') {
      const length = tensors['x']?.shape[1] as number
      for (const { name, shape } of keptShapes(layer[half], length)) {
        activations.set(name, this.#scratch.tensor(`${index}.${half}.${name}`, shape))
      }
    }
    return this.#weights.lookup(activations, layer.path)
  }

  /** All but a layer's own states is memory that layers share, unless everything is kept. */
  #memory(batch: Batch, index: number, mode: PassMode): LayerMemory {
    const { numHeads, numKvHeads, headDim } = this.#config.attention
    const prefix = mode === 'keep' ? `${index}.` : ''
    const rows = (name: string, heads: number) =>
      this.#scratch.tensor(prefix + name, [1, batch.length, heads * headDim])
    return {
      ...this.#rotary.of(batch.positions),
      x: this.#states(batch, index, mode),
      y: this.#states(batch, index + 1, mode),
      q: rows('q', numHeads),
      k: rows('k', numKvHeads),
      v: rows('v', numKvHeads),
      attended: rows('attended', numHeads),
      heads: this.#scratch.tensor(`${prefix}heads`, [batch.length * numHeads, headDim]),
    }
  }

  /** Gradients inside of a layer, in memory that all layers share; those of keys and values start as zeros. */
  #gradients(batch: Batch) {
    const { numHeads, numKvHeads, headDim } = this.#config.attention
    const shape = (width: number) => [1, batch.length, width]
    return {
      middle: this.#scratch.tensor('gradient.middle', shape(this.#config.hiddenSize)),
      attended: this.#scratch.tensor('gradient.attended', shape(numHeads * headDim)),
      q: this.#scratch.tensor('gradient.q', shape(numHeads * headDim)),
      k: this.#scratch.zeros('gradient.k', shape(numKvHeads * headDim)),
      v: this.#scratch.zeros('gradient.v', shape(numKvHeads * headDim)),
    }
  }

  /** What goes into layer `index`; evaluation needs only two of them at a time. */
  #states({ length }: Batch, index: number, mode: PassMode): Tensor {
    const name = mode === 'evaluate' ? index % 2 : index
    return this.#scratch.tensor(`x.${name}`, [1, length, this.#config.hiddenSize])
  }
}

type HalfRun = { readonly index: number; readonly half: HalfName; readonly mode: PassMode }

/** What forward gives to backward where products are kept, for T positions. */
function keptShapes({ stages }: LayerHalf, length: number) {
  const sizes = new Map([['T', length]])
  return stages.keep.kept.map(({ name, shape }) => ({ name, shape: resolveShape(shape, sizes) }))
}

function makeHalves(
  index: number,
  halves: LayerHalves,
  { config, weights, policy, widen, adapt }: DecoderPassParts,
): Omit<Layer, 'attention'> {
  const path = layerPath(index)
  const shared = { index, policy, widen, isTrained: (name: string) => weights.store.has(name) }
  const projections = adapt(projectionsGraph(config), path)
  const rest = adapt(restGraph(config), path)
  const passed = ['skip']
  return {
    path,
    projections: halves.half(projections, { ...shared, wrt: ['x'], passed }),
    rest: halves.half(rest, { ...shared, wrt: ['x', 'attended'] }),
  }
}

function attentionPasses(
  runtime: Runtime,
  config: DecoderConfig,
): (layer: number) => AttentionPass {
  const made = new Map<number | null, AttentionPass>()
  return (layer) => {
    const attention = layerAttention(config, layer)
    const known = made.get(attention.slidingWindow)
    if (known) return known
    const pass = new AttentionPass(runtime, attention)
    made.set(attention.slidingWindow, pass)
    return pass
  }
}
