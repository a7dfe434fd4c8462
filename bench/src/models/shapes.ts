/** The shapes that are measured: sizes of published models, with weights of our own making. */

export type DecoderShape = {
  readonly name: string
  /** `model_type` in transformers, and the architecture in GGUF. */
  readonly kind: 'llama' | 'qwen2'
  readonly hiddenSize: number
  readonly intermediateSize: number
  readonly numLayers: number
  readonly numHeads: number
  readonly numKvHeads: number
  readonly vocabSize: number
  readonly tieEmbeddings: boolean
  readonly maxPositions: number
  readonly ropeTheta: number
}

export type TowerShape = {
  readonly name: string
  readonly kind: 'clip_vision_model' | 'siglip_vision_model' | 'vit'
  readonly hiddenSize: number
  readonly intermediateSize: number
  readonly numLayers: number
  readonly numHeads: number
  readonly patchSize: number
  readonly imageSize: number
}

/** Vicuna 7B, the decoder of LLaVA-1.5, with as many of its 32 layers as are asked for. */
export function shape7b(numLayers: number): DecoderShape {
  return {
    name: `7b-${numLayers}`,
    kind: 'llama',
    hiddenSize: 4096,
    intermediateSize: 11008,
    numLayers,
    numHeads: 32,
    numKvHeads: 32,
    vocabSize: 32064,
    tieEmbeddings: false,
    maxPositions: 4096,
    ropeTheta: 10000,
  }
}

/** Qwen2-0.5B, the decoder of LLaVA-OneVision-0.5B. */
export const ONEVISION: DecoderShape = {
  name: 'onevision-0.5b',
  kind: 'qwen2',
  hiddenSize: 896,
  intermediateSize: 4864,
  numLayers: 24,
  numHeads: 14,
  numKvHeads: 2,
  vocabSize: 152000,
  tieEmbeddings: true,
  maxPositions: 32768,
  ropeTheta: 1000000,
}

/** SmolLM2-135M, the decoder of the mini model. */
export const SMOLLM2: DecoderShape = {
  name: 'smollm2-135m',
  kind: 'llama',
  hiddenSize: 576,
  intermediateSize: 1536,
  numLayers: 30,
  numHeads: 9,
  numKvHeads: 3,
  vocabSize: 49152,
  tieEmbeddings: true,
  maxPositions: 8192,
  ropeTheta: 100000,
}

/** Next to no work: what a tower needs behind it to be loaded as a model. */
export const STUB: DecoderShape = {
  name: 'stub',
  kind: 'llama',
  hiddenSize: 64,
  intermediateSize: 128,
  numLayers: 1,
  numHeads: 1,
  numKvHeads: 1,
  vocabSize: 512,
  tieEmbeddings: true,
  maxPositions: 4096,
  ropeTheta: 10000,
}

/** Next to no work: what a frozen decoder needs in front of it to be trained through. */
export const STUB_TOWER: TowerShape = {
  name: 'stub-tower-336',
  kind: 'clip_vision_model',
  hiddenSize: 128,
  intermediateSize: 256,
  numLayers: 2,
  numHeads: 2,
  patchSize: 14,
  imageSize: 336,
}

export const CLIP_L_336: TowerShape = {
  name: 'clip-l-336',
  kind: 'clip_vision_model',
  hiddenSize: 1024,
  intermediateSize: 4096,
  numLayers: 24,
  numHeads: 16,
  patchSize: 14,
  imageSize: 336,
}

export const SIGLIP_SO400M_384: TowerShape = {
  name: 'siglip-so400m-384',
  kind: 'siglip_vision_model',
  hiddenSize: 1152,
  intermediateSize: 4304,
  numLayers: 27,
  numHeads: 16,
  patchSize: 14,
  imageSize: 384,
}

/** ViT-Ti/16-224, the tower of the mini model. */
export const VIT_TINY: TowerShape = {
  name: 'vit-tiny-224',
  kind: 'vit',
  hiddenSize: 192,
  intermediateSize: 768,
  numLayers: 12,
  numHeads: 3,
  patchSize: 16,
  imageSize: 224,
}

/** Rows of a tile: patches, without the class token. */
export function patchesOf({ imageSize, patchSize }: TowerShape): number {
  return Math.floor(imageSize / patchSize) ** 2
}

/** Elements of one layer's linear weights. */
export function layerElements(shape: DecoderShape): number {
  const { hiddenSize: d, intermediateSize: f, numHeads, numKvHeads } = shape
  return 2 * d * d + (2 * d * d * numKvHeads) / numHeads + 3 * d * f
}

export function headElements({ hiddenSize, vocabSize }: DecoderShape): number {
  return hiddenSize * vocabSize
}

/** Elements of one tower layer's linear weights. */
export function towerLayerElements({ hiddenSize, intermediateSize }: TowerShape): number {
  return 4 * hiddenSize ** 2 + 2 * hiddenSize * intermediateSize
}

/** The shapes in small, to see that every row runs. */
export function shrinkDecoder(shape: DecoderShape): DecoderShape {
  const headDim = 64
  const numHeads = Math.min(shape.numHeads, 4)
  const numKvHeads = shape.numHeads === shape.numKvHeads ? numHeads : numHeads / 2
  return {
    ...shape,
    name: `${shape.name}-smoke`,
    hiddenSize: numHeads * headDim,
    intermediateSize: 512,
    numLayers: 2,
    numHeads,
    numKvHeads,
    vocabSize: 1024,
  }
}

export function shrinkTower(shape: TowerShape): TowerShape {
  return {
    ...shape,
    name: `${shape.name}-smoke`,
    hiddenSize: 128,
    intermediateSize: 256,
    numLayers: 2,
    numHeads: 2,
  }
}
