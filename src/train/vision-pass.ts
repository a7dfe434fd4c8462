/** Tower and projector over the tiles of a batch, forward and backward. */
import { keepProducts } from '../autodiff/index.ts'
import { elementCount } from '../core/shape.ts'
import { resolveShape } from '../graph/dimension.ts'
import { Graph } from '../graph/graph.ts'
import { liveParameters } from '../graph/onnx-writer.ts'
import { projector, type ProjectorConfig } from '../projector/projector.ts'
import type { RunOptions, Runtime, Tensor } from '../runtime/runtime.ts'
import { featureRows, visionTower, type VisionConfig } from '../vision/vision-transformer.ts'
import { poolGraph } from './decoder-graphs.ts'
import type { Keeping } from './decoder-layer.ts'
import type { PassMode } from './decoder-pass.ts'
import type { FeatureCache } from './feature-cache-node.ts'
import { gatherTensors } from './gather-tensors.ts'
import { tilePixels, type BatchImages } from './image-rows.ts'
import type { ModelWeights } from './model-weights.ts'
import type { GatherForm, RowGather } from './row-gather.ts'
import { Scratch } from './scratch.ts'
import { Stage } from './stage.ts'

/** pixelValues float32[I,3,h,w] to features float32[I,P,Dv]. */
export function towerGraph(config: VisionConfig): Graph {
  const g = new Graph('vision.tower')
  const side = config.imageSize
  const pixelValues = g.input('pixelValues', 'float32', ['I', 3, side, side])
  g.output('features', visionTower(g, config, pixelValues))
  return g
}

/** features float32[F,Dv] to rows float32[F,D]. */
export function projectorGraph(config: ProjectorConfig): Graph {
  const g = new Graph('projector')
  g.output('rows', projector(g, config, g.input('features', 'float32', ['F', config.inputSize])))
  return g
}

export type VisionParts = {
  readonly vision: VisionConfig
  readonly projector: ProjectorConfig
  readonly weights: ModelWeights
  /** Of a frozen tower. */
  readonly features: FeatureCache | null
}

export class VisionPass {
  readonly #runtime: Runtime
  readonly #vision: VisionConfig
  readonly #projector: ProjectorConfig
  readonly #weights: ModelWeights
  readonly #cache: FeatureCache | null
  readonly #tower: { readonly [K in Keeping]: Stage }
  readonly #projection: Stage
  readonly #pools = new Map<string, Stage>()
  readonly #trained: { readonly tower: readonly string[]; readonly projector: readonly string[] }
  readonly #scratch: Scratch

