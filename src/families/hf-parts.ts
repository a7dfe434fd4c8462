/**
 * What every config of transformers' LLaVA classes has in common: text, vision, projector, placeholder, processor files.
 *
 * Source: transformers 5.23 `models/llava`, `models/llava_next`, `models/llava_onevision`.
 */
import { ConfigError } from '../core/errors.ts'
import type { DecoderConfig } from '../decoder/decoder.ts'
import { withTilingQuirks } from './image-config.ts'
import {
  CLIP_MEAN,
  CLIP_STD,
  parseImageProcessor,
  type ProcessorOptions,
} from '../preprocess/parse-image-processor.ts'
import type { ImageProcessor } from '../preprocess/image-processor.ts'
import type { ProjectorConfig } from '../projector/projector.ts'
import { featureWidth, type VisionConfig } from '../vision/vision-transformer.ts'
import { IMAGE_TOKEN_INDEX } from '../text/tokenize-prompt.ts'
import { endTokens, templateOf } from './checkpoint-text.ts'
import { parseDecoderConfig, scaledPositions } from './decoder-config.ts'
import {
  TOKENISED,
  type CheckpointDocuments,
  type FamilyOptions,
  type ModelConfig,
  type VideoConfig,
} from './family.ts'
import { isObject, JsonReader } from './json-reader.ts'
import { originalPrompt } from './original-parts.ts'
import {
  ACTIVATION_NAMES,
  ONEVISION_DEFAULT,
  parseVisionConfig,
  withFeatureMap,
} from './vision-config.ts'

export type HfParts = Pick<
  ModelConfig,
  'layout' | 'prompt' | 'endTokens' | 'maxContext' | 'truncate' | 'tokenise'
> & {
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
  const isOneVision = json.raw('model_type') === 'llava_onevision'
  const decoder = parseDecoderConfig(text, {
    isTied: json.boolean('tie_word_embeddings', false),
    usual: isOneVision ? 'qwen2' : 'llama',
  })
  // OneVision's towers have no class token, and its config takes all rows of the last block.
  const dropFirstRow = json.choice(
    'vision_feature_select_strategy',
    { default: true, full: false },
    isOneVision ? 'full' : 'default',
  )
  const layers = json.integers('vision_feature_layer', [isOneVision ? -1 : -2])
  const tower = parseVisionConfig(
    json.object('vision_config'),
    () => ({ layers, dropFirstRow }),
    isOneVision ? ONEVISION_DEFAULT : undefined,
  )
  const vision = withFeatureMap(tower, json)
  const layout = options.layout ?? 'hf'
  return {
    layout,
    decoder,
    vision,
    projector: {
      depth: 2,
      activation: json.choice('projector_hidden_act', ACTIVATION_NAMES, 'gelu'),
      inputSize: featureWidth(vision),
      hiddenSize: decoder.hiddenSize,
      bias: json.boolean('multimodal_projector_bias', true),
    },
    placeholder:
      layout === 'original'
        ? IMAGE_TOKEN_INDEX
        : tokenId(json, 'image', isOneVision ? 151646 : 32000),
    truncate: options.quirks?.truncate ?? 'refuse',
    tokenise: options.quirks?.tokenise ?? TOKENISED[layout],
    prompt:
      layout === 'original'
        ? originalPrompt(documents, options, { modelType: '', wrapImage: false })
        : (templateOf(documents, options) ?? { kind: 'none' }),
    endTokens: endTokens(documents, text),
    maxContext: scaledPositions(decoder),
  }
}

/** `image_token_id`, which older files call `image_token_index`; for clips likewise. */
export function tokenId(json: JsonReader, kind: 'image' | 'video', fallback: number): number {
  return json.integer(`${kind}_token_id`, json.integer(`${kind}_token_index`, fallback, 0), 0)
}

/**
 * The image processor of the checkpoint's files, with a caller's quirks. One inside processor_config.json counts more than a
 * file of its own, as in transformers 5 (`image_processing_base.py`, `get_image_processor_dict`).
 */
export function hfProcessor(
  { files }: CheckpointDocuments,
  { quirks, processor: origin }: FamilyOptions,
  options: ProcessorOptions = {},
): ImageProcessor {
  const stored =
    nestedProcessor(files, 'image_processor') ??
    files.get('preprocessor_config.json') ??
    files.get('processor_config.json')
  const file = stored ?? (origin === 'derived' ? derivedProcessor(files) : undefined)
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

function nestedProcessor(
  files: CheckpointDocuments['files'],
  key: 'image_processor' | 'video_processor',
): unknown {
  const whole = files.get('processor_config.json')
  const nested = isObject(whole) ? whole[key] : undefined
  return isObject(nested) ? nested : undefined
}

/** Tiles of the tower's size, cut by the grids that the model's own config repeats. */
function derivedProcessor(files: CheckpointDocuments['files']): unknown {
  const json = new JsonReader('config.json', files.get('config.json'))
  const side = json.object('vision_config').side('image_size', 336)
  return {
    size: { height: side, width: side },
    resample: 3,
    image_mean: CLIP_MEAN,
    image_std: CLIP_STD,
    image_grid_pinpoints: json.raw('image_grid_pinpoints'),
  }
}

/** What prepares frames and how many: the video processor, looked for as the image processor is, else that one. */
export function hfFrames(
  { files }: CheckpointDocuments,
  { quirks }: FamilyOptions,
  pictures: ImageProcessor,
): Pick<VideoConfig, 'processor' | 'frames'> {
  const file =
    nestedProcessor(files, 'video_processor') ?? files.get('video_preprocessor_config.json')
  if (file === undefined) return { processor: pictures, frames: null }
  return {
    processor: parseImageProcessor(file, { order: quirks?.resampleOrder }),
    frames: sampledFrames(new JsonReader('video processor', file)),
  }
}

/**
 * `num_frames` of a processor that samples; null: it takes them all. They are spaced as those of any clip, first and last
 * included, where transformers takes frame ⌊i · n / num_frames⌋.
 */
function sampledFrames(json: JsonReader): number | null {
  if (!json.boolean('do_sample_frames', false)) return null
  if (json.has('num_frames')) return json.integer('num_frames')
  if (!json.has('fps')) return null
  throw new ConfigError(
    'CONFIG_UNSUPPORTED',
    `${json.path}.fps: expected num_frames of a processor with do_sample_frames, ${String(json.raw('fps'))} frames a second came; set do_sample_frames to false, and say fps with each clip.`,
  )
}
