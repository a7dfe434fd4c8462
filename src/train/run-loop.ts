/** The steps of a run, and what is done between them: looks at held-out records, checkpoints, the log and the report. */
import { ConfigError } from '../core/errors.ts'
import type { MicroBatch } from './objective.ts'
import { pagePicture } from './page-picture-node.ts'
import { Prefetch } from './prefetch.ts'
import type { Recipe } from './recipe/recipe.ts'
import type { LoadedStep, RunData } from './run-data.ts'
import type { TrainEvent } from './run-events.ts'
import type { RunFolder } from './run-folder-node.ts'
import type { HeldOut } from './run-held-out.ts'
import { modelNotes } from './run-notes.ts'
import { reportHtml, type AnswerPicture } from './run-report.ts'
import { StepWatch } from './run-watch.ts'
import type { Trainer } from './trainer.ts'

export type TrainOutcome = {
  readonly output: string
  /** Where the model, or its adapter, lies. */
  readonly model: string
  readonly steps: number
  readonly loss: number | null
  readonly evaluationLoss: number | null
}

export type RunParts = {
  readonly recipe: Recipe
  readonly folder: RunFolder
  readonly data: RunData
  readonly heldOut: HeldOut | null
  readonly trainer: Trainer
  readonly totalSteps: number
  readonly onEvent: (event: TrainEvent) => void
  readonly signal: AbortSignal | undefined
}

/** Steps that are prepared while one is made. */
const AHEAD = 1

export class Run {
  readonly #parts: RunParts
  readonly #watch: StepWatch
  readonly #pictures = new Map<string, Promise<string | null>>()
  #lastCheckpoint = performance.now()
  #loss: number | null = null
  #evaluationLoss: number | null = null

  constructor(parts: RunParts) {
    this.#parts = parts
    this.#watch = new StepWatch(parts.totalSteps)
  }

  async run(): Promise<TrainOutcome> {
    const { trainer, data, totalSteps, signal } = this.#parts
    const queue = new Prefetch(data.load, { end: totalSteps, depth: AHEAD })
    if (trainer.steps === 0) await this.#evaluate()
    while (trainer.steps < totalSteps) {
      const asked = performance.now()
      const loaded = await queue.take(trainer.steps)
      await this.#step(loaded, asked)
      await this.#lookIfDue()
      if (signal?.aborted) {
        await this.#checkpoint()
        signal.throwIfAborted()
      }
      if (this.#isCheckpointDue()) await this.#checkpoint()
    }
    return this.#finish()
  }

  async #step(loaded: LoadedStep, asked: number): Promise<void> {
    const { trainer, data, onEvent } = this.#parts
    const began = performance.now()
    const result = await trainer.step(loaded.microBatches).catch(async (error: unknown) => {
      throw await namingSamples(error, loaded, trainer)
    })
    this.#loss = result.loss
    const step = trainer.steps
    const epoch = Math.floor((step - 1) / data.stepsPerEpoch) + 1
    const watched = this.#watch.step({ step, epoch, result, loaded, asked, began })
    onEvent({ ...watched, activations: trainer.activations })
    const warning = this.#watch.warning()
    if (warning !== null) onEvent({ kind: 'warning', step, message: warning })
  }

