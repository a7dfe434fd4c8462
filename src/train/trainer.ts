/** One trainer over one model: steps, evaluation, gradients, weights. `create-trainer.ts` makes one. */
import { checkArgument } from '../core/check-argument.ts'
import { checkOptions } from '../core/check-options.ts'
import { ConfigError, InputError } from '../core/errors.ts'
import type { Rng } from '../core/rng.ts'
import type { ModelConfig } from '../families/family.ts'
import { IMAGE_NEWLINE } from '../families/parameter-names.ts'
import type { RunOptions, Tensor } from '../runtime/runtime.ts'
import type { AdamW } from './adamw.ts'
import { buildBatch, type Batch } from './batch.ts'
import type { NamedTensors } from './build-network.ts'
import { writeCheckpoint, type TrainerState } from './checkpoint.ts'
import type { Keeping } from './decoder-layer.ts'
import { diverged } from './diverged.ts'
import type { DropoutMasks } from './dropout-masks.ts'
import { beginPixels, loadPixels, releasePixels } from './lazy-pixels.ts'
import type { LearntFor } from './learnt-for.ts'
import type { ForwardState, Network } from './network.ts'
import type { MicroBatch, Objective, PreparedBatch } from './objective.ts'
import type { TrainerSettings } from './options.ts'
import type { ParameterStore } from './parameter-store.ts'
import { joinReports, type PreferenceReport } from './preference-objective.ts'
import type { QuantizedCopies } from './quantized-copies.ts'
import { IGNORE_INDEX, type Sample } from './sample.ts'
import { parseSaveOptions, type SaveOptions } from './save-options.ts'
import { rateFactor } from './schedule.ts'

export type TrainerParts = {
  readonly settings: TrainerSettings
  readonly config: ModelConfig
  /** What its user should know of how it begins, a sentence each. */
  readonly notices: readonly string[]
  readonly network: Network
  readonly objective: Objective
  readonly store: ParameterStore
  readonly adamw: AdamW
  readonly masks: DropoutMasks | null
  /** What the fast mode multiplies. */
  readonly copies: QuantizedCopies | null
  readonly rng: Rng
  /** What a checkpoint says beside its state. */
  readonly learntFor: LearntFor
  /** The state that training goes on from. */
  readonly resumed: TrainerState | null
  /** Name and shape of a trained parameter in the checkpoint. */
  readonly stored: (path: string) => { readonly name: string; readonly shape: readonly number[] }
  /** Tensors of trained parts that take part in nothing: blocks behind the features that are read. */
  readonly idle: () => NamedTensors
  readonly freeBytes: () => number
  readonly signal: AbortSignal | undefined
  readonly save: (
    folder: string,
    told: Required<SaveOptions> & { readonly steps: number },
  ) => Promise<readonly string[]>
  readonly dispose: () => Promise<void>
}

/** What came of micro-batches; the fields of the report are there where preferences are learnt. */
export type StepResult = Partial<PreferenceReport> & {
  readonly loss: number
  /** Of all gradients together, before clipping. */
  readonly gradNorm: number
  /** The base rate that this step was made with. */
  readonly learningRate: number
  /** Tokens that were learnt from. */
  readonly tokens: number
}

/** Activations may take this part of the memory that is free. */
const ACTIVATION_SHARE = 0.5

export class Trainer implements AsyncDisposable {
  readonly config: ModelConfig
  readonly settings: TrainerSettings
  readonly notices: readonly string[]
  readonly #parts: TrainerParts
  /** What the loop gave to the last checkpoint. */
  cursor: unknown
  #steps: number
  #keeping: Keeping | null = null
  /** Of the activations of the largest batch that was kept. */
  #keptBytes = 0
  #last: Promise<unknown> = Promise.resolve()
  #disposed: Promise<void> | null = null

  constructor(parts: TrainerParts) {
    this.#parts = parts
    this.config = parts.config
    this.settings = parts.settings
    this.notices = parts.notices
    this.#steps = parts.resumed?.steps ?? 0
    this.cursor = parts.resumed?.cursor ?? null
  }

