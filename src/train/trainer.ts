/** One trainer over one model: steps, evaluation, gradients, weights. `create-trainer.ts` makes one. */
import { InputError } from '../core/errors.ts'
import type { Rng } from '../core/rng.ts'
import type { ModelConfig } from '../families/family.ts'
import { IMAGE_NEWLINE } from '../families/parameter-names.ts'
import type { RunOptions, Tensor } from '../runtime/runtime.ts'
import type { AdamW } from './adamw.ts'
import { buildBatch, type Batch } from './batch.ts'
import type { Keeping } from './decoder-layer.ts'
import type { DropoutMasks } from './dropout-masks.ts'
import { tokenWeights } from './loss-weights.ts'
import type { Network } from './network.ts'
import type { TrainerSettings } from './options.ts'
import type { ParameterStore } from './parameter-store.ts'
import type { Sample } from './sample.ts'
import { rateFactor } from './schedule.ts'

export type TrainerParts = {
  readonly settings: TrainerSettings
  readonly config: ModelConfig
  readonly network: Network
  readonly store: ParameterStore
  readonly adamw: AdamW
  readonly masks: DropoutMasks | null
  readonly rng: Rng
  /** Name and shape of a trained parameter in the checkpoint. */
  readonly stored: (path: string) => { readonly name: string; readonly shape: readonly number[] }
  /** Tensors of trained parts that take part in nothing: blocks behind the features that are read. */
  readonly idle: () => NamedTensors
  readonly freeBytes: () => number
  readonly signal: AbortSignal | undefined
  readonly dispose: () => Promise<void>
}

export type StepResult = {
  readonly loss: number
  /** Of all gradients together, before clipping. */
  readonly gradNorm: number
  /** The base rate that this step was made with. */
  readonly learningRate: number
  /** Tokens that were learnt from. */
  readonly tokens: number
}

export type NamedTensors = Map<
  string,
  { readonly data: Float32Array; readonly shape: readonly number[] }
>

/** Activations may take this part of the memory that is free. */
const ACTIVATION_SHARE = 0.5

export class Trainer implements AsyncDisposable {
  readonly config: ModelConfig
  readonly settings: TrainerSettings
  readonly #parts: TrainerParts
  #steps = 0
  #keeping: Keeping | null = null
  #last: Promise<unknown> = Promise.resolve()
  #disposed: Promise<void> | null = null

  constructor(parts: TrainerParts) {
    this.#parts = parts
    this.config = parts.config
    this.settings = parts.settings
  }

  /** Optimizer steps so far. */
  get steps(): number {
    return this.#steps
  }

  /** Whether the last micro-batch's activations lay in memory or were made again; null before the first. */
  get activations(): Keeping | null {
    return this.#keeping
  }

