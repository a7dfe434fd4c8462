/**
 * A checkpoint in the layout of the original repositories: the language model and projector in one folder, the vision
 * tower in a folder inside it.
 */
import { ConfigError } from '../../core/errors.ts'
import type { DecoderConfig } from '../../decoder/decoder.ts'
import { fitOf, type ImageProcessor } from '../../preprocess/image-processor.ts'
import type { Tiling } from '../../preprocess/tiling.ts'
import type { ClipNewline } from '../../preprocess/video-tokens.ts'
import type { VisionConfig } from '../../vision/vision-transformer.ts'
import { IMAGE_NEWLINE } from '../parameter-names.ts'
import { decoderFields, fromTheEnd, visionFields } from './config-fields.ts'
import { baseTileField, severalPicturesField, wasShownClips } from './hf-class.ts'
import { WRAPPED_IMAGE } from './conversation-template.ts'
import { generationConfig, tokenIds } from './llava-hf-target.ts'
import {
  copied,
  decoderTensors,
  storedLayers,
  usualDType,
  visionTensors,
  type PlanParts,
} from './plan-tensors.ts'
import { processorFile } from './processor-file.ts'
import { originalProjector, originalProjectorDepth } from './projector-tensors.ts'
import type { EyedConfig, OutputFolder, Target, TargetInput } from './target.ts'
import { originalName, towerName } from './target-names.ts'
import { readingNotices } from './reading-notices.ts'
import { originalTokenizerFiles, withoutPlaceholders } from './tokenizer-files.ts'
import { jsonBytes } from './written-json.ts'

/** Throws ConfigError for what the layout has no form for. */
export function originalTarget(input: TargetInput): Target {
  const { config, stored, dtype } = input
  checkFeatures(config)
  const tower = towerFolder(input)
  const depth = originalProjectorDepth(config.projector, stored)
  const name = (path: string) => originalName(path, depth)
  const parts = { stored, dtype, name }
  const { vocabSize, tokenizerFiles } = vocabularyOf(input)
  const tensors = [
    ...originalProjector(config.projector, depth, parts),
    ...(config.image.hasNewline ? [copied(IMAGE_NEWLINE, parts)] : []),
    ...decoderTensors(config.decoder, vocabSize, parts),
  ]
  const json = modelConfig(input, { depth, vocabSize, tower, dtype: usualDType(tensors) })
  const files = new Map([
    ...tokenizerFiles,
    ['config.json', jsonBytes(json)],
    ['generation_config.json', jsonBytes(generationConfig(input, tokenIds(input)))],
  ] as [string, Uint8Array][])
  const read = {
    name: input.out,
    files: new Map([['config.json', json]]),
    tower: tower.documents,
  }
  return {
    folders: [{ folder: '', files, tensors }, tower.output],
    notices: [...notices(input), ...readingNotices(input, read)],
  }
}

function checkFeatures({ vision }: EyedConfig): void {
  if (vision.patchMerge === 1 && !vision.isStandardised) return
  throw new ConfigError(
    'CONFIG_CONVERT',
    'convert: the original repositories neither merge patches before the projector nor standardise the channels of features; only llava-hf is written, with keys of our own.',
  )
}

/** Last rows that are only the placeholders' go: the original has no such tokens. */
function vocabularyOf(input: TargetInput): {
  readonly vocabSize: number
  readonly tokenizerFiles: TargetInput['tokenizerFiles']
} {
  const { decoder, image, video } = input.config
  const files = originalTokenizerFiles(input.tokenizerFiles)
  const placeholders = [image.placeholder, video?.placeholder]
  let vocabSize = decoder.vocabSize
  while (placeholders.includes(vocabSize - 1)) vocabSize--
  const gone = Array.from({ length: decoder.vocabSize - vocabSize }, (_, i) => vocabSize + i)
  return {
    vocabSize,
    tokenizerFiles: gone.length === 0 ? files : withoutPlaceholders(files, gone),
  }
}

type Tower = {
  readonly output: OutputFolder
  readonly documents: ReadonlyMap<string, unknown>
  readonly numLayers: number
  readonly layer: number
}

/**
 * The tower as a folder. The original's SigLIP deletes the last block of the tower that it loads and takes the features
 * of what is then last; so one more block is there than is read, a copy where the source has none.
 */
