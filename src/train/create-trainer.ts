/** `createTrainer`: a checkpoint in, a trainer out. */
import { ConfigError } from '../core/errors.ts'
import { Rng } from '../core/rng.ts'
import { inTurns, nextTurn } from '../core/steps.ts'
import type { LearntFiles } from '../families/convert/learnt-files.ts'
import { openParts, type Checkpoint } from '../load-checkpoint.ts'
import { createRuntime, freeMemoryBytes } from '../runtime/node.ts'
import { absolutePath } from '../weights/node.ts'
import { AdamW } from './adamw.ts'
import { adapterNotices } from './adapter-notices.ts'
import {
  buildFrozen,
  buildTrained,
  idleTensors,
  int8Range,
  readParameters,
  type Workspace,
} from './build-network.ts'
import { checkSavable, ggufFile } from './check-savable.ts'
import { readCheckpoint } from './checkpoint.ts'
import { withHeld } from './held-parameters.ts'
import { idleRateNotices } from './idle-rates.ts'
import { learntFor, type LearntFor } from './learnt-for.ts'
import { learntOrTold } from './learnt-or-told.ts'
import type { Network } from './network.ts'
import { withNewline } from './new-newline.ts'
import { supervisedObjective, type Objective } from './objective.ts'
import { familyQuirks, parseOptions, type TrainerOptions, type TrainerSettings } from './options.ts'
import { withOwnHead } from './own-head.ts'
import { withOwnParts } from './own-parts.ts'
import type { ParameterStore } from './parameter-store.ts'
import { PreferenceObjective } from './preference-objective.ts'
import { Reference } from './reference.ts'
import { modelDigest, startDigest } from './reference-digest-node.ts'
import { saveAdapter } from './save-adapter.ts'
import { saveModel, withNotices } from './save-model.ts'
import { trainedSteps, type Trained } from './trained-parameters.ts'
import { Trainer, type TrainerParts } from './trainer.ts'
import { trainingCard } from './training-card.ts'
import { unadaptedNotices } from './unadapted-layers.ts'
import { wordsObjective } from './words-objective.ts'

/**
 * Opens a checkpoint, a folder or a hub id, for training.
 *
 * Throws InputError and ConfigError for options that do not exist or fit, CheckpointError for files that are missing or
 * damaged.
 */
export async function createTrainer(name: string, options: TrainerOptions = {}): Promise<Trainer> {
  checkName(name)
  const given = parseOptions(options)
  options.signal?.throwIfAborted()
  const checkpoint = await openParts(name, checkpointOptions(options, given))
  const cleanup: Workspace['cleanup'] = [() => checkpoint.close()]
  const dispose = async () => {
    for (const step of cleanup.splice(0).reverse()) await step()
  }
  try {
    const settings = withOwnParts(given, options, checkpoint.config)
    // Steps of milliseconds each: the event loop gets its turn in between.
    if (!settings.lora && settings.trainable.length > 0) checkSavable(checkpoint)
    await nextTurn()
    const runtime = await createRuntime({ threads: options.threads })
    cleanup.push(() => runtime.dispose())
    await nextTurn()
    const range = await int8Range(runtime, settings)
    const workspace = { runtime, settings, range, signal: options.signal, cleanup }
    return new Trainer({ ...(await assemble(checkpoint, workspace, options)), dispose })
  } catch (error) {
    await dispose()
    throw error
  }
}

function checkName(name: unknown): void {
  if (typeof name === 'string' && name !== '') return
  throw new ConfigError(
    'CONFIG_TRAINER',
    `createTrainer: the model should be named by a text, a folder or hub id, ${JSON.stringify(name) ?? String(name)} came.`,
  )
}

async function assemble(
  opened: Checkpoint,
  workspace: Workspace,
  options: TrainerOptions,
): Promise<Omit<TrainerParts, 'dispose'>> {
  const { resume, layout, projector } = options
  const { runtime, settings, signal, cleanup } = workspace
  const { checkpoint: begun, notices } = withNewline(opened, { settings, projector })
  const checkpoint = withOwnHead(begun, settings)
  const { config, family } = checkpoint
  const rng = new Rng(settings.seed)
  const source = await readParameters(checkpoint)
  const rules = family.parameterNames
  const trained = await inTurns(trainedSteps({ ...source, rules, settings, rng }))
  const parameters = withHeld(source.parameters, trained.held)
  const read = { ...source, parameters, trained }
  const { atStart, ...model } = await buildTrained(checkpoint, read, workspace)
  const { store } = model
  const { objective, reference } = await createObjective(
    checkpoint,
    { atStart, layout, trained },
    workspace,
  )
  const adamw = await AdamW.create(runtime, settings)
  cleanup.push(() => adamw.dispose())
  const nameOf = (path: string) => trained.stored(path).name
  const purpose = learntFor(settings, { held: trained.held, reference })
  const asBefore = { store, nameOf, learntFor: purpose }
  const resumed = resume === undefined ? null : await readCheckpoint(resume, asBefore)
  return {
    ...model,
    settings,
    config,
    notices: [
      ...opened.notices,
      ...notices,
      ...idleRateNotices(settings, config),
      ...unadaptedNotices(settings, config),
    ],
    objective,
    adamw,
    rng: resumed ? new Rng(resumed.rng) : rng,
    resumed,
    learntFor: purpose,
    stored: trained.stored,
    idle: () => idleTensors(parameters, settings),
    freeBytes: freeMemoryBytes,
    signal,
    save: saving(checkpoint, { settings, store, trained, options }),
  }
}

