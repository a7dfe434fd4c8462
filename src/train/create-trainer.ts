/** `createTrainer`: a checkpoint in, a trainer out. Families, weights, runtime and passes are put together here. */
import { Rng } from '../core/rng.ts'
import { toFloat32 } from '../core/tensor.ts'
import type { ModelConfig } from '../families/family.ts'
import { mapParameters, type ParameterMap } from '../families/parameter-map.ts'
import { openParts, type Checkpoint } from '../load-checkpoint.ts'
import { int8Saturates } from '../runtime/int8-check.ts'
import { createRuntime, freeMemoryBytes } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { AdamW } from './adamw.ts'
import { readCheckpoint } from './checkpoint.ts'
import { DropoutMasks } from './dropout-masks.ts'
import { addAdapters } from './lora-graph.ts'
import { modelParameters } from './model-parameters.ts'
import { frozenReader, ModelWeights } from './model-weights.ts'
import { Network } from './network.ts'
import { supervisedObjective, type Objective } from './objective.ts'
import { parseOptions, type TrainerOptions, type TrainerSettings } from './options.ts'
import { ParameterStore } from './parameter-store.ts'
import { PreferenceObjective } from './preference-objective.ts'
import { QuantizedCopies } from './quantized-copies.ts'
import { Reference } from './reference.ts'
import { saveAdapter } from './save-adapter.ts'
import { saveModel } from './save-model.ts'
import { INT8_RANGES, quantizeFrozen, storageOf, type Int8Range } from './storage.ts'
import { trainedParameters, type Trained } from './trained-parameters.ts'
import { trainingCard } from './training-card.ts'
import { Trainer, type NamedTensors } from './trainer.ts'

/**
 * Opens a checkpoint, a folder or a hub id, for training.
 *
 * Throws InputError and ConfigError for options that do not exist or fit, CheckpointError for files that are missing or
 * damaged.
 */
