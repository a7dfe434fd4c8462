/**
 * What every config of transformers' LLaVA classes has in common: text, vision, projector, placeholder, processor files.
 *
 * Source: transformers 5.23 `models/llava`, `models/llava_next`, `models/llava_onevision`.
 */
import { ConfigError } from '../core/errors.ts'
import type { DecoderConfig } from '../decoder/decoder.ts'
import { withTilingQuirks } from './image-config.ts'
import { parseImageProcessor, type ProcessorOptions } from '../preprocess/parse-image-processor.ts'
import type { ImageProcessor } from '../preprocess/image-processor.ts'
import type { ProjectorConfig } from '../projector/projector.ts'
import type { VisionConfig } from '../vision/vision-transformer.ts'
import { endTokens, templateOf } from './checkpoint-text.ts'
import { parseDecoderConfig } from './decoder-config.ts'
import type { CheckpointDocuments, FamilyOptions, ModelConfig } from './family.ts'
import type { JsonReader } from './json-reader.ts'
import { originalPrompt } from './original-parts.ts'
import { ACTIVATION_NAMES, parseVisionConfig } from './vision-config.ts'

export type HfParts = Pick<ModelConfig, 'layout' | 'prompt' | 'endTokens' | 'maxContext'> & {
  readonly decoder: DecoderConfig
  readonly vision: VisionConfig
  readonly projector: ProjectorConfig
  readonly placeholder: number
}

export function parseHfParts(
  json: JsonReader,
  documents: CheckpointDocuments,
  options: FamilyOptions,
): HfParts {
  const text = json.object('text_config')
  const decoder = parseDecoderConfig(text, json.boolean('tie_word_embeddings', false))
  const dropFirstRow = json.choice(
    'vision_feature_select_strategy',
    { default: true, full: false },
    'default',
  )
  const layers = json.integers('vision_feature_layer', [-2])
  const vision = parseVisionConfig(json.object('vision_config'), () => ({ layers, dropFirstRow }))
  const layout = options.layout ?? 'hf'
  return {
    layout,
    decoder,
    vision,
    projector: {
      depth: 2,
      activation: json.choice('projector_hidden_act', ACTIVATION_NAMES, 'gelu'),
      inputSize: vision.hiddenSize * layers.length,
      hiddenSize: decoder.hiddenSize,
      bias: json.boolean('multimodal_projector_bias', true),
    },
    placeholder: json.integer('image_token_id', json.integer('image_token_index', 32000, 0), 0),
    prompt:
      layout === 'original'
        ? originalPrompt(documents, options, { modelType: '', wrapImage: false })
        : (templateOf(documents, options) ?? { kind: 'none' }),
    endTokens: endTokens(documents, text),
    maxContext: Math.floor(decoder.maxPositions * decoder.rope.factor),
  }
}

/** The image processor of the checkpoint's files, with a caller's quirks. */
export function hfProcessor(
  { files }: CheckpointDocuments,
  { quirks }: FamilyOptions,
  options: ProcessorOptions = {},
): ImageProcessor {
  const file = files.get('preprocessor_config.json') ?? files.get('processor_config.json')
  if (file === undefined) {
    throw new ConfigError(
      'CONFIG_PROCESSOR_MISSING',
      'config: expected preprocessor_config.json or processor_config.json beside config.json, neither is there; copy it from where the checkpoint came from.',
    )
  }
  const { fit, resampleOrder: order } = quirks ?? {}
  const processor = parseImageProcessor(file, { ...options, fit: fit ?? options.fit, order })
  return withTilingQuirks(processor, quirks ?? {})
}
