/**
 * Where a picture lies on the tiles it is cut into: the geometry of `preprocess-image.ts` for those who draw it.
 *
 * Everything is in pixels as the tower sees them; the tiles begin at (0, 0), so a picture that is cropped begins before.
 */
import type { ImageProcessor } from './image-processor.ts'
import type { ImageTokens } from './image-tokens.ts'
import type { ImageSize, Region } from './image.ts'
import { resizedSize } from './preprocess-image.ts'
import type { TilePlan } from './tiling.ts'

export type Sheet = {
  /** The whole picture as it was resized; what lies outside of `tiles` is cut off, what it does not cover is padding. */
  readonly picture: Region
  /** All tiles of the grid together. */
  readonly tiles: ImageSize
}

export function sheetOf(size: ImageSize, processor: ImageProcessor, plan: TilePlan): Sheet {
  const { canvas } = plan
  if (canvas === null) return fittedSheet(size, processor)
  const { width, height, picture } = canvas
  return { picture: PICTURES[processor.tiling.kind](size, picture), tiles: { width, height } }
}

/** One tile: pad, resize, crop. */
function fittedSheet(size: ImageSize, processor: ImageProcessor): Sheet {
  const { pad, crop, tile } = processor
  const padded = pad === null ? size : squareAround(size)
  const resized = resizedSize(padded, processor)
  const tiles = crop ?? tile
  const left = Math.floor((resized.width - tiles.width) / 2)
  const top = Math.floor((resized.height - tiles.height) / 2)
  const inSquare = pad === null ? { left: 0, top: 0, ...sizeOf(size) } : centredInSquare(size)
  const [scaleX, scaleY] = [resized.width / padded.width, resized.height / padded.height]
  return {
    tiles: sizeOf(tiles),
    picture: {
      left: inSquare.left * scaleX - left,
      top: inSquare.top * scaleY - top,
      width: inSquare.width * scaleX,
      height: inSquare.height * scaleY,
    },
  }
}

/** From where a plan puts what it cuts up to where the picture itself lies in that. */
const PICTURES: {
  readonly [K in ImageProcessor['tiling']['kind']]: (size: ImageSize, place: Region) => Region
} = {
  none: (_, place) => place,
  anyres: (_, place) => place,
  /** The place is a square of padding with the picture in its middle. */
  highres(size, { left, top, width: side }) {
    const scale = side / Math.max(size.width, size.height)
    const inner = centredInSquare(size)
    return {
      left: left + inner.left * scale,
      top: top + inner.top * scale,
      width: inner.width * scale,
      height: inner.height * scale,
    }
  },
  /** The place is the middle of the picture, whose shorter side it has. */
  cropSplit(size, { left, top, width: side }) {
    const scale = side / Math.min(size.width, size.height)
    const [width, height] = [size.width * scale, size.height * scale]
    return { left: left - (width - side) / 2, top: top - (height - side) / 2, width, height }
  },
}

/** Cells of the map beside one another in a tile, and the side of one in pixels. */
export type TileCells = { readonly perSide: number; readonly pixels: number }

/** The cells of the map that are used, in pixels of the tiles; null where every cell is, or none. */
export function keptOnSheet(
  { map }: ImageTokens,
  tile: ImageSize,
  cells: TileCells,
): Region | null {
  if (map === null) return null
  const { kept, full } = map
  if (kept.width === full.width && kept.height === full.height) return null
  if (kept.width <= 0 || kept.height <= 0) return null
  const start = (cell: number, side: number) =>
    Math.floor(cell / cells.perSide) * side + (cell % cells.perSide) * cells.pixels
  const end = (cell: number, side: number) => start(cell - 1, side) + cells.pixels
  const [left, top] = [start(kept.left, tile.width), start(kept.top, tile.height)]
  return {
    left,
    top,
    width: end(kept.left + kept.width, tile.width) - left,
    height: end(kept.top + kept.height, tile.height) - top,
  }
}

function squareAround({ width, height }: ImageSize): ImageSize {
  const side = Math.max(width, height)
  return { width: side, height: side }
}

function centredInSquare({ width, height }: ImageSize): Region {
  const side = Math.max(width, height)
  const left = Math.floor((side - width) / 2)
  return { left, top: Math.floor((side - height) / 2), width, height }
}

function sizeOf({ width, height }: ImageSize): ImageSize {
  return { width, height }
}
