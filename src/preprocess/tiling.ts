/**
 * The ways a picture becomes several tiles, as data; `planTiles` says for a size what they come to.
 *
 * This is the one place that decides how many tiles a picture has and where they lie: the pixels
 * (`preprocess-image.ts`) and the token count (`image-tokens.ts`) both ask it.
 * Source: LLaVA-VL/LLaVA-NeXT llava/mm_utils.py (process_images) at df17966.
 */
import { taggedBy } from '../core/option-kinds.ts'
import { fitOnCanvas, selectBestResolution } from './anyres.ts'
import type { ImageSize, Region } from './image.ts'

export type Tiling =
  /** One tile: the fit of the processor. */
  | { readonly kind: 'none' }
  /**
   * The whole picture in one base tile, then the tiles of the best of several grids, black around the picture.
   * The base tile is squashed to a square in every released model; 'pad' is the form the 1.5-HD paper describes.
   */
  | {
      readonly kind: 'anyres'
      readonly pinpoints: readonly ImageSize[]
      /** N of `anyres_max_N`: maps that hold more tiles are interpolated down to about N. Null: never. */
      readonly maxTiles: number | null
      readonly base: 'squash' | 'pad'
    }
  /** A squashed base tile, then the picture padded to a square of `side` pixels and cut up. */
  | { readonly kind: 'highres'; readonly side: number }
  /** A centred square of `side` pixels cut up, no base tile. */
  | { readonly kind: 'cropSplit'; readonly side: number }

export const TILING = taggedBy('kind', ['none', 'anyres', 'highres', 'cropSplit'])

/** With several pictures in one prompt: `each` as if it were alone, or `single`: one padded tile a picture. */
export const SEVERAL_PICTURES = ['each', 'single'] as const
export type SeveralPictures = (typeof SEVERAL_PICTURES)[number]

/** What a picture of one size becomes. */
export type TilePlan = {
  /** Tiles beside and above one another, the base tile not counted. */
  readonly grid: ImageSize
  readonly hasBase: boolean
  /** Canvas of the grid in pixels and where the resized picture lies on it; null where there is one tile only. */
  readonly canvas: (ImageSize & { readonly picture: Region }) | null
}

const SINGLE: TilePlan = { grid: { width: 1, height: 1 }, hasBase: false, canvas: null }

/** tile: width and height of a tile in pixels. */
export function planTiles(size: ImageSize, tiling: Tiling, tile: ImageSize): TilePlan {
  return PLANS[tiling.kind](size, tiling as never, tile)
}

export function tileCount(plan: TilePlan): number {
  return plan.grid.width * plan.grid.height + (plan.hasBase ? 1 : 0)
}

type Plan<K extends Tiling['kind']> = (
  size: ImageSize,
  tiling: Extract<Tiling, { kind: K }>,
  tile: ImageSize,
) => TilePlan

const PLANS: { readonly [K in Tiling['kind']]: Plan<K> } = {
  none: () => SINGLE,
  anyres(size, { pinpoints }, tile) {
    const best = selectBestResolution(size, pinpoints)
    const grid = { width: best.width / tile.width, height: best.height / tile.height }
    return { grid, hasBase: true, canvas: { ...best, picture: fitOnCanvas(size, best) } }
  },
  highres: (_, { side }, tile) => ({ ...squareGrid(side, tile), hasBase: true }),
  cropSplit: (_, { side }, tile) => ({ ...squareGrid(side, tile), hasBase: false }),
}

/** As many whole tiles as fit on a square that the picture fills; what is left over is cut off all around. */
function squareGrid(side: number, tile: ImageSize): Pick<TilePlan, 'grid' | 'canvas'> {
  const grid = { width: Math.floor(side / tile.width), height: Math.floor(side / tile.height) }
  const width = grid.width * tile.width
  const height = grid.height * tile.height
  const left = -Math.floor((side - width) / 2)
  const top = -Math.floor((side - height) / 2)
  return { grid, canvas: { width, height, picture: { left, top, width: side, height: side } } }
}
