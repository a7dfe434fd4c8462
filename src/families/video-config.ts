/**
 * How a family sees clips: pooling, newline rows and frames, from its config, its recipe and a caller's wishes.
 *
 * Sources: the LLaVA-NeXT posts of 2024-04-30 and 2024-06-16; LLaVA-NeXT at df17966 `llava/model/llava_arch.py` and
 * `playground/demo/video_demo.py`; arXiv:2408.03326 §3.
 */
import { ConfigError } from '../core/errors.ts'
import type { ImageProcessor } from '../preprocess/image-processor.ts'
import type { PatchMerge } from '../preprocess/image-tokens.ts'
import {
  countVideoTokens,
  framesWithin,
  videoTokenConfig,
  type ClipNewline,
  type FramePooling,
} from '../preprocess/video-tokens.ts'
import { featureRows, rowsPerSide, type VisionConfig } from '../vision/vision-transformer.ts'
import type { ModelConfig, PoolPlace, Quirks, VideoConfig } from './family.ts'
import type { JsonReader } from './json-reader.ts'

/** What a checkpoint says about clips, or its recipe where it says nothing. */
export type VideoHabits = {
  readonly pooling: FramePooling
  readonly poolPlace: PoolPlace
  readonly newline: ClipNewline
  /** Whether it was trained on clips. */
  readonly isTrained: boolean
}

const NEWLINES: Readonly<Record<NonNullable<Quirks['clipNewline']>, ClipNewline>> = {
  no_token: 'none',
  one_token: 'end',
  frame: 'frames',
  grid: 'rows',
}

export function videoConfig(
  habits: VideoHabits,
  parts: {
    readonly processor: ImageProcessor
    readonly frames: number | null
    readonly vision: VisionConfig
    readonly placeholder: number
  },
  quirks: Quirks = {},
): VideoConfig {
  const { vision, placeholder, frames } = parts
  const tokens = videoTokenConfig({
    patchesPerSide: rowsPerSide(vision),
    rowsPerFrame: featureRows(vision),
    pooling: poolingOf(habits.pooling, quirks),
    newline: quirks.clipNewline === undefined ? habits.newline : NEWLINES[quirks.clipNewline],
  })
  return {
    processor: { ...parts.processor, tiling: { kind: 'none' }, severalPictures: 'each' },
    placeholder,
    tokens,
    poolPlace: quirks.poolPlace ?? habits.poolPlace,
    frames,
    maxFrames: habits.isTrained ? TRAINED_FRAMES : ZERO_SHOT_FRAMES,
  }
}

/** `frames_upbound` of OneVision's training and the demo's example. */
const TRAINED_FRAMES = 32
/** With 144 rows a frame these fit an image-only checkpoint's context of 4096. */
const ZERO_SHOT_FRAMES = 16

/** What is done with a checkpoint that never saw a clip: CLIP's maps are halved, unless they are one patch; others stay. */
export function zeroShotPooling(vision: VisionConfig): FramePooling {
  const side = rowsPerSide(vision)
  const isMap = featureRows(vision) === side ** 2
  const isHalved = vision.kind === 'clip' && isMap && side > 1
  return isHalved ? { mode: 'average', stride: 2 } : { mode: 'none' }
}

/** Of a checkpoint of transformers without a class for clips, unless its config says how it was trained on some. */
export function hfHabits(json: JsonReader, untrained: FramePooling): VideoHabits {
  const isTrained = json.has('spatial_pool_mode')
  const pooling = isTrained ? hfPooling(json) : untrained
  return { pooling, poolPlace: 'after', newline: 'none', isTrained }
}

export function hfPooling(json: JsonReader): FramePooling {
  const mode = json.choice(
    'spatial_pool_mode',
    { average: 'average', max: 'max' } as const,
    'average',
  )
  return { mode, stride: json.integer('spatial_pool_stride', 2) }
}

/**
 * The original repositories: always halved, whatever `mm_spatial_pool_stride` says, and behind the projector.
 *
 * Source: llava_arch.py at df17966, line 288 (stride) and 357 to 403 (newlines); without a mode the original stops.
 */
