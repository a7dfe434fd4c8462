/**
 * LLaVA v1 and 1.5, their llava-hf twins, and every plain `llava` checkpoint: one tile a picture, its patches in order.
 *
 * Sources: arXiv:2304.08485, arXiv:2310.03744; LLaVA at c121f04 `llava/model/llava_arch.py`; transformers 5.23
 * `models/llava`.
 */
import { ConfigError } from '../core/errors.ts'
import { conversationModeOf } from '../text/conversation-choice.ts'
import type { ProjectorConfig } from '../projector/projector.ts'
import type { ImageProcessor } from '../preprocess/image-processor.ts'
import { imageTokenConfig, type ImageTokenConfig } from '../preprocess/image-tokens.ts'
import { originalImageProcessor } from '../preprocess/original-image-processor.ts'
import { parseImageProcessor } from '../preprocess/parse-image-processor.ts'
import { IMAGE_TOKEN_INDEX } from '../text/tokenize-prompt.ts'
import type { VisionConfig } from '../vision/vision-transformer.ts'
import { endTokens, templateOf } from './checkpoint-text.ts'
import { parseDecoderConfig } from './decoder-config.ts'
import type {
  CheckpointDocuments,
  Family,
  FamilyOptions,
  ModelConfig,
  PromptConfig,
} from './family.ts'
import { JsonReader } from './json-reader.ts'
import { DECODER_NAMES, PROJECTOR_NAMES, VISION_NAMES } from './parameter-names.ts'
import { ACTIVATION_NAMES, parseVisionConfig, publishedTower } from './vision-config.ts'

export const llava: Family = {
  name: 'llava',
  matches: (config) => isHf(config) || isOriginal(config),
  parseConfig: (documents, options) => {
    const json = new JsonReader('config.json', documents.files.get('config.json'))
    return json.has('text_config') || json.has('vision_config')
      ? parseHf(json, documents, options)
      : parseOriginal(json, documents, options)
  },
  parameterNames: [...DECODER_NAMES, ...VISION_NAMES, ...PROJECTOR_NAMES],
}

function isHf(config: Readonly<Record<string, unknown>>): boolean {
  return config['model_type'] === 'llava' && !isOriginal(config)
}

/** Original files name their tower; `model_type` `llava` was theirs before it was transformers'. */
function isOriginal(config: Readonly<Record<string, unknown>>): boolean {
  return typeof config['mm_vision_tower'] === 'string'
}

function parseHf(
  json: JsonReader,
  documents: CheckpointDocuments,
  options: FamilyOptions,
): ModelConfig {
  const tie = json.boolean('tie_word_embeddings', false)
  const decoder = parseDecoderConfig(json.object('text_config'), tie)
  const dropFirstRow = json.choice(
    'vision_feature_select_strategy',
    { default: true, full: false },
    'default',
  )
  const layers = json.integers('vision_feature_layer', [-2])
  const vision = parseVisionConfig(json.object('vision_config'), () => ({ layers, dropFirstRow }))
  const projector: ProjectorConfig = {
    depth: 2,
    activation: json.choice('projector_hidden_act', ACTIVATION_NAMES, 'gelu'),
    inputSize: vision.hiddenSize * layers.length,
    hiddenSize: decoder.hiddenSize,
    bias: json.boolean('multimodal_projector_bias', true),
  }
  const placeholder = json.integer('image_token_id', json.integer('image_token_index', 32000, 0), 0)
  const layout = options.layout ?? 'hf'
  const processor = hfProcessor(documents, options, projector.activation === 'identity')
  return {
    family: 'llava',
    layout,
    vision,
    projector,
    decoder,
    image: { ...imageOf(processor, vision), placeholder },
    prompt:
      layout === 'original'
        ? originalPrompt(documents, options, { modelType: '', wrapImage: false })
        : (templateOf(documents, options) ?? { kind: 'none' }),
    endTokens: endTokens(documents, json.object('text_config')),
    maxContext: Math.floor(decoder.maxPositions * decoder.rope.factor),
  }
}

/** The files' processor. In the original layout v1 (a linear projector) crops and 1.5 pads, whatever the files say. */
function hfProcessor(
  { files }: CheckpointDocuments,
  { quirks, layout }: FamilyOptions,
  isLinear: boolean,
): ImageProcessor {
  const file = files.get('preprocessor_config.json') ?? files.get('processor_config.json')
  if (file === undefined) {
    throw new ConfigError(
      'CONFIG_PROCESSOR_MISSING',
      'config: expected preprocessor_config.json or processor_config.json beside config.json, neither is there; copy it from where the checkpoint came from.',
    )
  }
  const originalFit = isLinear ? 'crop' : 'pad'
  const fit = quirks?.fit ?? (layout === 'original' ? originalFit : undefined)
  return parseImageProcessor(file, { fit, order: quirks?.resampleOrder })
}

