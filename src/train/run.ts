/**
 * `train`: a recipe in, a model out.
 *
 *   recipe ─ records inspected ─ steps planned ─▶ prefetch ─ trainer.step ─ log ─ checkpoint ─┐
 *                                                   ▲─────────────────────────────────────────┘ ─▶ model
 *
 * Everything that is drawn comes from the recipe's seed and the number of the epoch, and the trainer's state is in its
 * checkpoints, so a run that was killed goes on bit for bit on the same kind of CPU.
 */
import { ConfigError } from '../core/errors.ts'
import { openParts } from '../load-checkpoint.ts'
import { createPreprocessor } from '../preprocess/node.ts'
import { loadTokenizer } from '../text/node.ts'
import { createTrainer } from './create-trainer.ts'
import { Prefetch } from './prefetch.ts'
import { RecordPreparer } from './prepare-record.ts'
import { parseRecipe } from './recipe/parse-recipe.ts'
import { readRecipeFile } from './recipe/read-recipe-node.ts'
import type { Recipe } from './recipe/recipe.ts'
import { trainerOptions } from './recipe/trainer-options.ts'
import {
  openRunData,
  type DataCursor,
  type DataTools,
  type LoadedStep,
  type RunData,
} from './run-data.ts'
import { HeldOut } from './run-held-out.ts'
import type { TrainEvent } from './run-events.ts'
import { RunFolder, type FoundCheckpoint } from './run-folder-node.ts'
import { modelNotes } from './run-notes.ts'
import { StepWatch } from './run-watch.ts'
import type { Trainer } from './trainer.ts'

export type TrainOptions = {
  readonly onEvent?: (event: TrainEvent) => void
  /** Aborted: the step that runs is finished, a checkpoint written, and the reason thrown. */
  readonly signal?: AbortSignal
  /** Goes on from the latest checkpoint in the recipe's output, if there is one. */
  readonly resume?: boolean
}

export type TrainOutcome = {
  readonly output: string
  /** Where the model, or its adapter, lies. */
  readonly model: string
  readonly steps: number
  readonly loss: number | null
  readonly evaluationLoss: number | null
}

/**
 * Trains by a recipe: the path of a YAML file, or what it holds.
 *
 * Throws ConfigError for a recipe that cannot be followed, for data of which too much is unusable, and where the loss is
 * no number any more; CheckpointError where files are missing or cannot be written.
 */
export async function train(recipe: unknown, options: TrainOptions = {}): Promise<TrainOutcome> {
  const parsed = parseRecipe(typeof recipe === 'string' ? await readRecipeFile(recipe) : recipe)
  options.signal?.throwIfAborted()
  const cleanup: Cleanup = []
  try {
    return await (await openRun(parsed, options, cleanup)).run()
  } finally {
    for (const step of cleanup.reverse()) await step()
  }
}

/** Undone in reverse. */
type Cleanup = (() => void | Promise<void>)[]

async function openRun(
  recipe: Recipe,
  { onEvent: tell, signal, resume = false }: TrainOptions,
  cleanup: Cleanup,
): Promise<Run> {
  const folder = new RunFolder(recipe.output)
  cleanup.push(() => folder.close())
  const found = await folder.start({ isResumed: resume })
  await folder.openLog(found?.step ?? 0)
  const onEvent = (event: TrainEvent) => {
    folder.log(event)
    tell?.(event)
  }
  const preparer = await openPreparer(recipe, cleanup)
  const tools: DataTools = { recipe, preparer, onEvent, signal, memory: folder }
  const data = await openRunData(tools)
  cleanup.push(() => data.close())
  const heldOut = await HeldOut.open(tools)
  cleanup.push(async () => heldOut?.close())
  const { length, model } = recipe
  const totalSteps = 'steps' in length ? length.steps : length.epochs * data.stepsPerEpoch
  const resumed = { totalSteps, resume: found?.folder ?? null }
  const trainer = await createTrainer(model.from, trainerOptions(recipe, resumed))
  cleanup.push(() => trainer.dispose())
  checkCursor(trainer, { data, found })
  await folder.write('recipe.json', `${JSON.stringify(recipe, null, 2)}\n`)
  await folder.write(
    'quarantine.jsonl',
    data.quarantine.records.map((one) => JSON.stringify(one)),
  )
  onEvent(startOf(trainer, { data, totalSteps, output: folder.path }))
  return new Run({ recipe, folder, data, heldOut, trainer, totalSteps, onEvent, signal })
}

async function openPreparer(recipe: Recipe, cleanup: Cleanup): Promise<RecordPreparer> {
  const { from, quirks, ...parts } = recipe.model
  const { emptyBatch: _, ...familyQuirks } = quirks
  const checkpoint = await openParts(from, { ...parts, quirks: familyQuirks })
  const { config, tokenizerPath } = checkpoint
  checkpoint.close()
  const tokenizer = await loadTokenizer(tokenizerPath)
  const preprocessor = createPreprocessor()
  cleanup.push(() => preprocessor.dispose())
  const { conversation } = recipe
  const maxLength = Math.min(recipe.maxLength ?? Infinity, config.maxContext)
  return new RecordPreparer({ config, tokenizer, preprocessor, conversation, maxLength })
}

/** The steps of other records would be other steps. */
function checkCursor(
  { cursor }: Trainer,
  { data, found }: { data: RunData; found: FoundCheckpoint | null },
): void {
  if (!found) return
  const { records, batches } = (cursor ?? {}) as Partial<DataCursor>
  if (records === data.cursor.records && batches === data.cursor.batches) return
  throw new ConfigError(
    'CONFIG_RESUME_DATA',
    `resume: ${found.folder} was written while other records were learnt, or the same in other batches; put the data and the recipe back as they were, or start a new run.`,
  )
}

function startOf(
  trainer: Trainer,
  { data, totalSteps, output }: { data: RunData; totalSteps: number; output: string },
): TrainEvent {
  return {
    kind: 'start',
    output,
    records: data.records,
    quarantined: data.quarantine.size,
    totalSteps,
    stepsPerEpoch: data.stepsPerEpoch,
    resumedAt: trainer.steps,
    trainedParameters: trainer.trainedParameters,
  }
}

type RunParts = {
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

class Run {
  readonly #parts: RunParts
  readonly #watch: StepWatch
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
    const result = await trainer.step(loaded.microBatches).catch((error: unknown) => {
      throw namingSamples(error, loaded)
    })
    this.#loss = result.loss
    const step = trainer.steps
    const epoch = Math.floor((step - 1) / data.stepsPerEpoch) + 1
    const event = this.#watch.step({ step, epoch, result, loaded, asked, began })
    onEvent(event)
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
    onEvent({ kind: 'checkpoint', step: trainer.steps, folder: path, seconds })
  }

  async #finish(): Promise<TrainOutcome> {
    const { recipe, folder, trainer, data, onEvent } = this.#parts
    await this.#checkpoint()
    const notes = modelNotes({ recipe, data, events: await folder.events() })
    await trainer.save(folder.modelFolder, { notes })
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

/** A loss that is no number, with the records of the micro-batch that made it. */
function namingSamples(error: unknown, { where }: LoadedStep): unknown {
  if (!(error instanceof ConfigError) || error.code !== 'CONFIG_DIVERGED') return error
  const [, micro] = /micro-batch (\d+)/.exec(error.message) ?? []
  const records = micro === undefined ? where.flat() : (where[Number(micro)] ?? [])
  return new ConfigError('CONFIG_DIVERGED', `${error.message} Records: ${records.join(', ')}.`, {
    cause: error,
  })
}