function towerFolder({ config, stored, dtype }: TargetInput): Tower {
  const { vision } = config
  const layer = featureLayer(vision)
  const isSiglip = vision.kind === 'siglip'
  const present = storedLayers(stored)
  const numLayers = isSiglip ? layer + 1 : present
  const parts: PlanParts = { stored, dtype, name: (path) => towerName(path, vision.kind) }
  const from = (index: number) => Math.min(index, present - 1)
  const tensors = visionTensors(vision, numLayers, parts, from)
  const documents = new Map<string, unknown>([
    ['config.json', { ...visionFields(vision, numLayers), torch_dtype: usualDType(tensors) }],
    ['preprocessor_config.json', towerProcessor(config)],
  ])
  const files = new Map([...documents].map(([name, json]) => [name, jsonBytes(json)] as const))
  return { output: { folder: vision.kind, files, tensors }, documents, numLayers, layer }
}

function featureLayer(vision: VisionConfig): number {
  const [layer = 0, ...others] = vision.featureLayers
  if (vision.kind === 'vit') {
    throw unsupported('the original repositories have CLIP and SigLIP towers, this one is a ViT')
  }
  if (others.length > 0) {
    throw unsupported('the original repositories read one feature layer, this checkpoint several')
  }
  if (vision.kind === 'siglip' && vision.dropFirstRow) {
    throw unsupported(
      'the original keeps every row of a SigLIP tower, this checkpoint drops the first',
    )
  }
  return layer
}

/** The tower's own processor. `pad` is said by the model's config, so the file crops as CLIP's always does. */
function towerProcessor({ image, vision }: EyedConfig): Record<string, unknown> {
  const processor: ImageProcessor = { ...image.processor, tiling: { kind: 'none' } }
  const json =
    fitOf(processor) === 'pad' && vision.kind === 'clip'
      ? processorFile(
          { ...processor, pad: null, resize: edgeOf(processor), crop: processor.tile },
          'clip',
        )
      : processorFile({ ...processor, pad: null }, vision.kind)
  return { ...json, processor_class: undefined }
}

function edgeOf({ tile }: EyedConfig['image']['processor']): {
  kind: 'shortestEdge'
  edge: number
} {
  return { kind: 'shortestEdge', edge: tile.width }
}

const CLASSES = {
  llama: { type: 'llava_llama', name: 'LlavaLlamaForCausalLM' },
  mistral: { type: 'llava_mistral', name: 'LlavaMistralForCausalLM' },
  qwen2: { type: 'llava_qwen', name: 'LlavaQwenForCausalLM' },
} as const

function modelConfig(
  input: TargetInput,
  written: {
    readonly depth: number
    readonly vocabSize: number
    readonly tower: Tower
    readonly dtype: ReturnType<typeof usualDType>
  },
): unknown {
  const { decoder, vision, image } = input.config
  const { depth, vocabSize, tower, dtype } = written
  const { type, name } = CLASSES[decoder.kind]
  return {
    architectures: [name],
    model_type: type,
    ...decoderFields(decoder, { vocabSize, tokens: tokenIds(input), dtype }),
    ...originalRope(decoder),
    ...pictureFields(image),
    ...clipFields(input),
    mm_hidden_size: vision.hiddenSize,
    mm_projector_type: depth === 1 ? 'linear' : `mlp${depth}x_gelu`,
    mm_use_im_patch_token: false,
    mm_use_im_start_end: wrapsImage(input),
    mm_vision_select_feature:
      vision.dropFirstRow || vision.kind === 'siglip' ? 'patch' : 'cls_patch',
    mm_vision_select_layer: fromTheEnd(tower.layer, tower.numLayers),
    mm_vision_tower: tower.output.folder,
    tokenizer_model_max_length: lengthLimit(input),
    use_mm_proj: true,
  }
}

function lengthLimit({ config, documents }: TargetInput): number {
  const json = documents.files.get('config.json') as Record<string, unknown> | undefined
  const limit = json?.['tokenizer_model_max_length']
  return typeof limit === 'number' ? limit : config.maxContext
}

/** In which of Qwen2's and Mistral's fields the original's classes find other things than transformers' do. */
function originalRope({ kind, rope, attention, fullLayers, maxPositions }: DecoderConfig): object {
  if (kind === 'llama') return {}
  if (fullLayers) {
    throw unsupported(
      `the original's Qwen2 has its window in all layers, this one sees all positions in layers ${fullLayers.join(', ')}`,
    )
  }
  if (rope.factor !== 1) {
    throw unsupported(
      `the original scales positions of Llama alone, this ${kind} has them scaled by ${rope.factor}`,
    )
  }
  const { slidingWindow } = attention
  if (kind === 'mistral') {
    return {
      sliding_window: null,
      ...(slidingWindow !== null && { attention_window: slidingWindow }),
    }
  }
  // Its Qwen2 takes the window whatever use_sliding_window says, and leaves one position more in sight.
  return {
    use_sliding_window: false,
    sliding_window: slidingWindow === null ? maxPositions : slidingWindow - 1,
  }
}

