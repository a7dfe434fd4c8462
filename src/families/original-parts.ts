/**
 * What every config of the original repositories has in common: the language model at the top level, the tower by name,
 * the projector by its type, the conversation mode by the checkpoint's name.
 *
 * Source: LLaVA at c121f04 and LLaVA-NeXT at df17966, `llava/model/builder.py`, `multimodal_projector/builder.py`,
 * `multimodal_encoder/`.
 */
import { ConfigError } from '../core/errors.ts'
import type { DecoderConfig } from '../decoder/decoder.ts'
import type { ImageProcessor } from '../preprocess/image-processor.ts'
import { withTilingQuirks } from './image-config.ts'
import { originalImageProcessor } from '../preprocess/original-image-processor.ts'
import type { ProjectorConfig } from '../projector/projector.ts'
import { conversationModeOf } from '../text/conversation-choice.ts'
import type { VisionConfig } from '../vision/vision-transformer.ts'
import { endTokens, templateOf } from './checkpoint-text.ts'
import {
  TOKENISED,
  type CheckpointDocuments,
  type FamilyOptions,
  type ModelConfig,
  type PromptConfig,
} from './family.ts'
import { scaledPositions } from './decoder-config.ts'
import { JsonReader } from './json-reader.ts'
import { parseOriginalDecoder } from './original-decoder.ts'
import { parseVisionConfig, publishedTower } from './vision-config.ts'

export type OriginalParts = Pick<
  ModelConfig,
  'layout' | 'prompt' | 'endTokens' | 'maxContext' | 'truncate' | 'tokenise'
> & {
  readonly decoder: DecoderConfig
  readonly vision: VisionConfig
  readonly projector: ProjectorConfig
  readonly processor: ImageProcessor
  /** The tower's own, which prepares frames whatever is done with pictures. */
  readonly frameProcessor: ImageProcessor
}

/** Original files name their tower; `model_type` `llava` was theirs before it was transformers'. */
export function isOriginalConfig(config: Readonly<Record<string, unknown>>): boolean {
  return typeof config['mm_vision_tower'] === 'string'
}

export function parseOriginalParts(
  json: JsonReader,
  documents: CheckpointDocuments,
  options: FamilyOptions,
): OriginalParts {
  if (options.layout === 'hf') {
    throw new ConfigError(
      'CONFIG_LAYOUT',
      `layout: the checkpoint is an original one, whose tokenizer has no token for pictures; leave layout out, or convert the checkpoint to llava-hf.`,
    )
  }
  const decoder = parseOriginalDecoder(json)
  const vision = originalVision(json, documents)
  const modelType = json.string('model_type', '')
  const wrapImage = json.boolean('mm_use_im_start_end', false)
  return {
    layout: 'original',
    decoder,
    vision,
    projector: originalProjector(json, vision, decoder.hiddenSize),
    ...originalProcessors(json, documents, options),
    truncate: options.quirks?.truncate ?? 'refuse',
    tokenise: options.quirks?.tokenise ?? TOKENISED.original,
    prompt: originalPrompt(documents, options, { modelType, wrapImage }),
    endTokens: endTokens(documents, json),
    maxContext: json.integer('tokenizer_model_max_length', scaledPositions(decoder)),
  }
}

function originalProcessors(
  json: JsonReader,
  { files, tower }: CheckpointDocuments,
  { quirks = {} }: FamilyOptions,
): Pick<OriginalParts, 'processor' | 'frameProcessor'> {
  const parts = {
    name: json.string('mm_vision_tower'),
    processor: tower?.get('preprocessor_config.json'),
    config: tower?.get('config.json'),
  }
  const { fit, resampleOrder: order } = quirks
  const config = files.get('config.json')
  const processor = originalImageProcessor({ config, tower: parts }, { fit, order })
  const frameProcessor = originalImageProcessor({ config: {}, tower: parts }, { order })
  return { processor: withTilingQuirks(processor, quirks), frameProcessor }
}

/** The caller's template, else the mode that the checkpoint's name stands for. */
export function originalPrompt(
  documents: CheckpointDocuments,
  { template }: FamilyOptions,
  { modelType, wrapImage }: { readonly modelType: string; readonly wrapImage: boolean },
): PromptConfig {
  if (template !== undefined) {
    const given = templateOf(documents, { template }) ?? { kind: 'none' }
    return given.kind === 'conversation' ? { ...given, wrapImage } : given
  }
  const { name, modeNames = [name] } = documents
  return { kind: 'conversation', mode: conversationModeOf(modeNames, modelType), wrapImage }
}

function originalVision(json: JsonReader, { tower }: CheckpointDocuments): VisionConfig {
  const name = json.string('mm_vision_tower')
  const file = tower?.get('config.json') ?? publishedTower(name)
  if (file === undefined) {
    throw new ConfigError(
      'CONFIG_TOWER_MISSING',
      `${json.path}.mm_vision_tower: the config of "${name}" was not found; give its folder as visionTower (--vision-tower), or put it beside the checkpoint.`,
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
  const deep = /^mlp([1-9]\d*)x_gelu$/.exec(kind)
  const depth = deep ? Number(deep[1]) : { linear: 1, identity: 0 }[kind]
  if (depth === undefined) {
    throw new ConfigError(
      'CONFIG_UNSUPPORTED',
      `${json.path}.mm_projector_type: "${kind}" is not supported; known are linear, mlpNx_gelu, identity; take a checkpoint with one of these.`,
    )
  }
  return { depth, activation: 'gelu', inputSize: vision.hiddenSize, hiddenSize, bias: true }
}
