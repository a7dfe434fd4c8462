/**
 * How pixels are prepared for a vision tower, as data: fully resolved, nothing optional, nothing mutable.
 *
 * The steps are always the same and each may be absent:
 *
 *   pad to a square → resize → centre crop → × rescale → (v − mean) / std
 *
 * `tiling` says whether the picture is cut into several tiles first. `parse-image-processor.ts` makes one of these from
 * a checkpoint's files, `originalImageProcessor` from the habits of the original repositories.
 */
import { checkFields } from '../core/check-argument.ts'
import { requireChoice } from '../core/check-choice.ts'
import { checkKinds } from '../core/check-options.ts'
import { choiceOf, taggedBy, type OptionKinds } from '../core/option-kinds.ts'
import type { ImageSize } from './image.ts'
import { RESAMPLE_FILTERS, type ResampleFilter } from './resample-kernel.ts'
import { RESIZE_ORDERS, type ResizeOrder } from './resize.ts'
import { SEVERAL_PICTURES, TILING, type SeveralPictures, type Tiling } from './tiling.ts'

export type Rgb = readonly [number, number, number]

/** How a picture that is not square becomes one tile. */
export const IMAGE_FITS = ['pad', 'crop', 'squash'] as const
export type ImageFit = (typeof IMAGE_FITS)[number]

export type Resize =
  /** The shorter side becomes `edge`, the other keeps the aspect. */
  | { readonly kind: 'shortestEdge'; readonly edge: number }
  /** Exactly the tile, whatever the aspect. */
  | { readonly kind: 'exact'; readonly size: ImageSize }
  | { readonly kind: 'none' }

export type ImageProcessor = {
  /** Width and height of what the tower sees. */
  readonly tile: ImageSize
  /** Colour of the square that the picture is centred on first; null: no padding. */
  readonly pad: Rgb | null
  readonly resize: Resize
  /** Size of the centred cut-out, filled up with black where the picture is smaller; null: none. */
  readonly crop: ImageSize | null
  readonly filter: ResampleFilter
  readonly order: ResizeOrder
  /** Factor of the samples before they are normalised; null: none. */
  readonly rescale: number | null
  readonly normalise: { readonly mean: Rgb; readonly std: Rgb } | null
  readonly tiling: Tiling
  readonly severalPictures: SeveralPictures
}

/** The same processor with another fit: `quirks: { fit: 'pad' }`. Tiles of AnyRes are not affected. */
export function withFit(processor: ImageProcessor, fit: ImageFit): ImageProcessor {
  checkProcessor('withFit', processor)
  requireChoice('withFit: fit', fit, IMAGE_FITS)
  const { tile, resize } = processor
  const exact: Resize = { kind: 'exact', size: tile }
  if (fit === 'squash') return { ...processor, pad: null, resize: exact, crop: null }
  if (fit === 'pad') return { ...processor, pad: padColour(processor), resize: exact, crop: null }
  const edge = resize.kind === 'shortestEdge' ? resize.edge : Math.max(tile.width, tile.height)
  return { ...processor, pad: null, resize: { kind: 'shortestEdge', edge }, crop: tile }
}

/** The fit that the steps come to. */
export function fitOf(processor: ImageProcessor): ImageFit {
  checkProcessor('fitOf', processor)
  if (processor.pad !== null) return 'pad'
  return processor.crop !== null ? 'crop' : 'squash'
}

const MAKERS = 'parseImageProcessor and originalImageProcessor make one'

/** What decides which way a picture goes: no other word may lead to the last of them. */
const KINDS: OptionKinds<ImageProcessor> = {
  resize: taggedBy('kind', ['shortestEdge', 'exact', 'none']),
  filter: choiceOf(RESAMPLE_FILTERS),
  order: choiceOf(RESIZE_ORDERS),
  tiling: TILING,
  severalPictures: choiceOf(SEVERAL_PICTURES),
}

/** Throws InputError unless this is a processor. */
export function checkProcessor(where: string, processor: ImageProcessor): void {
  checkFields(`${where}: processor`, processor, ['tile', 'resize', 'tiling', 'normalise'], MAKERS)
  checkKinds(`${where}: processor`, processor, KINDS)
}

/** Whether both make the same tile of a picture that is not cut. */
export function isSameTile(one: ImageProcessor, other: ImageProcessor): boolean {
  const [was, is] = [one, other].map((processor) => {
    const { tile, pad, resize, crop, filter, order, rescale, normalise } = withPlainSteps(processor)
    return JSON.stringify([tile, pad, resize, crop, filter, order, rescale, normalise])
  })
  return was === is
}

/** A padded picture is a square: its shortest edge brought to that of the tile makes it the tile, of which nothing is cut. */
export function withPlainSteps(processor: ImageProcessor): ImageProcessor {
  const { tile, pad, resize, crop } = processor
  const isEdge = resize.kind === 'shortestEdge' && resize.edge === tile.width
  if (pad === null || !isEdge || crop?.width !== tile.width || crop.height !== tile.width) {
    return processor
  }
  return { ...processor, resize: { kind: 'exact', size: tile }, crop: null }
}

/** The mean as a colour, cut and not rounded: int(mean · 255). */
export function padColour(processor: Pick<ImageProcessor, 'normalise'>): Rgb {
  checkFields('padColour: processor', processor, ['normalise'], MAKERS)
  const { normalise } = processor
  const [red, green, blue] = normalise?.mean ?? [0, 0, 0]
  return [Math.trunc(red * 255), Math.trunc(green * 255), Math.trunc(blue * 255)]
}
