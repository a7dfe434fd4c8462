/** A whole model as training runs it: pictures, embeddings, layers and loss, forward and backward. */
import { inTurns, type Steps } from '../core/steps.ts'
import type { ModelConfig } from '../families/family.ts'
import type { Graph } from '../graph/graph.ts'
import type { LoweringOptions, PrecisionPolicy } from '../graph/lower.ts'
import type { RunOptions, Runtime, Tensor } from '../runtime/runtime.ts'
import type { Batch } from './batch.ts'
import type { Keeping } from './decoder-layer.ts'
import { DecoderPass, type PassMode } from './decoder-pass.ts'
import { hasNonFinite } from './diverged.ts'
import type { FeatureCache } from './feature-cache-node.ts'
import { HeadPass } from './head-pass.ts'
import { MergePass } from './merge-pass.ts'
import type { ModelWeights } from './model-weights.ts'
import { VisionPass } from './vision-pass.ts'
import { WordsPass, type WordTargets } from './words-pass.ts'

export type NetworkParts = LoweringOptions & {
  readonly config: ModelConfig
  readonly weights: ModelWeights
  readonly policy: PrecisionPolicy
  readonly adapt: (graph: Graph, path: (path: string) => string) => Graph
  /** Of a frozen tower. */
  readonly features: FeatureCache | null
}

/** What forward left for backward. */
export type ForwardState = {
  readonly batch: Batch
  readonly mode: PassMode
  /** float32[1,T,D] */
  readonly hidden: Tensor
  /** The projector's rows, float32[F,D]; null without pictures. */
  readonly features: Tensor | null
}

type Passes = {
  readonly vision: VisionPass | null
  readonly merge: MergePass
  readonly decoder: DecoderPass
  readonly head: HeadPass
}

function* passSteps(runtime: Runtime, parts: NetworkParts): Steps<Passes> {
  const { weights, features } = parts
  const { vision: tower, projector, decoder: config } = parts.config
  const vision =
    tower && projector
      ? new VisionPass(runtime, { vision: tower, projector, weights, features })
      : null
  yield
  const hasFeatureGradient = vision?.isTrained ?? false
  const merge = new MergePass(runtime, { config, weights, hasFeatureGradient })
  yield
  const decoder = yield* DecoderPass.steps({ ...parts, runtime, config })
  return { vision, merge, decoder, head: new HeadPass(runtime, { config, weights }) }
}

export class Network {
  readonly config: ModelConfig
  readonly #weights: ModelWeights
  readonly #vision: VisionPass | null
  readonly #merge: MergePass
  readonly #decoder: DecoderPass
  readonly #head: HeadPass
  readonly #runtime: Runtime
  /** Made when it is first asked for: other objectives never do. */
  #words: WordsPass | null = null

  /** Others have their turn while its graphs are made. */
  static async create(runtime: Runtime, parts: NetworkParts): Promise<Network> {
    return new Network(runtime, parts, await inTurns(passSteps(runtime, parts)))
  }

  constructor(runtime: Runtime, { config, weights }: NetworkParts, passes: Passes) {
    this.config = config
    this.#runtime = runtime
    this.#weights = weights
    this.#vision = passes.vision
    this.#merge = passes.merge
    this.#decoder = passes.decoder
    this.#head = passes.head
  }

  /** Bytes of activations that lie between forward and backward. */
  activationBytes({ length, images }: Batch, keeping: Keeping): number {
    const seen = images ? (this.#vision?.activationBytes(images, keeping) ?? 0) : 0
    return seen + this.#decoder.activationBytes(length, keeping)
  }

  async forward(batch: Batch, mode: PassMode, options: RunOptions): Promise<ForwardState> {
    const embedded = await this.embed(batch, mode, options)
    return { ...embedded, hidden: await this.#decoder.forward(batch, mode, options) }
  }

  /** As far as the decoder: `hidden` are the embeddings of text with the rows of pictures merged in. */
  async embed(batch: Batch, mode: PassMode, options: RunOptions): Promise<ForwardState> {
    const { images } = batch
    const features =
      images && this.#vision ? await this.#vision.forward(images, mode, options) : null
    const embeddings = this.#decoder.input(batch)
    await this.#merge.forward(batch, { features, embeddings }, options)
    return { batch, mode, hidden: embeddings, features }
  }

  /** log p of each target. */
  logProbs({ batch, hidden }: ForwardState, options: RunOptions): Promise<Float32Array> {
    return this.#head.logProbs(batch, hidden, options)
  }

  /** The most likely token behind the last position of each sequence. */
  nextTokens({ batch, hidden }: ForwardState, options: RunOptions): Promise<readonly number[]> {
    let end = 0
    const last = batch.segments.map((length) => (end += length) - 1)
    return this.#head.nextTokens(Int32Array.from(last), hidden, options)
  }

  /** −Σ weights ∘ log p(target), its gradients added to those of this step in the store. */
  async backward(
    { batch, mode, hidden, features }: ForwardState,
    weights: Float32Array,
    options: RunOptions,
  ): Promise<number> {
    if (mode === 'evaluate') throw new Error('internal: forward kept nothing for backward')
    const { loss, dy } = await this.#head.loss(batch, { hidden, weights }, options)
    const isMergeNeeded = this.#merge.isNeeded(batch)
    const until = isMergeNeeded ? 0 : this.#decoder.firstTrained
    await this.#decoder.backward(batch, { dy, until, keeping: mode }, options)
    if (isMergeNeeded) await this.#embedBackward({ batch, mode, features }, dy, options)
    return loss
  }

  /** How far the rows of pictures are from words, after `embed`; unless it was to evaluate, with gradients in the store. */
  async saidWords(state: ForwardState, targets: WordTargets, options: RunOptions): Promise<number> {
    const parts = { config: this.config.decoder, weights: this.#weights }
    this.#words ??= new WordsPass(this.#runtime, parts)
    if (state.mode === 'evaluate') return this.#words.loss(state.hidden, targets, options)
    const { loss, dy } = await this.#words.differentiate(state.hidden, targets, options)
    await this.#embedBackward(state, dy, options)
    return loss
  }

  /** From the gradient of the embeddings to those of table, newline, projector and tower. */
  async #embedBackward(
    { batch, mode, features }: Pick<ForwardState, 'batch' | 'mode' | 'features'>,
    dy: Tensor,
    options: RunOptions,
  ): Promise<void> {
    const gradient = await this.#merge.backward(batch, { features, dy }, options)
    const { images } = batch
    if (!gradient || !images || mode === 'evaluate') return
    await this.#vision?.backward(images, { dy: gradient, keeping: mode }, options)
  }

  /** What the original code does in a step without pictures: one of zeros is run and nothing of it is used. */
  claimUnusedPicture(newline: string | null): void {
    const paths = [...(this.#vision?.trained ?? []), ...(newline === null ? [] : [newline])]
    this.#weights.store.claimZeros(paths.filter((path) => this.#weights.store.has(path)))
  }

  /** Where the first values that are not finite came from, after a forward pass for training. */
  firstNonFinite({ batch, mode, features }: ForwardState): string {
    if (features && hasNonFinite(features.data as Float32Array)) return 'vision tower and projector'
    const layer = mode === 'evaluate' ? null : this.#decoder.firstNonFinite(batch, mode)
    if (layer === null) return 'the head'
    return layer < 0 ? 'the embeddings' : `decoder.layers.${layer}`
  }

  async dispose(): Promise<void> {
    await this.#vision?.dispose()
    await this.#merge.dispose()
    await this.#decoder.dispose()
    await this.#head.dispose()
    await this.#words?.dispose()
  }
}