type ChosenObjective = {
  readonly objective: Objective
  /** Digests of the frozen reference; none without one. */
  readonly reference: LearntFor
}

type ObjectiveParts = Pick<TrainerOptions, 'layout'> & {
  readonly atStart: () => Promise<Network>
  readonly trained: Trained
}

async function createObjective(
  { config, files }: Checkpoint,
  parts: ObjectiveParts,
  workspace: Workspace,
): Promise<ChosenObjective> {
  const { objective, accumulation } = workspace.settings
  if (objective.kind === 'sft')
    return { objective: supervisedObjective(config, accumulation), reference: {} }
  if (objective.kind === 'words')
    return { objective: wordsObjective(config, accumulation), reference: {} }
  const { network, digest } = await openReference(
    objective.reference,
    { ...parts, files },
    workspace,
  )
  const reference = new Reference(network)
  return {
    objective: new PreferenceObjective({
      config,
      settings: objective,
      accumulation,
      reference: (samples, options) => reference.logProbs(samples, options),
    }),
    reference: digest,
  }
}

/** The model as it is when training starts, or another checkpoint, whose weights are stored as those that are trained from. */
async function openReference(
  folder: string | null,
  { atStart, layout, trained, files }: ObjectiveParts & Pick<Checkpoint, 'files'>,
  workspace: Workspace,
): Promise<{ readonly network: Network; readonly digest: LearntFor }> {
  const { settings, signal, cleanup } = workspace
  if (folder === null) {
    const network = await atStart()
    cleanup.push(() => network.dispose())
    return { network, digest: await startDigest(trained, settings, { files, signal }) }
  }
  const options = { layout, signal, processor: 'derived', use: 'training' } as const
  const checkpoint = await openParts(folder, options)
  cleanup.push(() => checkpoint.close())
  const network = await buildFrozen(checkpoint, workspace)
  return { network, digest: await modelDigest({ files: checkpoint.files, signal }) }
}

function checkpointOptions(options: TrainerOptions, { baseFolder, lora, quirks }: TrainerSettings) {
  const { layout, adapters, projector, visionTower, tokenizer, signal } = options
  return {
    layout,
    adapters,
    projector,
    visionTower,
    tokenizer,
    signal,
    quirks: familyQuirks(quirks),
    ...(lora?.init && { lora: lora.init }),
    ...(baseFolder !== null && { base: baseFolder }),
    // Samples bring their pixels ready, so the file that says how to make them may be missing.
    processor: 'derived' as const,
    use: 'training' as const,
  }
}

type SavingParts = {
  readonly settings: TrainerSettings
  readonly store: ParameterStore
  readonly trained: Trained
  readonly options: TrainerOptions
}

function saving(
  checkpoint: Checkpoint,
  { settings, store, trained, options }: SavingParts,
): TrainerParts['save'] {
  const { name: base } = checkpoint.documents
  return async (folder, { replaces, ...told }) => {
    const card = trainingCard({ base, settings, ...told })
    const quirks = familyQuirks(settings.quirks)
    const { stored } = trained
    if (!settings.lora)
      return saveModel(folder, { checkpoint, store, stored, quirks, card, replaces })
    const learnt = adapterFiles(learntOrTold(checkpoint, quirks))
    const notices = [...learnt.notices, ...adapterNotices(checkpoint, { options, settings })]
    const { config } = checkpoint
    const parts = { config, settings, store, learnt: learnt.files, replaces, ...trained }
    const whole = absolutePath(ggufFile(checkpoint) ?? checkpoint.folder)
    const isGiven = (options.adapters ?? []).length > 0
    const under = isGiven ? checkpoint.adapters.map(absolutePath) : []
    await saveAdapter(folder, { ...parts, base: whole, under, card: withNotices(card, notices) })
    return notices
  }
}

/** PEFT and transformers look into the base's folder alone. */
function adapterFiles({ files, notices }: LearntFiles): LearntFiles {
  if (files.size === 0) return { files, notices }
  const names = [...files.keys()].join(' and ')
  const told = `Pictures and clips were learnt as ${names} beside the adapter says, and not as the base's own does: others must be given it.`
  return { files, notices: [told, ...notices] }
}
