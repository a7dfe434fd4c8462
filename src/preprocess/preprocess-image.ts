/**
 * RGB picture → tiles of the vision tower → pixel values.
 *
 * On the path: after `readImage`, before the tower. The tiles as bytes are what a picture is known by (the cache of image
 * tokens hashes them), the floats are what the tower's session is fed.
 */
import { checkFields } from '../core/check-argument.ts'
import { checkOptionKinds } from '../core/check-options.ts'
import { InputError } from '../core/errors.ts'
import { COUNT } from '../core/option-kinds.ts'
import { checkImage, type Image, type ImageSize, type RgbImage } from './image.ts'
import { checkProcessor, padColour, type ImageProcessor } from './image-processor.ts'
import { normaliseTiles } from './normalise.ts'
import { resample, type Canvas } from './resample.ts'
import { passOrder } from './resize.ts'
import { roundHalfEven } from './round-half-even.ts'
import { copyRows, TileWriter } from './tile-writer.ts'
import { planTiles, tileCount, type TilePlan, type Tiling } from './tiling.ts'

export type PreparedImage = {
  /** Size of the picture before anything was done to it. */
  readonly imageSize: ImageSize
  /** uint8[I, h, w, C], the base tile first. */
  readonly tiles: { readonly data: Uint8Array; readonly shape: readonly number[] }
  /** float32[I, C, h, w] */
  readonly pixelValues: { readonly data: Float32Array; readonly shape: readonly number[] }
  readonly plan: TilePlan
}

/**
 * All tiles of a picture. `pictures`: how many the prompt has, which decides about tiling in some families.
 *
 * Throws InputError INPUT_IMAGE_SHAPE unless the picture is RGB.
 */
export function preprocessImage(
  image: RgbImage,
  processor: ImageProcessor,
  options: { readonly pictures?: number } = {},
): PreparedImage {
  checkImage('preprocessImage', image)
  checkProcessor('preprocessImage', processor)
  checkOptionKinds('preprocessImage', options, { pictures: COUNT })
  const { pictures = 1 } = options
  if (image.channels !== 3) {
    throw new InputError(
      'INPUT_IMAGE_SHAPE',
      `preprocessImage: expected an RGB picture, came one of ${(image as Image).channels} channels; convert it first.`,
    )
  }
  const used = forPrompt(processor, pictures)
  const { width, height } = used.tile
  const plan = planTiles(image, used.tiling, used.tile)
  const count = tileCount(plan)
  const data = new Uint8Array(count * height * width * 3)
  CUTS[used.tiling.kind](image, used, plan, new TileWriter(data, used.tile))
  return {
    imageSize: { width: image.width, height: image.height },
    tiles: { data, shape: [count, height, width, 3] },
    pixelValues: {
      data: normaliseTiles(data, width * height, used),
      shape: [count, 3, height, width],
    },
    plan,
  }
}

/** The processor as it works when a prompt has this many pictures. */
export function forPrompt(processor: ImageProcessor, pictures: number): ImageProcessor {
  if (pictures <= 1 || processor.severalPictures === 'each') return processor
  return { ...processor, pad: padColour(processor), tiling: { kind: 'none' } }
}

type Cut = (image: RgbImage, processor: ImageProcessor, plan: TilePlan, writer: TileWriter) => void

const CUTS: { readonly [K in Tiling['kind']]: Cut } = {
  none(image, processor, _, writer) {
    writer.add(fitTile(image, processor))
  },
  anyres(image, processor, plan, writer) {
    const isPadded = processor.tiling.kind === 'anyres' && processor.tiling.base === 'pad'
    const { picture } = plan.canvas as NonNullable<TilePlan['canvas']>
    const cut = scale(image, processor, picture)
    const size = squashedSize(processor)
    const base = scale(image, processor, size, isPadded)
    if (size.width === processor.tile.width && size.height === processor.tile.height) {
      writer.add(base)
      writer.addGrid(cut, picture, plan.grid)
      return
    }
    const tiles = gridTiles(cut, { picture, grid: plan.grid, tile: processor.tile })
    for (const tile of [base, ...tiles]) writer.add(fitTile(tile, { ...processor, pad: null }))
  },
  highres(image, processor, plan, writer) {
    writer.add(scale(image, processor, processor.tile))
    const { picture } = plan.canvas as NonNullable<TilePlan['canvas']>
    writer.addGrid(scale(image, processor, picture, true), picture, plan.grid)
  },
  cropSplit(image, processor, plan, writer) {
    const { picture } = plan.canvas as NonNullable<TilePlan['canvas']>
    writer.addGrid(cropSquare(image, processor, picture.width), picture, plan.grid)
  },
}

