/** A checkpoint in the layout of `llava-hf`: what the LLaVA classes of transformers read. */
import { ConfigError } from '../../core/errors.ts'
import { conversationTemplate, pieceGap } from './conversation-template.ts'
import {
  activationName,
  decoderFields,
  fromTheEnd,
  tokenFields,
  visionFields,
  type TokenIds,
} from './config-fields.ts'
import { isSameTile } from '../../preprocess/image-processor.ts'
import { isObject } from '../json-reader.ts'
import { IMAGE_NEWLINE } from '../parameter-names.ts'
import { turnEndOf } from '../turn-end.ts'
import { hfClassOf, mediaFields, type HfClass, type Placeholders } from './hf-class.ts'
import { copied, decoderTensors, storedLayers, usualDType, visionTensors } from './plan-tensors.ts'
import { processorFile, videoProcessorFile } from './processor-file.ts'
import { hfProjector } from './projector-tensors.ts'
import { readingNotices } from './reading-notices.ts'
import type { Target, TargetInput } from './target.ts'
import { llavaHfName } from './target-names.ts'
import { IMAGE_TOKEN, placeholderIds, VIDEO_TOKEN, withPlaceholders } from './tokenizer-files.ts'
import { jsonBytes } from './written-json.ts'

/** Throws ConfigError for what the layout has no form for. */
export function llavaHfTarget(input: TargetInput): Target {
  const { config, stored, tokenizer, tokenizerFiles, dtype } = input
  const { vision, projector, decoder } = config
  const numLayers = Math.min(storedLayers(stored), vision.numLayers)
  const hfClass = hfClassOf(config, input.documents)
  const placeholders = placeholderIds(tokenizer, { hasVideo: hfClass.videoProcessor !== null })
  const last = Math.max(placeholders.image, placeholders.video ?? 0)
  const vocabSize = Math.max(decoder.vocabSize, last + 1)
  const name = (path: string) => llavaHfName(path, vision.kind)
  const parts = { stored, dtype, name }
  const tensors = [
    ...visionTensors(vision, numLayers, parts),
    ...(vision.isStandardised ? STANDARDISING.map((path) => copied(path, parts)) : []),
    ...hfProjector(projector, parts),
    ...(hfClass.imageProcessor !== null ? [copied(IMAGE_NEWLINE, parts)] : []),
    ...decoderTensors(decoder, vocabSize, parts),
  ]
  const written = {
    hfClass,
    placeholders,
    vocabSize,
    numLayers,
    dtype: usualDType(tensors),
    tokens: tokenIds(input),
  }
  const json = jsonFiles(input, written)
  const read = { name: input.out, files: json }
  const files = new Map([
    ...withPlaceholders(tokenizerFiles, tokenizer, { ...placeholders, ...hfClass }),
    ...[...json].map(([file, content]): [string, Uint8Array] => [file, jsonBytes(content)]),
  ])
  return {
    folders: [{ folder: '', files, tensors }],
    notices: [
      ...notices(input),
      ...stopNotices(input),
      ...frameNotices(config, hfClass),
      ...readingNotices(input, read),
    ],
  }
}

function jsonFiles(input: TargetInput, written: Written): ReadonlyMap<string, unknown> {
  const { image, video, vision } = input.config
  const { hfClass } = written
  const files = new Map<string, unknown>([
    ['config.json', modelConfig(input, written)],
    ['generation_config.json', { ...generationConfig(input, written.tokens), ...stopField(input) }],
    ['preprocessor_config.json', processorFile(image.processor, vision.kind, hfClass)],
    ['processor_config.json', processorConfig(input, hfClass)],
    ['chat_template.json', { chat_template: chatTemplate(input, hfClass) }],
  ])
  if (video === null) return files
  const isSaid = isSameTile(video.processor, image.processor) && video.frames === null
  if (hfClass.videoProcessor === null && isSaid) return files
  const frames = videoProcessorFile(video, vision.kind, hfClass)
  return files.set('video_preprocessor_config.json', frames)
}

const STANDARDISING = ['standardise.weight', 'standardise.bias']

type Written = {
  readonly hfClass: HfClass
  readonly placeholders: Placeholders
  readonly vocabSize: number
  readonly numLayers: number
  readonly dtype: ReturnType<typeof usualDType>
  readonly tokens: TokenIds
}

function modelConfig({ config, documents }: TargetInput, written: Written): unknown {
  const { vision, projector, decoder } = config
  const { vocabSize, tokens, dtype, numLayers, hfClass } = written
  const layers = vision.featureLayers.map((layer) => fromTheEnd(layer, numLayers))
  return {
    architectures: [hfClass.architecture],
    model_type: hfClass.modelType,
    ignore_index: -100,
    ...mediaFields(hfClass, config, written.placeholders),
    image_seq_length: tokensOfPicture(config),
    projector_hidden_act: projector.depth === 1 ? 'linear' : activationName(projector.activation),
    multimodal_projector_bias: projector.bias,
    vision_feature_layer: layers.length === 1 ? layers[0] : layers,
    vision_feature_select_strategy: vision.dropFirstRow ? 'default' : 'full',
    tie_word_embeddings: decoder.tieEmbeddings,
    ...(tokens.pad !== undefined && { pad_token_id: tokens.pad }),
    torch_dtype: dtype,
    text_config: {
      model_type: decoder.kind,
      ...decoderFields(decoder, { vocabSize, tokens, dtype }),
    },
    vision_config: visionFields(vision, numLayers),
    ...(vision.isStandardised && { vision_feature_scale: true }),
    ...(vision.patchMerge > 1 && { projector_patch_merge: vision.patchMerge }),
    ...lengthLimit(documents.files.get('config.json')),
  }
}

