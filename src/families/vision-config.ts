/**
 * The vision tower's part of a config file.
 *
 * Source of the defaults: transformers 5.23, `CLIPVisionConfig`, `SiglipVisionConfig`, `ViTConfig`, `LlavaConfig`.
 */
import { ConfigError } from '../core/errors.ts'
import type { Activation } from '../layers/mlp.ts'
import { patchesPerSide, type VisionConfig } from '../vision/vision-transformer.ts'
import { JsonReader } from './json-reader.ts'

/** Names of activations in checkpoints. */
export const ACTIVATION_NAMES: Readonly<Record<string, Activation>> = {
  quick_gelu: 'quickGelu',
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'geluTanh',
  gelu_pytorch_tanh: 'geluTanh',
  gelu_fast: 'geluTanh',
  silu: 'silu',
  swish: 'silu',
  relu: 'relu',
  linear: 'identity',
}

type Tower = Pick<VisionConfig, 'kind' | 'hasClassToken' | 'hasPreNorm' | 'hasPatchBias'> & {
  readonly patchSize: number
  readonly activation: string
  readonly epsilon: number
}

const CLIP: Tower = {
  kind: 'clip',
  hasClassToken: true,
  hasPreNorm: true,
  hasPatchBias: false,
  patchSize: 32,
  activation: 'quick_gelu',
  epsilon: 1e-5,
}
const SIGLIP: Tower = {
  kind: 'siglip',
  hasClassToken: false,
  hasPreNorm: false,
  hasPatchBias: true,
  patchSize: 16,
  activation: 'gelu_pytorch_tanh',
  epsilon: 1e-6,
}
const VIT: Tower = {
  kind: 'vit',
  hasClassToken: true,
  hasPreNorm: false,
  hasPatchBias: true,
  patchSize: 16,
  activation: 'gelu',
  epsilon: 1e-12,
}

const TOWERS: Readonly<Record<string, Tower>> = {
  clip_vision_model: CLIP,
  clip: CLIP,
  siglip_vision_model: SIGLIP,
  siglip: SIGLIP,
  vit: VIT,
}

/** The tower of a config without `vision_config`; one that names no `model_type` is of the same kind. */
const LLAVA_DEFAULT = {
  model_type: 'clip_vision_model',
  hidden_size: 1024,
  intermediate_size: 4096,
  patch_size: 14,
  image_size: 336,
  num_hidden_layers: 24,
  num_attention_heads: 16,
}

/** The same of a `llava_onevision` config. */
export const ONEVISION_DEFAULT = {
  model_type: 'siglip_vision_model',
  hidden_size: 1152,
  intermediate_size: 4304,
  patch_size: 14,
  image_size: 384,
  num_hidden_layers: 26,
  num_attention_heads: 16,
}

/** Config files of the towers that original checkpoints name, for when only the weights lie at hand. */
const PUBLISHED: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'openai/clip-vit-large-patch14': { ...LLAVA_DEFAULT, image_size: 224 },
  'openai/clip-vit-large-patch14-336': LLAVA_DEFAULT,
  'google/siglip-so400m-patch14-384': { ...ONEVISION_DEFAULT, num_hidden_layers: 27 },
}

/** The config of a published tower by its hub id, or undefined. */
export function publishedTower(id: string): Readonly<Record<string, unknown>> | undefined {
  return Object.hasOwn(PUBLISHED, id) ? PUBLISHED[id] : undefined
}

export type FeatureChoice = Pick<VisionConfig, 'dropFirstRow'> & {
  /** As `hidden_states` is indexed: 0 the embeddings, −1 the last block. */
  readonly layers: readonly number[]
}