  /** One optimizer step over all micro-batches. Throws InputError for samples that do not fit the model. */
  step(microBatches: readonly (readonly Sample[])[]): Promise<StepResult> {
    return this.#exclusive(async (options) => {
      const { store, adamw, settings } = this.#parts
      const factor = rateFactor(settings.schedule, this.#steps)
      const { loss, tokens } = await this.#accumulate(microBatches, options)
      const gradNorm = await store.gradientNorm(adamw, options)
      const { clipNorm } = settings
      const gradientScale = clipNorm === null ? 1 : Math.min(1, clipNorm / (gradNorm + 1e-6))
      await store.update(adamw, { rateFactor: factor, gradientScale, ...options })
      this.#steps++
      return { loss, gradNorm, learningRate: settings.learningRate * factor, tokens }
    })
  }

  /** The loss of one micro-batch, without gradients. */
  evaluate(
    microBatch: readonly Sample[],
  ): Promise<{ readonly loss: number; readonly tokens: number }> {
    return this.#exclusive(async (options) => {
      const { network, masks } = this.#parts
      const batch = buildBatch(microBatch, this.config)
      const tokens = batch.targets.rows.length
      const [weight] = tokenWeights([tokens], 'meanOfMeans')
      masks?.place(batch.length, null)
      const state = await network.forward(batch, 'evaluate', options)
      const logProbs = await network.logProbs(state, options)
      const loss = logProbs.reduce((sum, logProb) => sum - logProb * (weight as number), 0)
      return { loss, tokens }
    })
  }

  /** Loss and gradients of one micro-batch, without a step. */
  differentiate(
    microBatch: readonly Sample[],
  ): Promise<{ readonly loss: number; readonly gradients: NamedTensors }> {
    return this.#exclusive(async (options) => {
      const restore = this.#parts.store.saveGradients()
      try {
        const { loss } = await this.#accumulate([microBatch], options)
        return { loss, gradients: this.#gradients() }
      } finally {
        restore()
      }
    })
  }

  /** Gradients of the last step, before clipping, by checkpoint name; parameters that took no part are left out. */
  gradients(): NamedTensors {
    return this.#gradients()
  }

  /** The trained weights by checkpoint name. */
  weights(): NamedTensors {
    const { store, idle } = this.#parts
    const trained = store.paths.map((path) => this.#named(path, store.weight(path)))
    return new Map([...trained, ...idle()])
  }

  /** Frees all memory, after the call that runs. */
  dispose(): Promise<void> {
    this.#disposed ??= this.#last.catch(() => {}).then(() => this.#parts.dispose())
    return this.#disposed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  async #accumulate(
    microBatches: readonly (readonly Sample[])[],
    options: RunOptions,
  ): Promise<{ readonly loss: number; readonly tokens: number }> {
    const { store, settings, masks, rng } = this.#parts
    if (microBatches.length === 0) {
      throw new InputError(
        'INPUT_NO_SAMPLES',
        'step: expected at least one micro-batch, none came.',
      )
    }
    const batches = microBatches.map((samples) => buildBatch(samples, this.config))
    const counts = batches.map(({ targets }) => targets.rows.length)
    const weights = tokenWeights(counts, settings.accumulation)
    store.forgetGradients()
    masks?.draw(Math.max(...batches.map(({ length }) => length)), rng)
    let loss = 0
    for (const [i, batch] of batches.entries()) {
      loss += await this.#microBatch(batch, weights[i] as number, options)
    }
    return { loss, tokens: counts.reduce((a, b) => a + b, 0) }
  }

  async #microBatch(batch: Batch, weight: number, options: RunOptions): Promise<number> {
    const { network, config, settings, masks, rng } = this.#parts
    masks?.place(batch.length, rng)
    this.#keeping = this.#chooseKeeping(batch)
    if (!batch.images && emptyBatch(settings, config) === 'zeroPicture') {
      network.claimUnusedPicture(config.image?.hasNewline ? IMAGE_NEWLINE : null)
    }
    const state = await network.forward(batch, this.#keeping, options)
    const weights = new Float32Array(batch.targets.rows.length).fill(weight)
    return network.backward(state, weights, options)
  }

  #chooseKeeping({ length }: Batch): Keeping {
    const { settings, network, freeBytes } = this.#parts
    if (settings.activations !== 'auto') return settings.activations
    const kept = network.activationBytes(length, 'keep')
    return kept <= ACTIVATION_SHARE * freeBytes() ? 'keep' : 'recompute'
  }

  #gradients(): NamedTensors {
    const { store } = this.#parts
    const paths = store.paths.filter((path) => store.hasGradient(path))
    return new Map(paths.map((path) => this.#named(path, store.gradient(path))))
  }

  #named(path: string, { data }: Tensor) {
    const { name, shape } = this.#parts.stored(path)
    return [name, { data: (data as Float32Array).slice(), shape }] as const
  }

  /** One call at a time: all of them write the same memory. */
  #exclusive<T>(job: (options: RunOptions) => Promise<T>): Promise<T> {
    if (this.#disposed) {
      throw new InputError('INPUT_DISPOSED', 'trainer: it is disposed of; create another.')
    }
    const options: RunOptions = { priority: 'training', signal: this.#parts.signal }
    const result = this.#last.catch(() => {}).then(() => job(options))
    this.#last = result
    return result
  }
}

function emptyBatch({ quirks }: TrainerSettings, { layout }: ModelConfig) {
  return quirks.emptyBatch ?? (layout === 'original' ? 'zeroPicture' : 'none')
}