/** A picture of one tile has a merge as well: `unpad` ends it with a newline. */
export function pictureFields({
  processor,
  tokens,
}: EyedConfig['image']): Readonly<Record<string, unknown>> {
  return {
    ...tilingFields(tokens.tiling, processor),
    ...severalPicturesField(tokens),
    mm_patch_merge_type: mergeType(tokens.merge),
  }
}

function tilingFields(tiling: Tiling, processor: ImageProcessor): object {
  const { tile } = processor
  if (tiling.kind === 'none') {
    return { image_aspect_ratio: fitOf(processor) === 'pad' ? 'pad' : 'square' }
  }
  if (tiling.kind === 'highres') {
    return { image_aspect_ratio: 'highres', image_grid_pinpoints: String(tiling.side) }
  }
  if (tiling.kind === 'cropSplit') {
    return {
      image_aspect_ratio: 'crop_split',
      image_crop_resolution: tiling.side,
      image_split_resolution: tile.width,
    }
  }
  const { pinpoints, maxTiles } = tiling
  return {
    image_aspect_ratio: maxTiles === null ? 'anyres' : `anyres_max_${maxTiles}`,
    image_grid_pinpoints: pinpoints.map(({ width, height }) => [width, height]),
    ...baseTileField(tiling),
  }
}

function mergeType(merge: EyedConfig['image']['tokens']['merge']): string {
  if (merge.layout === 'flat') return 'flat'
  const { unpad, maxPool, base } = merge
  return `spatial${unpad ? '_unpad' : ''}${maxPool ? '_maxpool2x2' : ''}${base ? '' : '_nobase'}`
}

/** Only checkpoints that were trained on clips say how; without the keys the original stops at one. */
function clipFields({ config, documents }: TargetInput): object {
  const { video } = config
  const pooling = video?.tokens.pooling
  if (!video || !pooling || pooling.mode === 'none' || !wasShownClips(config, documents)) return {}
  return {
    mm_spatial_pool_mode: pooling.mode,
    mm_spatial_pool_stride: pooling.stride,
    mm_newline_position: NEWLINE_POSITIONS[video.tokens.newline],
  }
}

export const NEWLINE_POSITIONS: { readonly [N in ClipNewline]: string } = {
  none: 'no_token',
  end: 'one_token',
  frames: 'frame',
  rows: 'grid',
}

function wrapsImage({ config: { prompt } }: TargetInput): boolean {
  if (prompt.kind === 'conversation') return prompt.wrapImage
  return prompt.kind === 'template' && prompt.template.includes(WRAPPED_IMAGE)
}

function notices(input: TargetInput): string[] {
  return [...windowNotices(input), ...tileNotices(input), ...decoderNotices(input)]
}

function windowNotices({ config: { decoder } }: TargetInput): string[] {
  const { slidingWindow } = decoder.attention
  if (decoder.kind !== 'mistral' || slidingWindow === null) return []
  return [
    `A position sees ${slidingWindow} positions (attention_window, a key of ours); the original's Mistral sees all before it: its answers to longer prompts differ.`,
  ]
}

/** Its class for SigLIP prepares pictures in one way, whatever a file says. Source: siglip_encoder.py, SigLipImageProcessor. */
function tileNotices({ config: { vision, image } }: TargetInput): string[] {
  const { width, height } = image.processor.tile
  if (vision.kind !== 'siglip' || (width === 384 && height === 384)) return []
  return [
    `The tower takes tiles of ${width} × ${height}; the original's SigLIP class makes 384 × 384 of every picture, so only llava-ts reads this one.`,
  ]
}

/** What transformers 4.37 and 4.40, which the repositories are pinned to, have no key for. */
function decoderNotices({ config: { decoder } }: TargetInput): string[] {
  const { attention, hiddenSize, mlpBias, rope } = decoder
  const { numHeads, headDim } = attention
  const unknown = [
    ...(numHeads * headDim === hiddenSize
      ? []
      : [`${numHeads} heads of ${headDim} beside ${hiddenSize} channels`]),
    ...(mlpBias ? ['biases in its MLPs'] : []),
    ...(rope.bands ? ['positions scaled as Llama 3.1 does'] : []),
  ]
  if (unknown.length === 0) return []
  return [
    `The model has ${unknown.join(' and ')}, which the transformers of the original repositories does not know: this folder is read by llava-ts alone.`,
  ]
}

function unsupported(what: string): ConfigError {
  return new ConfigError('CONFIG_CONVERT', `convert: ${what}; it cannot be written in this layout.`)
}
