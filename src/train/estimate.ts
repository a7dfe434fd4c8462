/** What a run will take before it is begun: operations, memory, and with a rate the time. */
import type { ModelConfig } from '../families/family.ts'
import { featureRows, patchesPerSide, type VisionConfig } from '../vision/vision-transformer.ts'
import type { TrainerSettings } from './options.ts'
import type { ParameterGroup } from './recipe/parameter-table.ts'

export type RunSize = {
  readonly records: number
  /** Positions of a record in the decoder, those of both answers of a pair, and how many of them are learnt; means. */
  readonly tokens: number
  readonly learnt: number
  /** Tiles and frames of a record that the tower sees: the answers of a pair share them. */
  readonly tiles: number
  readonly steps: number
  /** Records of a step and of a micro-batch; of a packed row as many as fill it, in the mean. */
  readonly batch: number
  readonly microBatch: number
}

/** In bytes. */
export type RunMemory = {
  readonly frozenWeights: number
  /** Weights, gradients and two moments, float32. */
  readonly trained: number
  /** Of the model that preferences are learnt against: what it does not share with the one that is trained. */
  readonly reference: number
  /** Kept between forward and backward; made again where memory is short. */
  readonly activations: number
}

type Sized = { readonly settings: TrainerSettings; readonly size: RunSize }

/** How often a group of parameters, and attention, go over their rows; a forward pass is one. */
type Passes = {
  readonly weights: (group: ParameterGroup) => number
  readonly attention: number
}

/**
 * Operations of the whole run; a multiplication and an addition are two.
 *
 * A linear layer costs 2 operations a weight and row forward, 2 more for the gradient of its input where something below it
 * is trained, and 2 more for its own gradient where it is trained. Attention: 4 · T/2 · N · H a position and layer forward
 * (half of the positions lie behind), twice that backward. A frozen reference answers each record once, however often the
 * run comes to it.
 */
export function runOperations(
  config: ModelConfig,
  groups: readonly ParameterGroup[],
  sized: Sized,
): number {
  const { settings, size } = sized
  const samples = size.steps * size.batch
  const operations = (passes: Passes) => recordOperations(config, groups, sized, passes)
  const learning = samples * operations(learningPasses(groups))
  if (settings.objective.kind !== 'dpo') return learning
  return learning + Math.min(samples, size.records) * operations(FORWARD)
}

const FORWARD: Passes = { weights: () => 1, attention: 1 }

function learningPasses(groups: readonly ParameterGroup[]): Passes {
  const isTrained = (part: ParameterGroup['part']) =>
    groups.some((group) => group.part === part && group.isTrained)
  const isVisionTrained = isTrained('vision')
  const reachesBack = {
    vision: isVisionTrained,
    projector: isVisionTrained || isTrained('projector'),
    decoder: true,
    imageNewline: false,
  }
  return {
    weights: ({ part, isTrained: trains }) => 1 + Number(reachesBack[part]) + Number(trains),
    attention: 3,
  }
}

function recordOperations(
  { decoder, vision }: ModelConfig,
  groups: readonly ParameterGroup[],
  { settings, size }: Sized,
  passes: Passes,
): number {
  const isDecoderRun = settings.objective.kind !== 'words'
  const rows = {
    vision: vision ? size.tiles * (vision.imageSize / vision.patchSize) ** 2 : 0,
    projector: vision ? size.tiles * featureRows(vision) : 0,
    decoder: size.tokens,
    imageNewline: 0,
  }
  let products = 0
  for (const group of groups) {
    const { part, parameters, kind } = group
    if (part === 'decoder' && !isDecoderRun) continue
    // Embeddings that are tied to the head multiply what it would.
    const isHead = kind === 'head' || (kind === 'embedding' && decoder.tieEmbeddings)
    const own = isHead ? size.learnt : kind === 'embedding' ? 0 : rows[part]
    products += 2 * passes.weights(group) * parameters * own
  }
  const layers = isDecoderRun ? decoder.numLayers : 0
  const { numHeads, headDim } = decoder.attention
  const sequences = settings.objective.kind === 'dpo' ? 2 : 1
  const attended = size.tokens ** 2 / sequences / 2
  return products + layers * passes.attention * 4 * attended * numHeads * headDim
}

const FROZEN_BYTES = { f32: 4, int8: 1, q4: 0.625 } as const

export function runMemory(
  config: ModelConfig,
  groups: readonly ParameterGroup[],
  sized: Sized,
): RunMemory {
  const { compute, storage, objective } = sized.settings
  const stored = compute === 'int8' ? 'int8' : storage
  const frozenBytes = ({ part, parameters, kind }: ParameterGroup) =>
    parameters * (part === 'decoder' && kind === 'layer' ? FROZEN_BYTES[stored] : 4)
  const bytesOf = (isCounted: (group: ParameterGroup) => boolean) =>
    groups.filter(isCounted).reduce((sum, group) => sum + frozenBytes(group), 0)
  const trained = groups.reduce((sum, one) => sum + (one.isTrained ? one.parameters : 0), 0)
  const isShared = objective.kind === 'dpo' && objective.reference === null
  const ofReference = isShared
    ? bytesOf(({ isTrained }) => isTrained)
    : bytesOf(({ kind }) => kind !== 'lora')
  return {
    frozenWeights: bytesOf(({ isTrained }) => !isTrained),
    trained: 16 * trained,
    reference: objective.kind === 'dpo' ? ofReference : 0,
    activations: keptActivations(config, groups, sized),
  }
}

/** The states of layers, what attention reads and gives, and products; of a tower, where it is trained, products alone. */
function keptActivations(
  { decoder, vision }: ModelConfig,
  groups: readonly ParameterGroup[],
  { settings, size }: Sized,
): number {
  const { hiddenSize, intermediateSize, attention } = decoder
  const { numHeads, numKvHeads, headDim } = attention
  const heads = (3 * numHeads + 2 * numKvHeads) * headDim
  // An adapter's products are kept beside those of its layer.
  const products = (hiddenSize + 2 * intermediateSize) * (settings.lora ? 2 : 1)
  const layer = hiddenSize + products + heads
  const isDecoderRun = settings.objective.kind !== 'words'
  const ofDecoder = isDecoderRun ? size.tokens * (decoder.numLayers * layer + hiddenSize) : 0
  const isTowerTrained = groups.some(({ part, isTrained }) => part === 'vision' && isTrained)
  const ofTower = vision && isTowerTrained ? size.tiles * towerProducts(vision) : 0
  return 4 * size.microBatch * (ofDecoder + ofTower)
}

/** Of one tile: six of the width and one of the inner one in each block. */
function towerProducts(vision: VisionConfig): number {
  const { hiddenSize, intermediateSize, featureLayers } = vision
  const rows = patchesPerSide(vision) ** 2 + Number(vision.hasClassToken)
  return rows * Math.max(...featureLayers) * (6 * hiddenSize + intermediateSize)
}