/**
 * The square that the whole picture is squashed to. Where it is not a tile's, each tile is resized and cropped once more, as
 * both references do with every tile: mm_utils.py process_anyres_image, transformers' LlavaNextImageProcessor.
 */
function squashedSize({ resize, tile }: ImageProcessor): ImageSize {
  if (resize.kind === 'none') return tile
  return resize.kind === 'exact' ? resize.size : { width: resize.edge, height: resize.edge }
}

type Grid = {
  readonly picture: { readonly left: number; readonly top: number }
  readonly grid: ImageSize
  readonly tile: ImageSize
}

/** The tiles as pictures of their own. */
function gridTiles(image: Image, { picture, grid, tile }: Grid): RgbImage[] {
  const bytes = tile.width * tile.height * 3
  const data = new Uint8Array(grid.width * grid.height * bytes)
  new TileWriter(data, tile).addGrid(image, picture, grid)
  return Array.from({ length: grid.width * grid.height }, (_, i) => ({
    width: tile.width,
    height: tile.height,
    channels: 3,
    data: data.subarray(i * bytes, (i + 1) * bytes),
  }))
}

/** One tile: pad, resize, crop. */
function fitTile(image: RgbImage, processor: ImageProcessor): Image {
  const { pad, crop, filter, order, tile } = processor
  const canvas = pad === null ? undefined : squareCanvas(image, pad)
  const from = canvas ?? image
  const size = resizedSize(from, processor)
  const wanted = crop ?? tile
  const left = Math.floor((size.width - wanted.width) / 2)
  const top = Math.floor((size.height - wanted.height) / 2)
  // Only what the crop shows is computed: a 65000 × 1 strip would be 22 million pixels wide.
  const window = {
    left: Math.max(0, left),
    top: Math.max(0, top),
    width: Math.min(size.width, wanted.width),
    height: Math.min(size.height, wanted.height),
  }
  const passes = passOrder(order, from, size)
  const data = resample({ image, canvas, size, window, filter, order: passes })
  const cut: Image = { width: window.width, height: window.height, channels: 3, data }
  if (window.width === wanted.width && window.height === wanted.height) return cut
  const framed = new Uint8Array(wanted.width * wanted.height * 3)
  const place = { left: window.left - left, top: window.top - top }
  copyRows(cut, { ...window, left: 0, top: 0 }, framed, wanted, place)
  return { ...wanted, channels: 3, data: framed }
}

/** What a picture, padded where it is to be, is resized to for its one tile. */
export function resizedSize(size: ImageSize, processor: Pick<ImageProcessor, 'resize'>): ImageSize {
  checkFields('resizedSize: size', size, ['width', 'height'])
  checkFields('resizedSize: processor', processor, ['resize'])
  const { resize } = processor
  if (resize.kind === 'none') return { width: size.width, height: size.height }
  if (resize.kind === 'exact') return resize.size
  const { edge } = resize
  return size.width <= size.height
    ? { width: edge, height: Math.trunc((edge * size.height) / size.width) }
    : { width: Math.trunc((edge * size.width) / size.height), height: edge }
}

/** The picture squashed to a size, on a square of the mean colour first if `isPadded`. */
function scale(
  image: RgbImage,
  processor: ImageProcessor,
  { width, height }: ImageSize,
  isPadded = false,
): RgbImage {
  const { filter, order } = processor
  const canvas = isPadded ? squareCanvas(image, padColour(processor)) : undefined
  const size = { width, height }
  const passes = passOrder(order, canvas ?? image, size)
  return { ...size, channels: 3, data: resample({ image, canvas, size, filter, order: passes }) }
}

/**
 * A centred square of `side` pixels after the shorter edge became `side`, by LANCZOS whatever the processor's filter.
 *
 * Source: mm_utils.py resize_and_center_crop: the aspect is divided first, which rounds otherwise than `fitTile`, and
 * Pillow rounds half pixels of the crop to even.
 */
function cropSquare(image: RgbImage, { order }: ImageProcessor, side: number): Image {
  const aspect = image.width / image.height
  const width = aspect > 1 ? Math.trunc(side * aspect) : side
  const height = aspect > 1 ? side : Math.trunc(side / aspect)
  const size = { width, height }
  const window = {
    left: roundHalfEven((width - side) / 2),
    top: roundHalfEven((height - side) / 2),
    width: side,
    height: side,
  }
  const passes = passOrder(order, image, size)
  const data = resample({ image, size, window, filter: 'lanczos', order: passes })
  return { width: side, height: side, channels: 3, data }
}

function squareCanvas(image: ImageSize, colour: readonly number[]): Canvas {
  const side = Math.max(image.width, image.height)
  const left = Math.floor((side - image.width) / 2)
  const top = Math.floor((side - image.height) / 2)
  return { width: side, height: side, left, top, colour }
}
