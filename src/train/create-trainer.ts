/** `createTrainer`: a checkpoint in, a trainer out. Families, weights, runtime and passes are put together here. */
import { ConfigError } from '../core/errors.ts'
import { toFloat32 } from '../core/tensor.ts'
import { mapParameters, type ParameterMap } from '../families/parameter-map.ts'
import { openParts, type Checkpoint } from '../load-checkpoint.ts'
import { createRuntime, freeMemoryBytes } from '../runtime/node.ts'
import { AdamW } from './adamw.ts'
import { modelParameters } from './model-parameters.ts'
import { ModelWeights } from './model-weights.ts'
import { Network } from './network.ts'
import { parseOptions, type TrainerOptions, type TrainerSettings } from './options.ts'
import { partOf, ratesOf } from './parameter-groups.ts'
import { ParameterStore, type TrainableParameter } from './parameter-store.ts'
import { Trainer, type NamedTensors } from './trainer.ts'

/**
 * Opens the checkpoint in a folder for training.
 *
 * Throws InputError and ConfigError for options that do not exist or fit, CheckpointError for files that are missing or
 * damaged.
 */
export async function createTrainer(name: string, options: TrainerOptions = {}): Promise<Trainer> {
  const settings = parseOptions(options)
  options.signal?.throwIfAborted()
  const checkpoint = await openParts(name, checkpointOptions(options, settings))
  const cleanup: (() => void | Promise<void>)[] = [() => checkpoint.close()]
  const dispose = async () => {
    for (const step of cleanup.splice(0).reverse()) await step()
  }
  try {
    return await assemble(checkpoint, { options, settings, cleanup, dispose })
  } catch (error) {
    await dispose()
    throw error
  }
}

type Assembly = {
  readonly options: TrainerOptions
  readonly settings: TrainerSettings
  /** Undone in reverse when the trainer is disposed of, or when loading fails. */
  readonly cleanup: (() => void | Promise<void>)[]
  readonly dispose: () => Promise<void>
}

async function assemble(
  checkpoint: Checkpoint,
  { options, settings, cleanup, dispose }: Assembly,
): Promise<Trainer> {
  const { config } = checkpoint
  const runtime = await createRuntime({ threads: options.threads })
  cleanup.push(() => runtime.dispose())
  const parameters = parameterMap(checkpoint)
  const trained = trainedParameters(checkpoint, settings)
  const store = new ParameterStore(runtime, trained)
  for (const { path } of trained) {
    ;(store.weight(path).data as Float32Array).set(toFloat32(parameters.read(path)))
  }
  const weights = new ModelWeights(runtime, parameters, store)
  const network = new Network(runtime, {
    config,
    weights,
    policy: () => 'f32',
    adapt: (graph) => graph,
  })
  cleanup.push(() => network.dispose())
  const adamw = await AdamW.create(runtime, settings)
  cleanup.push(() => adamw.dispose())
  return new Trainer({
    settings,
    config,
    network,
    store,
    adamw,
    stored: parameters.stored,
    idle: () => idleTensors(parameters, settings),
    freeBytes: freeMemoryBytes,
    signal: options.signal,
    dispose,
  })
}

function checkpointOptions(options: TrainerOptions, { baseFolder, quirks }: TrainerSettings) {
  const { layout, adapters, projector, visionTower, tokenizer, signal } = options
  const { emptyBatch: _, ...familyQuirks } = quirks
  return {
    layout,
    adapters,
    projector,
    visionTower,
    tokenizer,
    signal,
    quirks: familyQuirks,
    ...(baseFolder !== null && { base: baseFolder }),
    // Samples bring their pixels ready, so the file that says how to make them may be missing.
    processor: 'derived' as const,
  }
}

/** Blocks behind the one whose features are read, and a newline that the config does not use, are in files unread. */
const UNREAD = /^vision\.layers\.|^imageNewline$/
const UNREAD_TIED = /^vision\.layers\.|^imageNewline$|^decoder\.head\.weight$/

function parameterMap({ parts, config }: Checkpoint): ParameterMap {
  const unused = config.decoder.tieEmbeddings ? UNREAD_TIED : UNREAD
  return mapParameters(parts, modelParameters(config), { unused })
}

function trainedParameters(
  { config }: Checkpoint,
  settings: TrainerSettings,
): readonly TrainableParameter[] {
  const all = modelParameters(config)
  const trained = all.filter(({ name }) => settings.trainable.includes(partOf(name)))
  const missing = settings.trainable.filter(
    (part) => !all.some(({ name }) => partOf(name) === part),
  )
  if (missing.length > 0) {
    throw new ConfigError(
      'CONFIG_TRAINER',
      `createTrainer: trainable names ${missing.join(', ')}, of which this model has nothing.`,
    )
  }
  return trained.map(({ name, shape }) => ({
    path: name,
    shape: shape as readonly number[],
    rates: ratesOf(name, settings),
  }))
}

/** What belongs to the tower and has no gradient: its last blocks and norm. */
function idleTensors({ unread }: ParameterMap, { trainable }: TrainerSettings): NamedTensors {
  if (!trainable.includes('vision')) return new Map()
  return new Map(
    unread.flatMap(({ source, name }) => {
      const tensor = source.read(name)
      if (!/vision_(?:tower|model)\./.test(name) || tensor.data instanceof BigInt64Array) return []
      return [[name, { data: toFloat32(tensor).slice(), shape: tensor.shape }] as const]
    }),
  )
}
