/**
 * What pictures and clips cost in tokens, and how each picture is cut, for people to look at.
 *
 * Sizes come from headers: nothing is decoded and nothing is run.
 */
import type { ModelConfig } from '../families/family.ts'
import type { ImageProcessor } from '../preprocess/image-processor.ts'
import type { ImageTokens } from '../preprocess/image-tokens.ts'
import type { ImageSize, Region } from '../preprocess/image.ts'
import { keptOnSheet, sheetOf } from '../preprocess/picture-sheet.ts'
import { clipParts, pictureParts, sumOf, type TokenPart } from '../preprocess/token-parts.ts'
import { featureRows, patchesPerSide } from '../vision/vision-transformer.ts'
import type { PreparedClip } from './prepare-clip.ts'

export type MediaTokens = {
  /** Tokens of the whole prompt that are not of a picture or clip, and those that are. */
  readonly text: number
  readonly image: number
  /** Pictures and clips in the order in which the prompt names them. */
  readonly media: readonly (PictureTokens | ClipTokens)[]
}

export type PictureTokens = ImageSize & {
  readonly kind: 'image'
  readonly tokens: number
  /** Which part of it takes how many. */
  readonly parts: readonly TokenPart[]
  readonly cut: PictureCut
}

/** Everything in pixels as the tower sees them; the tiles begin at (0, 0), so a picture that is cropped begins before. */
export type PictureCut = {
  readonly tile: ImageSize
  readonly grid: { readonly columns: number; readonly rows: number }
  /** All tiles of the grid together. */
  readonly sheet: ImageSize
  /** The whole picture as it was resized: what lies outside of the sheet is cut off, what it leaves empty there is padding. */
  readonly picture: Region
  /** The part of the sheet whose patches are used; null: all of it. */
  readonly kept: Region | null
  /** How the whole picture becomes one more tile. */
  readonly base: 'none' | 'padded' | 'squashed'
}

export type ClipTokens = {
  readonly kind: 'video'
  readonly tokens: number
  readonly parts: readonly TokenPart[]
  readonly frames: number
  /** Seconds of the frames that are taken. */
  readonly times: readonly number[]
}

type PictureConfig = Pick<ModelConfig, 'image' | 'vision'>

export function pictureTokens(
  size: ImageSize,
  counted: ImageTokens,
  { image, vision }: PictureConfig,
): PictureTokens {
  if (!image || !vision) throw new Error('internal: a picture came to a model without eyes')
  const { processor } = image
  const perSide = image.tokens.patchesPerSide
  // A cell of the map may be several patches of the tower.
  const cells = {
    perSide,
    pixels: vision.patchSize * Math.floor(patchesPerSide(vision) / perSide),
  }
  const parts = pictureParts(counted, featureRows(vision))
  const { picture, tiles } = sheetOf(size, processor, counted.plan)
  const { width: columns, height: rows } = counted.grid
  return {
    kind: 'image',
    width: size.width,
    height: size.height,
    tokens: sumOf(parts),
    parts,
    cut: {
      tile: { width: processor.tile.width, height: processor.tile.height },
      grid: { columns, rows },
      sheet: tiles,
      picture,
      kept: keptOnSheet(counted, processor.tile, cells),
      base: baseOf(counted, processor),
    },
  }
}

function baseOf({ plan }: ImageTokens, { tiling }: ImageProcessor): PictureCut['base'] {
  if (!plan.hasBase) return 'none'
  return tiling.kind === 'anyres' && tiling.base === 'pad' ? 'padded' : 'squashed'
}

export function clipTokens({ tokens, times }: PreparedClip): ClipTokens {
  return {
    kind: 'video',
    tokens: tokens.tokens,
    parts: clipParts(tokens),
    frames: tokens.frames,
    times,
  }
}
