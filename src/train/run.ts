/**
 * `train`: a recipe in, a model out.
 *
 *   recipe ─ records inspected ─ steps planned ─▶ prefetch ─ trainer.step ─ log ─ checkpoint ─┐
 *                                                   ▲─────────────────────────────────────────┘ ─▶ model
 *
 * Everything that is drawn comes from the recipe's seed and the number of the epoch, and the trainer's state is in its
 * checkpoints, so a run that was killed goes on bit for bit on the same kind of CPU with as many threads.
 */
import { ConfigError } from '../core/errors.ts'
import type { ModelConfig } from '../families/family.ts'
import { isFile } from '../weights/node.ts'
import { createTrainer } from './create-trainer.ts'
import { writeNewProjector } from './new-projector.ts'
import { openPreparer } from './open-preparer.ts'
import { checkRecipe, checkReference } from './recipe/check-recipe.ts'
import { withStageParts } from './own-parts.ts'
import { parseRecipe } from './recipe/parse-recipe.ts'
import { recipeChanges } from './recipe/recipe-changes.ts'
import { readRecipeFile } from './recipe/read-recipe-node.ts'
import type { Recipe } from './recipe/recipe.ts'
import { trainerOptions } from './recipe/trainer-options.ts'
import { openRunData, type DataCursor, type DataTools, type RunData } from './run-data.ts'
import { HeldOut } from './run-held-out.ts'
import type { TrainEvent } from './run-events.ts'
import { QUARANTINE, RECIPE, RunFolder, type FoundCheckpoint } from './run-folder-node.ts'
import { Run, type TrainOutcome } from './run-loop.ts'
import type { Trainer } from './trainer.ts'

export type TrainOptions = {
  readonly onEvent?: (event: TrainEvent) => void
  /** Aborted: the step that runs is finished, a checkpoint written, and the reason thrown. */
  readonly signal?: AbortSignal
  /** Goes on from the latest checkpoint in the recipe's output, if there is one. */
  readonly resume?: boolean
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
    const run = await openRun(parsed, options, cleanup)
    return await run.run()
  } finally {
    for (const step of cleanup.reverse()) await step()
  }
}

/** Undone in reverse. */
type Cleanup = (() => void | Promise<void>)[]

async function openRun(
  given: Recipe,
  { onEvent: tell, signal, resume = false }: TrainOptions,
  cleanup: Cleanup,
): Promise<Run> {
  const folder = new RunFolder(given.output)
  const found = await folder.start({ isResumed: resume })
  let isOpen = false
  cleanup.push(() => (isOpen ? folder.close() : folder.abandon()))
  const before = found && (await folder.recipe())
  await folder.openLog(found)
  const onEvent = (event: TrainEvent) => {
    folder.log(event)
    tell?.(event)
  }
  const { preparer, config, files, dispose } = await openPreparer(given)
  cleanup.push(dispose)
  const whole = withStageParts(given, config)
  const recipe = await withNewProjector(whole, { config, folder, isNew: found === null })
  checkRecipe(recipe, { config, files })
  await checkReference(recipe)
  const changes = before === null ? null : recipeChanges(before, recipe)
  const isResumed = found !== null
  const tools: DataTools = { recipe, preparer, onEvent, signal, memory: folder, isResumed }
  // Fewer than those that are learnt from: what is wrong with them is told first.
  const heldOut = await HeldOut.open(tools)
  cleanup.push(async () => heldOut?.close())
  const data = await openRunData(tools)
  cleanup.push(() => data.close())
  const { length, model } = recipe
  const totalSteps = 'steps' in length ? length.steps : length.epochs * data.stepsPerEpoch
  const resumed = { totalSteps, resume: found?.folder ?? null }
  const trainer = await createTrainer(model.from, trainerOptions(recipe, resumed))
  cleanup.push(() => trainer.dispose())
  checkCursor(trainer, { data, found })
  await folder.write(RECIPE, `${JSON.stringify(recipe, null, 2)}\n`)
  await folder.write(
    QUARANTINE,
    data.quarantine.records.map((one) => JSON.stringify(one)),
  )
  onEvent(startOf(trainer, { data, totalSteps, output: folder.path }))
  for (const message of [...(changes === null ? [] : [changes]), ...trainer.notices]) {
    onEvent({ kind: 'warning', step: trainer.steps, message })
  }
  isOpen = true
  return new Run({ recipe, folder, data, heldOut, trainer, totalSteps, onEvent, signal })
}

/** `projector: new` as the file that it becomes; a run that goes on finds it there, what a failed start drew is drawn again. */
async function withNewProjector(
  recipe: Recipe,
  {
    config,
    folder,
    isNew,
  }: { readonly config: ModelConfig; readonly folder: RunFolder; readonly isNew: boolean },
): Promise<Recipe> {
  if (recipe.model.projector !== 'new') return recipe
  const projector = folder.projectorFile
  if (isNew || !isFile(projector)) await writeNewProjector(projector, config, recipe.seed)
  return { ...recipe, model: { ...recipe.model, projector } }
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
