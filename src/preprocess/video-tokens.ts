/**
 * How many tokens a clip becomes: the same accounting for processor, server, trainer and page as `image-tokens.ts` is for
 * pictures.
 *
 * A frame is one tile; its map of patches is pooled, then the frames follow one another with newline rows as configured.
 * Source: LLaVA-VL/LLaVA-NeXT llava/model/llava_arch.py (get_2dPool, prepare_inputs_labels_for_multimodal) at df17966;
 * huggingface/transformers 5.23 models/llava_next_video and llava_onevision.
 */
import { describeValue } from '../core/describe-value.ts'
import { checkFields } from '../core/check-argument.ts'
import { checkOptionKinds } from '../core/check-options.ts'
import { ConfigError, InputError } from '../core/errors.ts'
import { choiceOf, COUNT, taggedBy, type EveryOptionKind } from '../core/option-kinds.ts'
import { freezeDeep } from './freeze.ts'
import { isPositiveInteger } from './image.ts'

export type FramePooling =
  /** Every row that the tower gives. */
  | { readonly mode: 'none' }
  /** Of squares of `stride` × `stride` patches; an odd rest is dropped. */
  | { readonly mode: 'average' | 'max'; readonly stride: number }
  /** To ⌈g / stride⌉ a side, no antialias, corners not aligned. */
  | { readonly mode: 'bilinear'; readonly stride: number }

/** Where newline rows go (`mm_newline_position`): nowhere, once behind the clip, behind each frame, behind each row of a frame. */
export type ClipNewline = 'none' | 'end' | 'frames' | 'rows'

export type VideoTokenConfig = {
  /** g: patches of a frame beside one another. */
  readonly patchesPerSide: number
  /** P: rows that the tower gives for a frame; g² unless a class token is kept. */
  readonly rowsPerFrame: number
  readonly pooling: FramePooling
  readonly newline: ClipNewline
}

export type VideoTokens = {
  /** R: rows of the clip in the prompt. */
  readonly tokens: number
  /** F */
  readonly frames: number
  /** Rows of one frame after pooling, newline rows not counted. */
  readonly frameRows: number
  /** Width and height of a pooled frame's map; null: rows that are no map. */
  readonly side: number | null
  readonly newline: ClipNewline
}

/**
 *   R = F·k·(k + 1 if newline per row) + (F if newline per frame) + (1 if newline at the end)
 *
 * k is g pooled. Throws InputError INPUT_VIDEO_FRAMES unless `frames` is a positive integer.
 */
export function countVideoTokens(frames: number, config: VideoTokenConfig): VideoTokens {
  checkConfig('countVideoTokens', config)
  if (!isPositiveInteger(frames)) {
    throw new InputError(
      'INPUT_VIDEO_FRAMES',
      `countVideoTokens: the number of frames should be a whole number from 1, ${describeValue(frames)} came.`,
    )
  }
  const { newline } = config
  const side = pooledSide(config)
  const frameRows = side === null ? config.rowsPerFrame : side * side
  const newlines = { none: 0, end: 1, frames, rows: frames * (side ?? 0) }[newline]
  return { tokens: frames * frameRows + newlines, frames, frameRows, side, newline }
}

/**
 * F: the most frames whose clip has at most so many tokens; 0 where not even one has.
 *
 * A newline at the end of the clip is there once, whatever the number of frames.
 */
export function framesWithin(tokens: number, config: VideoTokenConfig): number {
  const first = countVideoTokens(1, config).tokens
  const further = countVideoTokens(2, config).tokens - first
  return tokens < first ? 0 : 1 + Math.floor((tokens - first) / further)
}

const KINDS: EveryOptionKind<VideoTokenConfig> = {
  patchesPerSide: COUNT,
  rowsPerFrame: COUNT,
  pooling: taggedBy('mode', ['none', 'average', 'max', 'bilinear']),
  newline: choiceOf(['none', 'end', 'frames', 'rows'] satisfies ClipNewline[]),
}

function checkConfig(where: string, config: VideoTokenConfig): void {
  checkFields(`${where}: config`, config, ['patchesPerSide', 'rowsPerFrame', 'pooling', 'newline'])
  checkOptionKinds(`${where}: config`, config, KINDS)
}

/** k; null where the rows of a frame are no map. */
function pooledSide({ patchesPerSide, rowsPerFrame, pooling }: VideoTokenConfig): number | null {
  if (pooling.mode === 'none') return rowsPerFrame === patchesPerSide ** 2 ? patchesPerSide : null
  const exact = patchesPerSide / pooling.stride
  return pooling.mode === 'bilinear' ? Math.ceil(exact) : Math.floor(exact)
}

/** Checks the parts against each other. Throws ConfigError. */
export function videoTokenConfig(config: VideoTokenConfig): VideoTokenConfig {
  checkConfig('videoTokenConfig', config)
  const { patchesPerSide, rowsPerFrame, pooling, newline } = config
  const isMap = rowsPerFrame === patchesPerSide ** 2
  if (!isMap && (pooling.mode !== 'none' || newline === 'rows')) {
    throw new ConfigError(
      'CONFIG_POOLING',
      `config: frames of ${rowsPerFrame} rows are no map of ${patchesPerSide} × ${patchesPerSide} patches that could be pooled; leave the class token out.`,
    )
  }
  if (pooling.mode === 'none') return freezeDeep(config)
  if (!isPositiveInteger(pooling.stride) || pooling.stride > patchesPerSide) {
    throw new ConfigError(
      'CONFIG_POOLING',
      `config: the pooling stride should be a whole number from 1 to the ${patchesPerSide} patches of a side, ${describeValue(pooling.stride)} came.`,
    )
  }
  return freezeDeep(config)
}