export async function createTrainer(name: string, options: TrainerOptions = {}): Promise<Trainer> {
  const settings = parseOptions(options)
  options.signal?.throwIfAborted()
  const checkpoint = await openParts(name, checkpointOptions(options, settings))
  const cleanup: Cleanup = [() => checkpoint.close()]
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

/** Undone in reverse when the trainer is disposed of, or when loading fails. */
type Cleanup = (() => void | Promise<void>)[]

type Assembly = {
  readonly options: TrainerOptions
  readonly settings: TrainerSettings
  readonly cleanup: Cleanup
  readonly dispose: () => Promise<void>
}

async function assemble(checkpoint: Checkpoint, assembly: Assembly): Promise<Trainer> {
  const { options, settings, cleanup, dispose } = assembly
  const { config } = checkpoint
  const runtime = await createRuntime({ threads: options.threads })
  cleanup.push(() => runtime.dispose())
  const rng = new Rng(settings.seed)
  const { values, parameters } = readParameters(checkpoint)
  const rules = checkpoint.family.parameterNames
  const trained = trainedParameters({ values, parameters, rules, settings, rng })
  const store = new ParameterStore(runtime, trained.parameters)
  for (const path of store.paths) {
    ;(store.weight(path).data as Float32Array).set(trained.start(path))
  }
  const isTrained = (path: string) => store.has(path)
  const storage = storageOf(settings, isTrained)
  const { policy } = storage
  // Products of widened weights are float32's, which nothing saturates.
  const isExact = settings.compute === 'f32' || !(await int8Saturates(runtime))
  const range = isExact ? INT8_RANGES.exact : INT8_RANGES.saturating
  const frozenParts = { parameters, policy, isTrained, range, signal: options.signal }
  const quantized = await quantizeFrozen(values, frozenParts)
  if (quantized) cleanup.push(() => quantized.close())
  const masks = dropoutMasks(runtime, trained, settings)
  if (masks) cleanup.push(() => masks.dispose())
  const paths = store.paths.filter((path) => policy(path) === 'int8')
  const copies =
    paths.length > 0
      ? await QuantizedCopies.create(runtime, { store, paths, largest: range.largest })
      : null
  if (copies) cleanup.push(() => copies.dispose())
  const readFrozen = frozenReader(runtime, parameters, quantized)
  const frozen = (path: string) => copies?.tensor(path) ?? readFrozen(path)
  const weights = new ModelWeights({ store, masks, frozen })
  const adapt = adaptation(trained, settings.lora)
  const network = new Network(runtime, { config, weights, ...storage, adapt })
  cleanup.push(() => network.dispose())
  const adamw = await AdamW.create(runtime, settings)
  cleanup.push(() => adamw.dispose())
  const atStart = () =>
    new Network(runtime, {
      config,
      weights: weights.frozenCopy(runtime, trained.start),
      ...storage,
      adapt: adaptation(trained, settings.lora && { ...settings.lora, dropout: 0 }),
    })
  const objectiveParts = { runtime, settings, options, cleanup, range, atStart }
  const objective = await createObjective(config, objectiveParts)
  // After the reference, which is the model as it was at the very start.
  const nameOf = (path: string) => trained.stored(path).name
  const { resume } = options
  const resumed = resume === undefined ? null : await readCheckpoint(resume, { store, nameOf })
  return new Trainer({
    settings,
    config,
    network,
    objective,
    store,
    adamw,
    masks,
    copies,
    rng: resumed ? new Rng(resumed.rng) : rng,
    resumed,
    stored: trained.stored,
    idle: () => idleTensors(parameters, settings),
    freeBytes: freeMemoryBytes,
    signal: options.signal,
    save: saving(checkpoint, { settings, store, trained }),
    dispose,
  })
}

function saving(
  checkpoint: Checkpoint,
  {
    settings,
    store,
    trained,
  }: {
    readonly settings: TrainerSettings
    readonly store: ParameterStore
    readonly trained: Trained
  },
) {
  const base = checkpoint.documents.name
  return (folder: string, told: { readonly steps: number; readonly notes: string }) => {
    const card = trainingCard({ base, settings, ...told })
    if (settings.lora) return saveAdapter(folder, { base, settings, store, card, ...trained })
    return saveModel(folder, { checkpoint, store, card })
  }
}

type ObjectiveParts = Pick<Assembly, 'options' | 'settings' | 'cleanup'> & {
  readonly runtime: Runtime
  readonly range: Int8Range
  /** The model as it is when training starts, frozen. */
  readonly atStart: () => Network
}

async function createObjective(config: ModelConfig, parts: ObjectiveParts): Promise<Objective> {
  const { settings, cleanup, atStart } = parts
  const { objective, accumulation } = settings
  if (objective.kind === 'sft') return supervisedObjective(config, accumulation)
  const { reference: folder } = objective
  const network = folder === null ? atStart() : await openReference(folder, parts)
  cleanup.push(() => network.dispose())
  const reference = new Reference(network)
  return new PreferenceObjective({
    config,
    settings: objective,
    accumulation,
    reference: (samples, options) => reference.logProbs(samples, options),
  })
}

/** Another checkpoint, frozen, whose weights are stored as those that are trained from. */
async function openReference(
  folder: string,
  { runtime, settings, options, cleanup, range }: ObjectiveParts,
): Promise<Network> {
  const checkpoint = await openParts(folder, {
    layout: options.layout,
    signal: options.signal,
    processor: 'derived',
  })
  cleanup.push(() => checkpoint.close())
  const { values, parameters } = readParameters(checkpoint)
  const isTrained = () => false
  const storage = storageOf(settings, isTrained)
  const { policy } = storage
  const parts = { parameters, policy, isTrained, range, signal: options.signal }
  const quantized = await quantizeFrozen(values, parts)
  if (quantized) cleanup.push(() => quantized.close())
  const weights = new ModelWeights({
    store: new ParameterStore(runtime, []),
    masks: null,
    frozen: frozenReader(runtime, parameters, quantized),
  })
  const { config } = checkpoint
  return new Network(runtime, { config, weights, ...storage, adapt: (graph) => graph })
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

function readParameters({ parts, config }: Checkpoint) {
  const values = modelParameters(config)
  const unused = config.decoder.tieEmbeddings ? UNREAD_TIED : UNREAD
  return { values, parameters: mapParameters(parts, values, { unused }) }
}

/** Adds the adapters of the layer that a graph stands for. */
function adaptation({ modules }: Trained, lora: TrainerSettings['lora']) {
  const adapted = new Set(modules.map(({ weight }) => weight))
  return (graph: Parameters<typeof addAdapters>[0], path: (path: string) => string) => {
    if (!lora) return graph
    const { rank, alpha, dropout } = lora
    const adapter = { rank, scale: alpha / rank, hasDropout: dropout > 0 }
    return addAdapters(graph, (weight) => (adapted.has(path(weight)) ? adapter : null))
  }
}

function dropoutMasks(
  runtime: Runtime,
  { modules }: Trained,
  { lora }: TrainerSettings,
): DropoutMasks | null {
  if (!lora || lora.dropout === 0) return null
  const widths = modules.map(
    ({ weight, columns }) => [weight.replace(/\.weight$/, ''), columns] as const,
  )
  return new DropoutMasks(runtime, { dropout: lora.dropout, widths: new Map(widths) })
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