  async #lookIfDue(): Promise<void> {
    const { recipe, trainer, totalSteps } = this.#parts
    const isDue = (look: { readonly everySteps: number } | null) =>
      look && (trainer.steps % look.everySteps === 0 || trainer.steps === totalSteps)
    if (isDue(recipe.evaluation)) await this.#evaluate()
    if (isDue(recipe.answers)) await this.#answer()
  }

  async #evaluate(): Promise<void> {
    const { heldOut, trainer, onEvent } = this.#parts
    if (!heldOut) return
    const began = performance.now()
    const { loss, tokens } = await heldOut.evaluate(trainer)
    this.#evaluationLoss = loss
    const seconds = (performance.now() - began) / 1000
    onEvent({ kind: 'evaluation', step: trainer.steps, loss, tokens, seconds })
  }

  async #answer(): Promise<void> {
    const { recipe, heldOut, trainer, onEvent } = this.#parts
    if (!heldOut || !recipe.answers) return
    const began = performance.now()
    const answers = await heldOut.answers(trainer, recipe.answers)
    const seconds = (performance.now() - began) / 1000
    onEvent({ kind: 'answers', step: trainer.steps, answers, seconds })
  }

  #isCheckpointDue(): boolean {
    const { everySteps, everyMinutes } = this.#parts.recipe.checkpoint
    const { steps } = this.#parts.trainer
    // The end writes that one.
    if (steps === this.#parts.totalSteps) return false
    if (everySteps !== undefined && steps % everySteps === 0) return true
    const minutes = (performance.now() - this.#lastCheckpoint) / 60_000
    return everyMinutes !== undefined && minutes >= everyMinutes
  }

  async #checkpoint(): Promise<void> {
    const { recipe, folder, trainer, data, onEvent } = this.#parts
    const began = performance.now()
    const path = folder.checkpointFolder(trainer.steps)
    await trainer.checkpoint(path, { cursor: data.cursor })
    await folder.prune(recipe.checkpoint.keep)
    this.#lastCheckpoint = performance.now()
    const seconds = (this.#lastCheckpoint - began) / 1000
    await this.#report()
    onEvent({ kind: 'checkpoint', step: trainer.steps, folder: path, seconds })
  }

  async #report(): Promise<void> {
    const { recipe, folder } = this.#parts
    const events = await folder.events()
    const page = await reportHtml({ recipe, events, picture: (one) => this.#picture(one) })
    await folder.write('report.html', page)
  }

  /** Every page shows the same ones. */
  #picture(shown: AnswerPicture): Promise<string | null> {
    const key = JSON.stringify(shown)
    const known = this.#pictures.get(key) ?? this.#readPicture(shown)
    this.#pictures.set(key, known)
    return known
  }

  async #readPicture(shown: AnswerPicture): Promise<string | null> {
    const source = shown.file ?? (await this.#parts.heldOut?.picture(shown))
    return source === undefined ? null : pagePicture(source)
  }

  async #finish(): Promise<TrainOutcome> {
    const { recipe, folder, trainer, data, onEvent } = this.#parts
    await this.#checkpoint()
    const notes = modelNotes({ recipe, data, events: await folder.events() })
    const notices = await trainer.save(folder.modelFolder, { notes, replaces: 'anything' })
    for (const message of notices) onEvent({ kind: 'warning', step: trainer.steps, message })
    onEvent({ kind: 'saved', step: trainer.steps, folder: folder.modelFolder })
    return {
      output: folder.path,
      model: folder.modelFolder,
      steps: trainer.steps,
      loss: this.#loss,
      evaluationLoss: this.#evaluationLoss,
    }
  }
}

/** A loss that is no number, with the records that make it so: no weight was changed, so they do it again alone. */
async function namingSamples(
  error: unknown,
  { where, microBatches }: LoadedStep,
  trainer: Trainer,
): Promise<unknown> {
  if (!(error instanceof ConfigError) || error.code !== 'CONFIG_DIVERGED') return error
  const [, micro] = /micro-batch (\d+)/.exec(error.message) ?? []
  const all = where.flatMap((records, i) =>
    records.map((record, k) => ({ record, micro: i, sample: microBatches[i]?.[k] })),
  )
  const suspects = all.filter((one) => micro === undefined || one.micro === Number(micro))
  const guilty: string[] = []
  for (const { record, sample } of suspects) {
    const { loss } = await trainer.evaluate([sample] as MicroBatch)
    if (!Number.isFinite(loss)) guilty.push(record)
  }
  const named = guilty.length > 0 ? guilty : suspects.map(({ record }) => record)
  return new ConfigError('CONFIG_DIVERGED', `${error.message} Records: ${named.join(', ')}.`, {
    cause: error,
  })
}
