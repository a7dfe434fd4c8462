/** A checkpoint's weights and stages as a network: trained parameters in a store, the rest as the settings store it. */
import { inTurns, nextTurn } from '../core/steps.ts'
import { toFloat32 } from '../core/tensor.ts'
import { parameterSteps, type ParameterMap } from '../families/parameter-map.ts'
import type { Graph, Value } from '../graph/graph.ts'
import type { Checkpoint } from '../load-checkpoint.ts'
import { turnTaker } from '../read-float-weight.ts'
import { int8Saturates } from '../runtime/int8-check.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { DropoutMasks } from './dropout-masks.ts'
import { hashTower, openFeatureCache, type FeatureCache } from './feature-cache-node.ts'
import { addAdapters } from './lora-graph.ts'
import { modelParameters } from './model-parameters.ts'
import { frozenReader, ModelWeights } from './model-weights.ts'
import { Network } from './network.ts'
import type { TrainerSettings } from './options.ts'
import { ParameterStore } from './parameter-store.ts'
import { QuantizedCopies } from './quantized-copies.ts'
import { INT8_RANGES, quantizeFrozen, storageOf, type Int8Range, type Storage } from './storage.ts'
import type { Trained } from './trained-parameters.ts'

/** What lives as long as the trainer. */
export type Workspace = {
  readonly runtime: Runtime
  readonly settings: TrainerSettings
  readonly range: Int8Range
  readonly signal: AbortSignal | undefined
  /** Undone in reverse when the trainer is disposed of, or when loading fails. */
  readonly cleanup: (() => void | Promise<void>)[]
}

export type TrainedNetwork = {
  readonly network: Network
  readonly store: ParameterStore
  readonly masks: DropoutMasks | null
  readonly copies: QuantizedCopies | null
  /** The same model as it is when training starts, frozen. */
  readonly atStart: () => Promise<Network>
}

export type CheckpointParameters = {
  readonly values: readonly Value[]
  readonly parameters: ParameterMap
}

/** Blocks behind the one whose features are read, and a newline that the config does not use, are in files unread. */
const UNREAD = /^vision\.layers\.|^imageNewline$/
const UNREAD_TIED = /^vision\.layers\.|^imageNewline$|^decoder\.head\.weight$/

/** Throws CheckpointError for tensors that are missing, misshapen or unknown. */
export async function readParameters({ parts, config }: Checkpoint): Promise<CheckpointParameters> {
  const values = modelParameters(config)
  await nextTurn()
  const unused = config.decoder.tieEmbeddings ? UNREAD_TIED : UNREAD
  return { values, parameters: await inTurns(parameterSteps(parts, values, { unused })) }
}

/** How large 8-bit weights may be. Products of widened weights are float32's, which nothing saturates. */
export async function int8Range(
  runtime: Runtime,
  { compute }: TrainerSettings,
): Promise<Int8Range> {
  const isExact = compute === 'f32' || !(await int8Saturates(runtime))
  return isExact ? INT8_RANGES.exact : INT8_RANGES.saturating
}

export async function buildTrained(
  { config }: Checkpoint,
  { trained, ...source }: CheckpointParameters & { readonly trained: Trained },
  workspace: Workspace,
): Promise<TrainedNetwork> {
  const { runtime, settings, cleanup } = workspace
  const store = await startStore(runtime, trained)
  const isTrained = (path: string) => store.has(path)
  const storage = storageOf(settings, isTrained)
  const readFrozen = await openFrozen(source, { storage, isTrained }, workspace)
  const copies = await quantizedCopies(store, storage, workspace)
  const masks = dropoutMasks(runtime, trained, settings)
  if (masks) cleanup.push(() => masks.dispose())
  const frozen = async (path: string) => copies?.tensor(path) ?? readFrozen(path)
  const weights = new ModelWeights({ store, masks, frozen })
  const adapt = adaptation(trained, settings.lora)
  const features = await openFeatures(source, workspace)
  await nextTurn()
  const network = await Network.create(runtime, { config, weights, ...storage, adapt, features })
  cleanup.push(() => network.dispose())
  await nextTurn()
  const atStart = () =>
    Network.create(runtime, {
      config,
      weights: weights.frozenCopy(runtime, trained.start),
      ...storage,
      adapt: adaptation(trained, settings.lora && { ...settings.lora, dropout: 0 }),
      features,
    })
  return { network, store, masks, copies, atStart }
}

