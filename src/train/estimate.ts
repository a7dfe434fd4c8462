/** What a run will take before it is begun: operations, memory, and with a rate the time. */
import type { DecoderConfig } from '../decoder/decoder.ts'
import type { ModelConfig } from '../families/family.ts'
import { featureRows } from '../vision/vision-transformer.ts'
import type { TrainerSettings } from './options.ts'
import type { ParameterGroup } from './recipe/parameter-table.ts'

export type RunSize = {
  readonly records: number
  /** Positions of a record in the decoder, and how many of them are learnt; means. */
  readonly tokens: number
  readonly learnt: number
  /** Tiles and frames of a record. */
  readonly tiles: number
  readonly steps: number
  /** Records of a step, and positions of its largest micro-batch. */
  readonly batch: number
  readonly microBatchTokens: number
}

/** In bytes. */
export type RunMemory = {
  readonly frozenWeights: number
  /** Weights, gradients and two moments, float32. */
  readonly trained: number
  /** Kept between forward and backward; made again where memory is short. */
  readonly activations: number
}

/**
 * Operations of the whole run; a multiplication and an addition are two.
 *
 * A linear layer costs 2 operations a weight and row forward, 2 more for the gradient of its input where something below it
 * is trained, and 2 more for its own gradient where it is trained. Attention: 4 · T/2 · N · H a position and layer forward
 * (half of the positions lie behind), twice that backward.
 */
export function runOperations(
  config: ModelConfig,
  groups: readonly ParameterGroup[],
  { settings, size }: { readonly settings: TrainerSettings; readonly size: RunSize },
): number {
  const { decoder, vision } = config
  const samples = size.steps * size.batch
  const isDecoderRun = settings.objective.kind !== 'words'
  const rows = {
    vision: vision ? size.tiles * (vision.imageSize / vision.patchSize) ** 2 : 0,
    projector: vision ? size.tiles * featureRows(vision) : 0,
    decoder: size.tokens,
    imageNewline: 0,
  }
  const isTrained = (part: ParameterGroup['part']) =>
    groups.some((group) => group.part === part && group.isTrained)
  const isVisionTrained = isTrained('vision')
  const reachesBack = {
    vision: isVisionTrained,
    projector: isVisionTrained || isTrained('projector'),
    decoder: true,
    imageNewline: false,
  }
  let products = 0
  for (const { part, parameters, isTrained: trains, kind } of groups) {
    if (part === 'decoder' && !isDecoderRun) continue
    const passes = 1 + Number(reachesBack[part]) + Number(trains)
    // Embeddings that are tied to the head multiply what it would.
    const isHead = kind === 'head' || (kind === 'embedding' && decoder.tieEmbeddings)
    const own = isHead ? size.learnt : kind === 'embedding' ? 0 : rows[part]
    products += 2 * passes * parameters * own
  }
  const layers = isDecoderRun ? decoder.numLayers : 0
  const attention = layers * 3 * 4 * (size.tokens ** 2 / 2) * attentionWidth(decoder)
  return (products + attention) * samples
}

const FROZEN_BYTES = { f32: 4, int8: 1, q4: 0.625 } as const

export function runMemory(
  config: ModelConfig,
  groups: readonly ParameterGroup[],
  { settings, size }: { readonly settings: TrainerSettings; readonly size: RunSize },
): RunMemory {
  const storage = settings.compute === 'int8' ? 'int8' : settings.storage
  const bytesOf = ({ part, parameters, isTrained, kind }: ParameterGroup) => {
    const isSmall = part === 'decoder' && kind === 'layer'
    return isTrained ? 0 : parameters * (isSmall ? FROZEN_BYTES[storage] : 4)
  }
  const trained = groups.reduce((sum, one) => sum + (one.isTrained ? one.parameters : 0), 0)
  const { decoder } = config
  const layers = settings.objective.kind === 'words' ? 0 : decoder.numLayers
  const width = 6 * decoder.hiddenSize + 3 * decoder.intermediateSize + 2 * attentionWidth(decoder)
  return {
    frozenWeights: groups.reduce((sum, group) => sum + bytesOf(group), 0),
    trained: 16 * trained,
    activations: 4 * size.microBatchTokens * layers * width,
  }
}

/** N · H */
function attentionWidth({ attention }: DecoderConfig): number {
  return attention.numHeads * attention.headDim
}