export function parseVisionConfig(
  reader: JsonReader,
  choose: (numLayers: number, tower: Tower) => FeatureChoice,
  whole: { readonly model_type: string } = LLAVA_DEFAULT,
): VisionConfig {
  const json = reader.isEmpty ? new JsonReader(reader.path, whole) : reader
  const tower = json.choice('model_type', TOWERS, whole.model_type)
  const numLayers = json.layerCount('num_hidden_layers', 12)
  const { layers, dropFirstRow } = choose(numLayers, tower)
  if (layers.length === 0) {
    throw new ConfigError(
      'CONFIG_FEATURE_LAYER',
      `${reader.path}: expected at least one feature layer, none came; name one (-2 is usual).`,
    )
  }
  if (layers.length > numLayers + 1) {
    throw new ConfigError(
      'CONFIG_FEATURE_LAYER',
      `${reader.path}: expected at most the ${numLayers + 1} feature layers that there are, ${layers.length} came; name each once.`,
    )
  }
  const hiddenSize = json.integer('hidden_size', 768)
  const numHeads = json.integer('num_attention_heads', 12)
  if (hiddenSize % numHeads !== 0) {
    throw new ConfigError(
      'CONFIG_HEADS',
      `${json.path}: hidden_size ${hiddenSize} is not a multiple of num_attention_heads ${numHeads}; take the config from where the tower came from.`,
    )
  }
  const [imageSize, patchSize] = sides(json, tower)
  return {
    kind: tower.kind,
    imageSize,
    patchSize,
    hiddenSize,
    intermediateSize: json.integer('intermediate_size', 3072),
    numLayers,
    numHeads,
    activation: json.choice('hidden_act', ACTIVATION_NAMES, tower.activation),
    epsilon: json.number('layer_norm_eps', tower.epsilon, 0),
    hasClassToken: tower.hasClassToken,
    hasPreNorm: tower.hasPreNorm,
    hasPatchBias: tower.hasPatchBias,
    hasAttentionBias: tower.kind !== 'vit' || json.boolean('qkv_bias', true),
    featureLayers: layers.map((layer) => absoluteLayer(reader, layer, numLayers)),
    dropFirstRow,
    isStandardised: false,
    patchMerge: 1,
  }
}

/**
 * The tower with what our own checkpoints do with its features, which no other library knows: `vision_feature_scale`
 * (channels are standardised) and `projector_patch_merge` (squares of patches become one row).
 */
export function withFeatureMap(vision: VisionConfig, json: JsonReader): VisionConfig {
  const patchMerge = json.integer('projector_patch_merge', 1)
  const merged = {
    ...vision,
    patchMerge,
    isStandardised: json.boolean('vision_feature_scale', false),
  }
  const isMap = vision.dropFirstRow === vision.hasClassToken
  if (patchMerge === 1 || (isMap && patchesPerSide(vision) % patchMerge === 0)) return merged
  const came = isMap ? `there are ${patchesPerSide(vision)}` : 'the class token is among them'
  throw new ConfigError(
    'CONFIG_PATCH_MERGE',
    `${json.path}.projector_patch_merge: expected patches that fill squares of ${patchMerge} × ${patchMerge} along each side of a tile, ${came}.`,
  )
}

/** Side lengths of a tile and of a patch. */
function sides(json: JsonReader, tower: Tower): readonly [number, number] {
  const channels = json.integer('num_channels', 3)
  if (channels !== 3) {
    throw new ConfigError(
      'CONFIG_UNSUPPORTED',
      `${json.path}.num_channels: expected 3, ${channels} came; take a checkpoint whose tower sees colours.`,
    )
  }
  const imageSize = json.side('image_size', 224)
  const patchSize = json.side('patch_size', tower.patchSize)
  if (patchSize > imageSize) {
    throw new ConfigError(
      'CONFIG_IMAGE_SIZE',
      `${json.path}: an image_size ${imageSize} has no room for a patch of ${patchSize}; correct one of them.`,
    )
  }
  return [imageSize, patchSize]
}

function absoluteLayer(reader: JsonReader, layer: number, numLayers: number): number {
  const index = layer < 0 ? numLayers + 1 + layer : layer
  if (index >= 0 && index <= numLayers) return index
  throw new ConfigError(
    'CONFIG_FEATURE_LAYER',
    `${reader.path}: feature layer ${layer} does not exist; the tower has hidden states 0 to ${numLayers}; name one of these, or take the config from where the tower came from.`,
  )
}