export function originalHabits(
  json: JsonReader,
  vision: VisionConfig,
  merge: PatchMerge,
): VideoHabits {
  const isTrained = json.has('mm_spatial_pool_mode')
  const modes = { average: 'average', max: 'max', bilinear: 'bilinear' } as const
  const pooling = isTrained
    ? { mode: json.choice('mm_spatial_pool_mode', modes), stride: 2 }
    : zeroShotPooling(vision)
  // Interleave (SigLIP, no mode) was shown frames as so many pictures: whole, and a newline after each.
  const isInterleave = !isTrained && vision.kind !== 'clip'
  const usual = isInterleave ? 'frame' : 'one_token'
  const position = json.choice('mm_newline_position', NEWLINES, usual)
  const isUnread = merge.layout === 'flat' || (position === 'end' && !merge.unpad)
  const newline = isUnread ? 'none' : position
  if (newline === 'rows') refuseFasterVideo(json)
  return { pooling, poolPlace: 'after', newline, isTrained }
}

/** The original reads the key where newlines end rows, and nowhere else. */
function refuseFasterVideo(json: JsonReader): void {
  if (!json.boolean('add_faster_video', false)) return
  throw new ConfigError(
    'CONFIG_UNSUPPORTED',
    `${json.path}.add_faster_video: true is not supported, which shows some frames of a clip with fewer tokens; take a checkpoint without it, or set it to false for all frames alike.`,
  )
}

function poolingOf(pooling: FramePooling, { poolMode, poolStride }: Quirks): FramePooling {
  const stride = Number(poolStride ?? (pooling.mode === 'none' ? 2 : pooling.stride))
  const mode = poolMode ?? (pooling.mode === 'none' && poolStride ? 'average' : pooling.mode)
  return mode === 'none' ? { mode } : { mode, stride }
}

/** Room that is left for text and answer, as the demo of NeXT-Video leaves it. */
const TEXT_TOKENS = 1000

/**
 * Frames of each of `clips` clips whose request does not say how many: what was said when the model was loaded, else as many
 * as fit the context, or all that it may have where longer prompts are cut as the original cuts them.
 */
export function defaultFrames(config: ModelConfig, clips: number): number {
  const { frames, maxFrames } = videoOf(config)
  if (frames !== null) return frames
  return config.truncate === 'asOriginal' ? maxFrames : fittingFrames(config, clips)
}

/** As many frames of each of `clips` clips as the context holds, at most what the model is usually shown; one at least. */
export function fittingFrames(config: ModelConfig, clips: number): number {
  return Math.max(1, Math.min(videoOf(config).maxFrames, roomForFrames(config, clips)))
}

/** How many frames of each of `clips` clips the context holds beside text; 0 where not one of each does. */
export function roomForFrames(config: ModelConfig, clips: number): number {
  return framesWithin(clipRoom(config.maxContext) / clips, videoOf(config).tokens)
}

/** Whether a prompt may have a clip of so many tokens: text is beside it. */
export function holdsClip(
  { truncate, maxContext }: Pick<ModelConfig, 'truncate' | 'maxContext'>,
  tokens: number,
): boolean {
  return truncate === 'asOriginal' || tokens < maxContext
}

function videoOf({ video }: ModelConfig): VideoConfig {
  if (!video) throw new Error('internal: frames were asked of a model that takes no clips')
  return video
}

function clipRoom(maxContext: number): number {
  return maxContext - Math.min(TEXT_TOKENS, Math.floor(maxContext / 4))
}

/** So many frames fit a context at so many tokens each. */
export type ClipFit = {
  /** `poolStride` that gives them; 1: frames are not pooled. */
  readonly stride: number
  readonly tokensPerFrame: number
  readonly frames: number
  readonly tokens: number
}

const STRIDES = [1, 2, 3, 4]

/** Frames against tokens of a frame: what one clip can have of both within the context. */
export function clipFits({
  video,
  maxContext,
}: Pick<ModelConfig, 'video' | 'maxContext'>): ClipFit[] {
  if (!video || video.tokens.rowsPerFrame !== video.tokens.patchesPerSide ** 2) return []
  const { tokens: config } = video
  const mode = config.pooling.mode === 'none' ? 'average' : config.pooling.mode
  return STRIDES.filter((stride) => stride <= config.patchesPerSide).map((stride) => {
    const pooling: FramePooling = stride === 1 ? { mode: 'none' } : { mode, stride }
    const pooled = videoTokenConfig({ ...config, pooling })
    const tokensPerFrame = countVideoTokens(1, pooled).frameRows
    const frames = framesWithin(clipRoom(maxContext), pooled)
    const tokens = frames === 0 ? 0 : countVideoTokens(frames, pooled).tokens
    return { stride, tokensPerFrame, frames, tokens }
  })
}
