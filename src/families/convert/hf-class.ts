/**
 * Which class of transformers a checkpoint becomes, and in which words that class has its pictures and clips configured.
 *
 * Source: transformers 5.23 `models/{llava,llava_next,llava_next_video,llava_onevision}`.
 */
import { ConfigError } from '../../core/errors.ts'
import type { Tiling } from '../../preprocess/tiling.ts'
import type { CheckpointDocuments } from '../family.ts'
import { isObject } from '../json-reader.ts'
import type { EyedConfig } from './target.ts'

export type HfClass = {
  readonly modelType: string
  readonly architecture: string
  readonly processorClass: string
  /** Of pictures that are cut into tiles. */
  readonly imageProcessor: string | null
  /** Null: the class takes no clips; here they stand in places of pictures. */
  readonly videoProcessor: string | null
}

const LLAVA: HfClass = {
  modelType: 'llava',
  architecture: 'LlavaForConditionalGeneration',
  processorClass: 'LlavaProcessor',
  imageProcessor: null,
  videoProcessor: null,
}
const NEXT: HfClass = {
  modelType: 'llava_next',
  architecture: 'LlavaNextForConditionalGeneration',
  processorClass: 'LlavaNextProcessor',
  imageProcessor: 'LlavaNextImageProcessor',
  videoProcessor: null,
}
const NEXT_VIDEO: HfClass = {
  modelType: 'llava_next_video',
  architecture: 'LlavaNextVideoForConditionalGeneration',
  processorClass: 'LlavaNextVideoProcessor',
  imageProcessor: 'LlavaNextImageProcessor',
  videoProcessor: 'LlavaNextVideoVideoProcessor',
}
const ONEVISION: HfClass = {
  modelType: 'llava_onevision',
  architecture: 'LlavaOnevisionForConditionalGeneration',
  processorClass: 'LlavaOnevisionProcessor',
  imageProcessor: 'LlavaOnevisionImageProcessor',
  videoProcessor: 'LlavaOnevisionVideoProcessor',
}

/** The class of a `model_type`; the plain one for any other. */
export function hfClassNamed(modelType: string): HfClass {
  return [NEXT, NEXT_VIDEO, ONEVISION].find((one) => one.modelType === modelType) ?? LLAVA
}

/** Throws ConfigError for pictures that no class cuts and merges as this checkpoint does. */
export function hfClassOf(config: EyedConfig, documents: CheckpointDocuments): HfClass {
  const { tiling, merge } = config.image.tokens
  if (tiling.kind === 'none' && merge.layout === 'flat') return LLAVA
  checkTiles(config)
  if (isAnyres(tiling) && tiling.maxTiles !== null) return ONEVISION
  return wasShownClips(config, documents) ? NEXT_VIDEO : NEXT
}

export function isAnyres(tiling: Tiling): tiling is Extract<Tiling, { kind: 'anyres' }> {
  return tiling.kind === 'anyres'
}

function checkTiles({ image }: EyedConfig): void {
  const { tiling, merge } = image.tokens
  const isUnpadded =
    merge.layout === 'spatial' && merge.unpad && merge.newline && merge.base && !merge.maxPool
  if (tiling.kind === 'none') {
    const end = merge.layout === 'spatial' && merge.newline ? 'and a newline' : 'merged as spatial'
    throw unsupported(`transformers has no form for pictures of one tile ${end}`)
  }
  if (!isAnyres(tiling)) {
    throw unsupported(`transformers has no form for pictures cut as "${tiling.kind}"`)
  }
  if (!isUnpadded) {
    throw unsupported('transformers merges tiles as spatial_unpad alone, this checkpoint otherwise')
  }
}

/** Whether the checkpoint was trained on clips, as its files say in one way or another. */
export function wasShownClips({ family }: EyedConfig, { files }: CheckpointDocuments): boolean {
  const json = files.get('config.json')
  if (family === 'next-video' || !isObject(json)) return family === 'next-video'
  return 'mm_spatial_pool_mode' in json || json['model_type'] === ONEVISION.modelType
}

function unsupported(what: string): ConfigError {
  return new ConfigError('CONFIG_CONVERT', `convert: ${what}; it cannot be written in this layout.`)
}

export type Placeholders = { readonly image: number; readonly video: number | null }

/** What config.json says beside tower, projector and language model. */
export function mediaFields(
  { modelType }: HfClass,
  config: EyedConfig,
  { image, video }: Placeholders,
): Record<string, unknown> {
  const { tiling } = config.image.tokens
  return {
    image_token_index: image,
    ...(video !== null && { video_token_index: video }),
    ...(isAnyres(tiling) && {
      image_grid_pinpoints: pinpointPairs(tiling),
      use_image_newline_parameter: true,
      ...(tiling.maxTiles !== null && { vision_aspect_ratio: `anyres_max_${tiling.maxTiles}` }),
    }),
    ...(modelType === 'llava_next_video' && poolFields(config)),
    ...(modelType !== ONEVISION.modelType && severalPicturesField(config.image.tokens)),
  }
}

/** The class knows the average and the maximum; other forms are told by `reading-notices.ts`. */
function poolFields({ video }: EyedConfig): Record<string, unknown> {
  const pooling = video?.tokens.pooling
  const isKnown = pooling?.mode === 'average' || pooling?.mode === 'max'
  return {
    spatial_pool_mode: isKnown ? pooling.mode : 'average',
    spatial_pool_stride: pooling && pooling.mode !== 'none' ? pooling.stride : 2,
  }
}

/** A key of ours where the base tile is padded, which no other reader does. */
export function baseTileField(tiling: Tiling): { readonly anyres_base?: 'pad' } {
  return isAnyres(tiling) && tiling.base === 'pad' ? { anyres_base: 'pad' } : {}
}

/** A key of ours where each of several pictures is padded to one tile and the layout's own reader would cut it. */
export function severalPicturesField({ tiling, severalPictures }: EyedConfig['image']['tokens']): {
  readonly several_pictures?: 'single'
} {
  return tiling.kind !== 'none' && severalPictures === 'single'
    ? { several_pictures: 'single' }
    : {}
}

/** As (height, width), in our order, which decides ties. */
export function pinpointPairs({ pinpoints }: Extract<Tiling, { kind: 'anyres' }>): number[][] {
  return pinpoints.map(({ width, height }) => [height, width])
}
