/**
 * Where a picture lies on the tiles it is cut into: the geometry of `preprocess-image.ts` for those who draw it.
 *
 * Everything is in pixels as the tower sees them; the tiles begin at (0, 0), so a picture that is cropped begins before.
 */
import {
  resizedSize,
  type ImageProcessor,
  type ImageSize,
  type Region,
  type TilePlan,
} from '../preprocess/index.ts'

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