function imageOf(
  processor: ImageProcessor,
  vision: VisionConfig,
): { readonly processor: ImageProcessor; readonly tokens: ImageTokenConfig } {
  const { width, height } = processor.tile
  if (width !== vision.imageSize || height !== vision.imageSize) {
    throw new ConfigError(
      'CONFIG_IMAGE_SIZE',
      `config: the image processor makes tiles of ${width} × ${height}, the vision tower takes ${vision.imageSize} × ${vision.imageSize}.`,
    )
  }
  return {
    processor,
    tokens: imageTokenConfig({ tile: processor.tile, patchSize: vision.patchSize }),
  }
}

function parseOriginal(
  json: JsonReader,
  documents: CheckpointDocuments,
  options: FamilyOptions,
): ModelConfig {
  refuseTiles(json)
  const decoder = parseDecoderConfig(json)
  const vision = originalVision(json, documents)
  const wrapImage = json.boolean('mm_use_im_start_end', false)
  const processor = originalImageProcessor(
    {
      config: documents.files.get('config.json'),
      tower: {
        name: json.string('mm_vision_tower'),
        processor: documents.tower?.get('preprocessor_config.json'),
        config: documents.tower?.get('config.json'),
      },
    },
    { fit: options.quirks?.fit, order: options.quirks?.resampleOrder },
  )
  return {
    family: 'llava',
    layout: options.layout ?? 'original',
    vision,
    projector: originalProjector(json, vision, decoder.hiddenSize),
    decoder,
    image: { ...imageOf(processor, vision), placeholder: IMAGE_TOKEN_INDEX },
    prompt: originalPrompt(documents, options, {
      modelType: json.string('model_type', ''),
      wrapImage,
    }),
    endTokens: endTokens(documents, json),
    maxContext: json.integer('tokenizer_model_max_length', decoder.maxPositions),
  }
}

/** The caller's template, else the mode that the checkpoint's name stands for. */
function originalPrompt(
  documents: CheckpointDocuments,
  { template }: FamilyOptions,
  { modelType, wrapImage }: { readonly modelType: string; readonly wrapImage: boolean },
): PromptConfig {
  if (template !== undefined) return templateOf(documents, { template }) ?? { kind: 'none' }
  return { kind: 'conversation', mode: conversationModeOf(documents.name, modelType), wrapImage }
}

function refuseTiles(json: JsonReader): void {
  const aspect = json.string('image_aspect_ratio', 'square')
  const merge = json.string('mm_patch_merge_type', 'flat')
  if ((aspect === 'pad' || aspect === 'square') && merge === 'flat') return
  const key = merge === 'flat' ? `image_aspect_ratio "${aspect}"` : `mm_patch_merge_type "${merge}"`
  throw new ConfigError(
    'CONFIG_UNSUPPORTED',
    `${json.path}: ${key} cuts pictures into tiles (LLaVA-1.6 and later), which family llava does not; supported are image_aspect_ratio pad, square and mm_patch_merge_type flat.`,
  )
}

function originalVision(json: JsonReader, { tower }: CheckpointDocuments): VisionConfig {
  const name = json.string('mm_vision_tower')
  const file = tower?.get('config.json') ?? publishedTower(name)
  if (file === undefined) {
    throw new ConfigError(
      'CONFIG_TOWER_MISSING',
      `${json.path}.mm_vision_tower: the config of "${name}" was not found; give its folder as visionTower.`,
    )
  }
  const reader = new JsonReader('visionTower config.json', file)
  const config = reader.has('vision_config') ? visionOf(reader) : reader
  const select = json.choice('mm_vision_select_feature', { patch: true, cls_patch: false }, 'patch')
  const layer = json.integer('mm_vision_select_layer', -2, -1000)
  return parseVisionConfig(config, (numLayers, { kind }) =>
    // The original SigLIP class deletes the last block and takes what is then last, whatever layer is asked for.
    kind === 'siglip'
      ? { layers: [numLayers - 1], dropFirstRow: false }
      : { layers: [layer], dropFirstRow: select },
  )
}

/** The vision half of a config of both halves, whose kind may be written above it only. */
function visionOf(reader: JsonReader): JsonReader {
  const half = reader.object('vision_config')
  if (half.has('model_type')) return half
  const kind = reader.string('model_type', 'clip')
  return new JsonReader(half.path, { ...(reader.raw('vision_config') as object), model_type: kind })
}

function originalProjector(
  json: JsonReader,
  vision: VisionConfig,
  hiddenSize: number,
): ProjectorConfig {
  const kind = json.string('mm_projector_type', 'linear')
  const deep = /^mlp(\d+)x_gelu$/.exec(kind)
  const depth = deep ? Number(deep[1]) : { linear: 1, identity: 0 }[kind]
  if (depth === undefined) {
    throw new ConfigError(
      'CONFIG_UNSUPPORTED',
      `${json.path}.mm_projector_type: "${kind}" is not supported; known are linear, mlpNx_gelu, identity.`,
    )
  }
  return { depth, activation: 'gelu', inputSize: vision.hiddenSize, hiddenSize, bias: true }
}