/** A checkpoint of which nothing is trained. */
export async function buildFrozen(checkpoint: Checkpoint, workspace: Workspace): Promise<Network> {
  const { runtime, settings, cleanup } = workspace
  const isTrained = () => false
  const storage = storageOf(settings, isTrained)
  const frozen = await openFrozen(
    await readParameters(checkpoint),
    { storage, isTrained },
    workspace,
  )
  const weights = new ModelWeights({ store: new ParameterStore(runtime, []), masks: null, frozen })
  const { config } = checkpoint
  const adapt = (graph: Graph) => graph
  const network = await Network.create(runtime, {
    config,
    weights,
    ...storage,
    adapt,
    features: null,
  })
  cleanup.push(() => network.dispose())
  return network
}

/** The cache of a tower that is frozen; null where nobody asked for one. */
async function openFeatures(
  { values, parameters }: CheckpointParameters,
  { settings }: Workspace,
): Promise<FeatureCache | null> {
  const { featureCache, trainable } = settings
  if (featureCache === null || trainable.includes('vision')) return null
  return openFeatureCache(featureCache, hashTower(values, parameters))
}

async function startStore(
  runtime: Runtime,
  { parameters, startSteps }: Trained,
): Promise<ParameterStore> {
  const store = new ParameterStore(runtime, parameters)
  const takeTurns = turnTaker()
  for (const path of store.paths) {
    const weight = store.weight(path).data as Float32Array
    for (const _ of startSteps(path, weight)) await takeTurns()
  }
  return store
}

async function openFrozen(
  { values, parameters }: CheckpointParameters,
  { storage, isTrained }: { storage: Storage; isTrained: (path: string) => boolean },
  { runtime, range, signal, cleanup }: Workspace,
) {
  const { policy } = storage
  const plan = { parameters, policy, isTrained, range, signal }
  const quantized = await quantizeFrozen(values, plan)
  if (quantized) cleanup.push(() => quantized.close())
  return frozenReader(runtime, parameters, quantized)
}

async function quantizedCopies(
  store: ParameterStore,
  { policy }: Storage,
  { runtime, range, cleanup }: Workspace,
): Promise<QuantizedCopies | null> {
  const paths = store.paths.filter((path) => policy(path) === 'int8')
  if (paths.length === 0) return null
  const { largest } = range
  const copies = await QuantizedCopies.create(runtime, { store, paths, largest })
  cleanup.push(() => copies.dispose())
  return copies
}

/** Adds the adapters of the layer that a graph stands for. */
function adaptation({ modules }: Trained, lora: TrainerSettings['lora']) {
  const adapted = new Set(modules.map(({ weight }) => weight))
  return (graph: Graph, path: (path: string) => string) => {
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

export type NamedTensors = Map<
  string,
  { readonly data: Float32Array; readonly shape: readonly number[] }
>

/** What belongs to the tower and has no gradient: its last blocks and norm. */
export function idleTensors(
  { unread }: ParameterMap,
  { trainable }: TrainerSettings,
): NamedTensors {
  if (!trainable.includes('vision')) return new Map()
  return new Map(
    unread.flatMap(({ source, name }) => {
      const tensor = source.read(name)
      if (!/vision_(?:tower|model)\./.test(name) || tensor.data instanceof BigInt64Array) return []
      return [[name, { data: toFloat32(tensor).slice(), shape: tensor.shape }] as const]
    }),
  )
}