function tokensOfPicture({ image, vision }: TargetInput['config']): number {
  const rows = image.tokens.patchesPerSide ** 2
  return rows + (vision.hasClassToken && !vision.dropFirstRow ? 1 : 0)
}

/** Of a tile: OneVision's processor takes one off for the first row, where that is dropped, and not before. */
function rowsOfTower(config: TargetInput['config']): number {
  return tokensOfPicture(config) + (config.vision.dropFirstRow ? 1 : 0)
}

/** The original's limit on a prompt, which transformers has no key for and keeps. */
function lengthLimit(json: unknown): object {
  const limit = (json as Record<string, unknown> | undefined)?.['tokenizer_model_max_length']
  return typeof limit === 'number' ? { tokenizer_model_max_length: limit } : {}
}

function processorConfig({ config }: TargetInput, hfClass: HfClass): unknown {
  const { vision } = config
  const { tiling } = config.image.tokens
  const isLimited = tiling.kind === 'anyres' && tiling.maxTiles !== null
  return {
    processor_class: hfClass.processorClass,
    image_token: IMAGE_TOKEN,
    ...(hfClass.videoProcessor !== null && { video_token: VIDEO_TOKEN }),
    ...(isLimited && {
      num_image_tokens: rowsOfTower(config),
      vision_aspect_ratio: `anyres_max_${tiling.maxTiles}`,
    }),
    patch_size: vision.patchSize,
    vision_feature_select_strategy: vision.dropFirstRow ? 'default' : 'full',
    num_additional_image_tokens: vision.hasClassToken ? 1 : 0,
  }
}

/** Ids with a role, from the checkpoint and its conversation mode where they name them, else the tokenizer's. */
export function tokenIds({ config, tokenizer }: TargetInput): TokenIds {
  const { bosId, eosId, padId } = tokenizer
  const { tokenIds: ofTurns } = turnEndOf(config.prompt, tokenizer)
  const ends = [...new Set([...config.endTokens, ...ofTurns])]
  const eos = ends.length > 0 ? ends : eosId === undefined ? [] : [eosId]
  return { bos: bosId, eos, pad: padId }
}

/** A chat template does not say what text ends an answer, as a conversation mode without an end token does. */
function stopField({ config, tokenizer, documents }: TargetInput): object {
  const { texts } = turnEndOf(config.prompt, tokenizer)
  if (texts.length === 0) return {}
  const known = knownGeneration(documents)['stop_strings'] ?? []
  return { stop_strings: [...new Set([known, texts].flat())] }
}

export function generationConfig({ documents }: TargetInput, tokens: TokenIds): object {
  return { ...knownGeneration(documents), ...tokenFields(tokens) }
}

function knownGeneration({ files }: TargetInput['documents']): Record<string, unknown> {
  const json = files.get('generation_config.json')
  return isObject(json) ? json : {}
}

function chatTemplate({ config, tokenizer }: TargetInput, { videoProcessor }: HfClass): string {
  const { prompt } = config
  if (prompt.kind === 'template') return prompt.template
  if (prompt.kind === 'conversation') {
    const gap = pieceGap(tokenizer) ?? ''
    const { mode, wrapImage } = prompt
    return conversationTemplate(mode, { wrapImage, gap, hasVideo: videoProcessor !== null })
  }
  throw new ConfigError(
    'CONFIG_TEMPLATE_MISSING',
    'convert: the checkpoint has no chat template; give one as template.',
  )
}

function stopNotices({ config, tokenizer }: TargetInput): string[] {
  const texts = turnEndOf(config.prompt, tokenizer).texts.map((text) => JSON.stringify(text))
  if (texts.length === 0) return []
  return [
    `An answer ends at the text ${texts.join(' or ')} (stop_strings): generate of transformers looks for it where it is given tokenizer=processor.tokenizer, and is refused without.`,
  ]
}

/** LlavaNextVideoProcessor counts a quarter of a frame's patches, whatever its model pools them to. */
function frameNotices({ image, video }: TargetInput['config'], { modelType }: HfClass): string[] {
  if (modelType !== 'llava_next_video' || !video) return []
  const { patchesPerSide } = image.tokens
  const { pooling } = video.tokens
  const stride = pooling.mode === 'none' ? 2 : pooling.stride
  const [counted, pooled] = [
    Math.floor(patchesPerSide ** 2 / 4),
    Math.floor(patchesPerSide / stride) ** 2,
  ]
  if (counted === pooled) return []
  return [
    `transformers counts ${counted} tokens a frame and pools it to ${pooled}, so it refuses every clip of this folder; pictures are read, clips by llava-ts alone.`,
  ]
}

/** Where the two ways to tokenise around a picture cannot be made to agree. */
function notices({ config, tokenizer }: TargetInput): string[] {
  const { patchMerge, isStandardised } = config.vision
  const own = [
    ...(patchMerge > 1 ? [`merges ${patchMerge} × ${patchMerge} patches into one row`] : []),
    ...(isStandardised ? ["standardises the tower's channels"] : []),
  ]
  return [
    ...(own.length > 0
      ? [
          `The model ${own.join(' and ')} before the projector, which transformers' llava has no form for: this folder is read by llava-ts alone.`,
        ]
      : []),
    ...(config.prompt.kind !== 'conversation' || pieceGap(tokenizer) !== null
      ? []
      : [
          'The tokenizer reads the text after a picture in another way than the original, which tokenises it alone: prompts may differ by a token there.',
        ]),
  ]
}