  constructor(runtime: Runtime, parts: VisionParts) {
    const { vision, projector: projection, weights, features } = parts
    this.#runtime = runtime
    this.#vision = vision
    this.#projector = projection
    this.#weights = weights
    this.#scratch = new Scratch(runtime)
    const [tower, rows] = [towerGraph(vision), projectorGraph(projection)]
    const trainedOf = (graph: Graph) =>
      liveParameters(graph).flatMap(({ name }) => (weights.store.has(name) ? [name] : []))
    this.#trained = { tower: trainedOf(tower), projector: trainedOf(rows) }
    this.#cache = this.#isTowerTrained ? null : features
    const wrt = this.#trained.tower
    this.#tower = {
      keep: new Stage(runtime, tower, { policy: F32, wrt, keep: keepProducts }),
      recompute: new Stage(runtime, tower, { policy: F32, wrt }),
    }
    this.#projection = new Stage(runtime, rows, {
      policy: F32,
      wrt: [...(this.#isTowerTrained ? ['features'] : []), ...this.#trained.projector],
      keep: keepProducts,
    })
  }

  get isTrained(): boolean {
    return this.trained.length > 0
  }

  /** Paths of everything here that is trained. */
  get trained(): readonly string[] {
    return [...this.#trained.tower, ...this.#trained.projector]
  }

  /** Bytes of the tower's activations that lie between forward and backward. */
  activationBytes({ tiles }: BatchImages, keeping: Keeping): number {
    if (keeping === 'recompute' || !this.#isTowerTrained) return 0
    return (
      this.#keptShapes().reduce((sum, { shape }) => sum + 4 * elementCount(shape), 0) * tiles.length
    )
  }

  /** The projector's rows of all tiles, float32[F,D]; tiles go through the tower one by one. */
  async forward(images: BatchImages, mode: PassMode, options: RunOptions): Promise<Tensor> {
    const features = this.#features('features', images)
    const keeping = this.#isTowerTrained && mode === 'keep' ? 'keep' : 'recompute'
    for (const [i, tile] of images.tiles.entries()) {
      const view = this.#tileView(features, i)
      const pixels = tilePixels(tile)
      const known = await this.#cache?.read(pixels, view.data as Float32Array)
      if (!known) {
        const tensors = this.#tileInputs(pixels, i, keeping).set('features', view)
        await this.#tower[keeping].forward(this.#weights.lookup(tensors), options)
        await this.#cache?.write(pixels, view.data as Float32Array)
      }
      view.dispose()
    }
    const { pooled } = images
    if (pooled) {
      const tensors = this.#poolInputs(images, pooled).set('pooled', this.#pooled(images))
      await this.#pool(pooled.form).forward(this.#weights.lookup(tensors), options)
    }
    const memory = this.#projectorMemory(images)
    await this.#projection.forward(this.#weights.lookup(memory), options)
    return memory.get('rows') as Tensor
  }

  /** From the gradient of the projector's rows to those of parameters, after `forward` of the same pictures. */
  async backward(
    images: BatchImages,
    { dy, keeping }: { readonly dy: Tensor; readonly keeping: Keeping },
    options: RunOptions,
  ): Promise<void> {
    if (!this.isTrained) return
    const memory = this.#projectorMemory(images).set('gradient.rows', dy)
    const gradient = this.#scratch.tensor('gradient.input', this.#pooled(images).shape)
    memory.set('gradient.features', gradient)
    const accumulate = this.#weights.store.claim(this.#trained.projector)
    await this.#projection.backward(this.#weights.lookup(memory), { accumulate, ...options })
    if (!this.#isTowerTrained) return
    const features = images.pooled
      ? await this.#poolBackward(images, images.pooled, gradient, options)
      : gradient
    await this.#towerBackward(images, { dy: features, keeping }, options)
  }

  async dispose(): Promise<void> {
    const towers = [this.#tower.keep, this.#tower.recompute]
    for (const stage of [...towers, this.#projection, ...this.#pools.values()]) {
      await stage.dispose()
    }
    this.#scratch.dispose()
  }

  get #isTowerTrained(): boolean {
    return this.#trained.tower.length > 0
  }

  async #poolBackward(
    images: BatchImages,
    pooled: RowGather,
    dy: Tensor,
    options: RunOptions,
  ): Promise<Tensor> {
    const gradient = this.#features('gradient.features', images)
    ;(gradient.data as Float32Array).fill(0)
    const tensors = this.#poolInputs(images, pooled).set('gradient.pooled', dy)
    tensors.set('gradient.features', gradient).set('gradient.featuresPassed', gradient)
    const run = { accumulate: false, ...options }
    await this.#pool(pooled.form).backward(this.#weights.lookup(tensors), run)
    return gradient
  }

  async #towerBackward(
    images: BatchImages,
    { dy, keeping }: { readonly dy: Tensor; readonly keeping: Keeping },
    options: RunOptions,
  ): Promise<void> {
    for (const [i, tile] of images.tiles.entries()) {
      const view = this.#tileView(dy, i)
      const inputs = this.#tileInputs(tilePixels(tile), i, keeping)
      const tensors = inputs.set('gradient.features', view)
      const accumulate = this.#weights.store.claim(this.#trained.tower)
      const run = { accumulate, ...options }
      await this.#tower[keeping].backward(this.#weights.lookup(tensors), run)
      view.dispose()
    }
  }

  #pool(form: GatherForm): Stage {
    const key = JSON.stringify(form)
    const known = this.#pools.get(key)
    if (known) return known
    const wrt = this.#isTowerTrained ? ['features'] : []
    const graph = poolGraph(this.#projector.inputSize, form)
    const stage = new Stage(this.#runtime, graph, { policy: F32, wrt, passed: ['featuresPassed'] })
    this.#pools.set(key, stage)
    return stage
  }

  #poolInputs(images: BatchImages, pooled: RowGather): Map<string, Tensor> {
    const features = this.#features('features', images)
    return gatherTensors(this.#scratch, pooled, '').set('features', features)
  }

  /** Rows of the tower of all tiles, [I·P, Dv]. */
  #features(name: string, { tiles }: BatchImages): Tensor {
    const rows = tiles.length * featureRows(this.#vision)
    return this.#scratch.tensor(name, [rows, this.#projector.inputSize])
  }

  /** What goes into the projector. */
  #pooled(images: BatchImages): Tensor {
    if (!images.pooled) return this.#features('features', images)
    return this.#scratch.tensor('pooled', [images.pooled.rows, this.#projector.inputSize])
  }

  /** Rows of one tile as the tower's graph sees them, [1, P, Dv]. */
  #tileView(features: Tensor, index: number): Tensor {
    const [rows, width] = [featureRows(this.#vision), this.#projector.inputSize]
    return features.view([1, rows, width], index * rows * width)
  }

  /** The pixels of a tile, and what of it is kept. */
  #tileInputs(pixels: Float32Array, index: number, keeping: Keeping): Map<string, Tensor> {
    const side = this.#vision.imageSize
    const tensor = this.#scratch.filled('pixelValues', [1, 3, side, side], pixels)
    const tensors = new Map([['pixelValues', tensor]])
    if (keeping === 'recompute') return tensors
    for (const { name, shape } of this.#keptShapes()) {
      tensors.set(name, this.#scratch.tensor(`tile.${index}.${name}`, shape))
    }
    return tensors
  }

  /** What the tower keeps of one tile. */
  #keptShapes() {
    const sizes = new Map([['I', 1]])
    return this.#tower.keep.kept.map(({ name, shape }) => ({
      name,
      shape: resolveShape(shape, sizes),
    }))
  }

  #projectorMemory(images: BatchImages): Map<string, Tensor> {
    const features = this.#pooled(images)
    const count = features.shape[0] as number
    const { depth, hiddenSize, inputSize } = this.#projector
    const rows = this.#scratch.tensor('rows', [count, depth === 0 ? inputSize : hiddenSize])
    const memory = new Map([
      ['features', features],
      ['rows', rows],
    ])
    const sizes = new Map([['F', count]])
    for (const { name, shape } of this.#projection.kept) {
      memory.set(name, this.#scratch.tensor(name, resolveShape(shape, sizes)))
    }
    return memory
  }
}

const F32 = () => 'f32' as const