  /** Optimizer steps so far. */
  get steps(): number {
    return this.#steps
  }

  /** Numbers that are trained. */
  get trainedParameters(): number {
    return this.#parts.store.state.weights.data.length
  }

  /** Whether the last micro-batch's activations lay in memory or were made again; null before the first. */
  get activations(): Keeping | null {
    return this.#keeping
  }

  /** One optimizer step over all micro-batches. Throws InputError for samples that do not fit the model. */
  step(microBatches: readonly MicroBatch[]): Promise<StepResult> {
    return this.#exclusive(async (options) => {
      const { store, adamw, settings, config } = this.#parts
      if (store.paths.length === 0) throw nothingTrained(config)
      checkMicroBatches(microBatches)
      const factor = rateFactor(settings.schedule, this.#steps)
      const sums = await this.#accumulate(microBatches, options)
      const gradNorm = await store.gradientNorm(adamw, options)
      if (!Number.isFinite(gradNorm)) throw this.#divergedGradients()
      const { clipNorm } = settings
      const gradientScale = clipNorm === null ? 1 : Math.min(1, clipNorm / (gradNorm + 1e-6))
      this.#parts.copies?.invalidate()
      await store.update(adamw, { rateFactor: factor, gradientScale, ...options })
      this.#steps++
      return { ...sums, gradNorm, learningRate: settings.learningRate * factor }
    })
  }

  /** The loss of one micro-batch, without gradients. */
  evaluate(microBatch: MicroBatch): Promise<Omit<StepResult, 'gradNorm' | 'learningRate'>> {
    return this.#exclusive(async (options) => {
      checkMicroBatch('trainer.evaluate', microBatch)
      const { network, masks, objective } = this.#parts
      const [prepared] = objective.prepare([microBatch]) as [PreparedBatch]
      masks?.place(prepared.batch.length, null)
      const run = { network, mode: 'evaluate' } as const
      const { loss, report } = await withPixels(prepared.batch, undefined, () =>
        objective.run(prepared, run, options),
      )
      return { loss, tokens: prepared.tokens, ...report }
    })
  }

  /** Loss and gradients of one micro-batch, without a step. */
  differentiate(
    microBatch: MicroBatch,
  ): Promise<{ readonly loss: number; readonly gradients: NamedTensors }> {
    return this.#exclusive(async (options) => {
      checkMicroBatch('trainer.differentiate', microBatch)
      const restore = this.#parts.store.saveGradients()
      try {
        const { loss } = await this.#accumulate([microBatch], options)
        return { loss, gradients: this.#gradients() }
      } finally {
        restore()
      }
    })
  }

  /**
   * What the model as it is now says behind each sample, most likely token after most likely token, without the end token.
   *
   * Every token is a whole forward pass: there is no cache here, and for a look now and then none is needed.
   */
  answers(
    samples: readonly Sample[],
    { maxTokens }: { readonly maxTokens: number },
  ): Promise<readonly (readonly number[])[]> {
    return this.#exclusive(async (options) => {
      const said = samples.map((): number[] => [])
      let open = samples.map((_, i) => i)
      for (let step = 0; step < maxTokens && open.length > 0; step++) {
        const longer = open.map((i) => continued(samples[i] as Sample, said[i] as number[]))
        const next = await this.#nextTokens(longer, options)
        open.forEach((sample, i) => said[sample]?.push(next[i] as number))
        open = open.filter((i) => this.#canGoOn(samples[i] as Sample, said[i] as number[]))
      }
      return said.map((ids) => ids.filter((id) => !this.config.endTokens.includes(id)))
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

  /**
   * Writes a folder to load: the whole model in the `llava-hf` layout (the original one where that has no form for it), or
   * what was trained as a PEFT adapter where `lora` is set. `notes`, Markdown, go into its model card. Returns in what the
   * folder is read otherwise than the checkpoint it came from, a sentence each.
   *
   * A folder with anything but a model that was saved so is refused, unless it `replaces: 'anything'`.
   */
  save(folder: string, options: SaveOptions = {}): Promise<readonly string[]> {
    return this.#exclusive(async () => {
      checkArgument('trainer.save: folder', folder, 'a path')
      const told = parseSaveOptions(options)
      return this.#parts.save(folder, { steps: this.#steps, ...told })
    })
  }

  /**
   * Writes a state that `createTrainer(…, { resume: folder })` goes on from, bit for bit on the same kind of CPU with as many threads. The
   * folder appears whole or not at all, in the place of an earlier checkpoint alone. `cursor` comes back as `trainer.cursor`; it must be JSON.
   */
  checkpoint(folder: string, options: { readonly cursor?: unknown } = {}): Promise<void> {
    return this.#exclusive(async () => {
      checkArgument('trainer.checkpoint: folder', folder, 'a path')
      checkOptions('trainer.checkpoint', options, ['cursor'])
      const { cursor = null } = options
      checkCursor(cursor)
      const { store, rng, learntFor } = this.#parts
      const state = { steps: this.#steps, rng: rng.state, cursor }
      const nameOf = (path: string) => this.#nameOf(path)
      await writeCheckpoint(folder, { store, state, nameOf, learntFor })
      this.cursor = cursor
    })
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
    microBatches: readonly MicroBatch[],
    options: RunOptions,
  ): Promise<Omit<StepResult, 'gradNorm' | 'learningRate'>> {
    const { store, masks, rng, objective } = this.#parts
    const prepared = objective.prepare(microBatches)
    store.forgetGradients()
    masks?.draw(Math.max(...prepared.map(({ batch }) => batch.length)), rng)
    let [loss, tokens] = [0, 0]
    const reports: PreferenceReport[] = []
    for (const [index, one] of prepared.entries()) {
      const result = await withPixels(one.batch, prepared[index + 1]?.batch, () =>
        this.#microBatch(one, options),
      )
      if (!Number.isFinite(result.loss)) throw this.#divergedLoss(result.state, index)
      loss += result.loss
      tokens += one.tokens
      if (result.report) reports.push(result.report)
    }
    return { loss, tokens, ...(reports.length > 0 && joinReports(reports)) }
  }

  #canGoOn({ inputIds }: Sample, said: readonly number[]): boolean {
    const { endTokens, maxContext } = this.config
    return inputIds.length + said.length < maxContext && !endTokens.includes(said.at(-1) ?? -1)
  }

  async #nextTokens(samples: readonly Sample[], options: RunOptions): Promise<readonly number[]> {
    const { network, masks, config } = this.#parts
    const batch = buildBatch(samples, config)
    masks?.place(batch.length, null)
    return withPixels(batch, undefined, async () =>
      network.nextTokens(await network.forward(batch, 'evaluate', options), options),
    )
  }

  #microBatch(prepared: PreparedBatch, options: RunOptions) {
    const { network, config, settings, masks, rng, objective } = this.#parts
    const { batch } = prepared
    masks?.place(batch.length, rng)
    this.#keeping = this.#chooseKeeping(batch)
    if (!batch.images && emptyBatch(settings, config) === 'zeroPicture') {
      network.claimUnusedPicture(config.image?.hasNewline ? IMAGE_NEWLINE : null)
    }
    return objective.run(prepared, { network, mode: this.#keeping }, options)
  }

  #divergedLoss(state: ForwardState, microBatch: number): Error {
    const where = this.#parts.network.firstNonFinite(state)
    return diverged(this.#steps + 1, { what: 'the loss', where, microBatch })
  }

  #divergedGradients(): Error {
    const path = this.#parts.store.nonFiniteGradient()
    const where = path === undefined ? 'the sum of their squares' : this.#nameOf(path)
    return diverged(this.#steps + 1, { what: 'the gradient norm', where, microBatch: null })
  }

  /** Memory that was taken for a larger batch is there already. */
  #chooseKeeping(batch: Batch): Keeping {
    const { settings, network, freeBytes } = this.#parts
    if (settings.activations !== 'auto') return settings.activations
    const bytes = network.activationBytes(batch, 'keep')
    if (bytes - this.#keptBytes > ACTIVATION_SHARE * freeBytes()) return 'recompute'
    this.#keptBytes = Math.max(this.#keptBytes, bytes)
    return 'keep'
  }

  #gradients(): NamedTensors {
    const { store } = this.#parts
    const paths = store.paths.filter((path) => store.hasGradient(path))
    return new Map(paths.map((path) => this.#named(path, store.gradient(path))))
  }

  #nameOf(path: string): string {
    return this.#parts.stored(path).name
  }

  #named(path: string, { data }: Tensor) {
    const { name, shape } = this.#parts.stored(path)
    return [name, { data: (data as Float32Array).slice(), shape }] as const
  }

  async #ready<T>(job: (options: RunOptions) => Promise<T>, options: RunOptions): Promise<T> {
    await this.#parts.copies?.refresh(options)
    return job(options)
  }

  /** One call at a time: all of them write the same memory. */
  #exclusive<T>(job: (options: RunOptions) => Promise<T>): Promise<T> {
    if (this.#disposed) {
      const gone = new InputError('INPUT_DISPOSED', 'trainer: it is disposed of; create another.')
      return Promise.reject(gone)
    }
    const options: RunOptions = { priority: 'training', signal: this.#parts.signal }
    const result = this.#last.catch(() => {}).then(() => this.#ready(job, options))
    this.#last = result
    return result
  }
}

