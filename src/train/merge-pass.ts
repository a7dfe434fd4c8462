/** Embeddings of text with the rows of pictures merged in, and their gradients back to table, projector and newline. */
import { EMBEDDING, type DecoderConfig } from '../decoder/decoder.ts'
import { IMAGE_NEWLINE } from '../families/parameter-names.ts'
import type { RunOptions, Runtime, Tensor } from '../runtime/runtime.ts'
import type { Batch } from './batch.ts'
import { mergeGraph, type MergePart } from './decoder-graphs.ts'
import { gatherTensors } from './gather-tensors.ts'
import type { ModelWeights } from './model-weights.ts'
import { Scratch } from './scratch.ts'
import { Stage } from './stage.ts'

const PASSED = ['featuresPassed']

type FormedStage = {
  readonly stage: Stage
  readonly trained: readonly string[]
  /** Whether the projector's rows get a gradient, be it only on the way to the newline row's. */
  readonly hasFeatureGradient: boolean
}

export class MergePass {
  readonly #runtime: Runtime
  readonly #config: DecoderConfig
  readonly #weights: ModelWeights
  readonly #hasFeatureGradient: boolean
  readonly #stages = new Map<string, FormedStage>()
  readonly #scratch: Scratch

  constructor(
    runtime: Runtime,
    parts: {
      readonly config: DecoderConfig
      readonly weights: ModelWeights
      /** Whether anything before the projector's rows is trained. */
      readonly hasFeatureGradient: boolean
    },
  ) {
    this.#runtime = runtime
    this.#config = parts.config
    this.#weights = parts.weights
    this.#hasFeatureGradient = parts.hasFeatureGradient
    this.#scratch = new Scratch(runtime)
  }

  /** Whether the gradient of this batch's embeddings leads to anything that is trained. */
  isNeeded(batch: Batch): boolean {
    const { trained, hasFeatureGradient } = this.#stage(batch)
    return trained.length > 0 || hasFeatureGradient
  }

  /** Fills embeddings float32[1,T,D]; features float32[F,D] are the projector's rows, null without pictures. */
  async forward(
    batch: Batch,
    { features, embeddings }: { readonly features: Tensor | null; readonly embeddings: Tensor },
    options: RunOptions,
  ): Promise<void> {
    const tensors = this.#inputs(batch, features).set('embeddings', embeddings)
    await this.#stage(batch).stage.forward(this.#weights.lookup(tensors), options)
  }

  /** From the embeddings' gradient to that of `features`; null where nothing needs it. */
  async backward(
    batch: Batch,
    { features, dy }: { readonly features: Tensor | null; readonly dy: Tensor },
    options: RunOptions,
  ): Promise<Tensor | null> {
    const { stage, trained, hasFeatureGradient } = this.#stage(batch)
    if (trained.length === 0 && !hasFeatureGradient) return null
    const tensors = this.#inputs(batch, features).set('gradient.embeddings', dy)
    const gradient =
      hasFeatureGradient && features
        ? this.#scratch.zeros('gradient.features', features.shape)
        : null
    if (gradient)
      tensors.set('gradient.features', gradient).set('gradient.featuresPassed', gradient)
    // Rows are added to what is there, in place: a table of zeros is made only where nothing is.
    this.#weights.store.claimZeros(trained)
    await stage.backward(this.#weights.lookup(tensors), { accumulate: true, ...options })
    return gradient
  }

  async dispose(): Promise<void> {
    for (const { stage } of this.#stages.values()) await stage.dispose()
    this.#scratch.dispose()
  }

  #stage({ images }: Batch): FormedStage {
    const parts = (images?.placed ?? []).map(({ form, hasNewline }): MergePart => ({
      ...form,
      hasNewline,
    }))
    const key = JSON.stringify(parts)
    const known = this.#stages.get(key)
    if (known) return known
    const hasNewline = parts.some((part) => part.hasNewline)
    const paths = hasNewline ? [EMBEDDING, IMAGE_NEWLINE] : [EMBEDDING]
    const trained = paths.filter((path) => this.#weights.store.has(path))
    // The newline row lies behind the features: its gradient is cut from theirs, whether or not anything else needs it.
    const hasFeatureGradient =
      parts.length > 0 && (this.#hasFeatureGradient || trained.includes(IMAGE_NEWLINE))
    const wrt = hasFeatureGradient ? [...trained, 'features'] : trained
    const graph = mergeGraph(this.#config, parts)
    const stage = new Stage(this.#runtime, graph, { policy: () => 'f32', wrt, passed: PASSED })
    const formed = { stage, trained, hasFeatureGradient }
    this.#stages.set(key, formed)
    return formed
  }

  #inputs({ ids, images, length }: Batch, features: Tensor | null): Map<string, Tensor> {
    const tensors = new Map([['ids', this.#scratch.filled('ids', [length], ids)]])
    if (!images || !features) return tensors
    tensors.set('features', features)
    images.placed.forEach((part, i) => {
      const slots = this.#scratch.filled(`slots.${i}`, [part.rows, 1], part.slots)
      tensors.set(`slots.${i}`, slots)
      for (const [name, tensor] of gatherTensors(this.#scratch, part, `.${i}`)) {
        tensors.set(name, tensor)
      }
    })
    return tensors
  }
}