function checkMicroBatches(given: readonly MicroBatch[]): void {
  if (!Array.isArray(given) || !given.every(Array.isArray)) {
    const came = Array.isArray(given) ? 'a list of something else' : String(given)
    throw new InputError(
      'INPUT_NO_SAMPLES',
      `step: expected a list of micro-batches, each a list of samples or pairs, ${came} came; write [[sample, sample]].`,
    )
  }
  if (given.length > 0) return
  throw new InputError('INPUT_NO_SAMPLES', 'step: expected at least one micro-batch, none came.')
}

function checkMicroBatch(where: string, given: MicroBatch): void {
  checkArgument(`${where}: microBatch`, given, 'a list')
  if (given.length > 0) return
  throw new InputError('INPUT_NO_SAMPLES', `${where}: expected at least one sample, none came.`)
}

function checkCursor(cursor: unknown): void {
  try {
    if (JSON.stringify(cursor) !== undefined) return
  } catch {
    // Told below.
  }
  throw new InputError(
    'INPUT_CURSOR',
    `checkpoint: cursor should be JSON, a ${typeof cursor} came that is none; give plain objects, lists, texts and numbers.`,
  )
}

/** With the pixels of a batch there, those of the next one on their way, and its own gone afterwards. */
async function withPixels<T>(
  batch: Batch,
  next: Batch | undefined,
  job: () => Promise<T>,
): Promise<T> {
  try {
    await loadPixels(batch)
    beginPixels(next)
    return await job()
  } finally {
    releasePixels(batch)
  }
}

/** A sample with tokens behind it. */
function continued(sample: Sample, tokens: readonly number[]): Sample {
  const inputIds = [...Array.from(sample.inputIds), ...tokens]
  return { ...sample, inputIds, labels: inputIds.map(() => IGNORE_INDEX) }
}

function emptyBatch({ quirks }: TrainerSettings, { layout }: ModelConfig) {
  return quirks.emptyBatch ?? (layout === 'original' ? 'zeroPicture' : 'none')
}

function nothingTrained({ vision }: ModelConfig): ConfigError {
  const [why, part] = vision
    ? ['', 'projector']
    : [' (a language model without eyes has no projector, which is the default)', 'decoder']
  return new ConfigError(
    'CONFIG_TRAINER',
    `step: expected something to train, trainable is empty${why} and there is no lora; name a part (${part}), give lora, or only evaluate.`,
  )
}
