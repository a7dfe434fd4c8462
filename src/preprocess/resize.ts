/**
 * `Image.resize` of Pillow on 8-bit pictures of 1 to 4 channels, bit for bit.
 *
 * Grey with alpha and RGBA are resized premultiplied. `order` chooses between Pillow up to 12.1 ('classic': horizontal
 * pass first, as every published model was trained), Pillow 12.2 and 12.3 ('pillow12': the same but for pictures over a
 * hundred times as tall as wide) and Pillow 13 (vertical first for pictures that lose much height).
 * Source: python-pillow/Pillow src/PIL/Image.py (resize) at 4e5f09f, 12.3.0 and 13.0.0 as published.
 */
import { checkOptions } from '../core/check-options.ts'
import { describeValue } from '../core/describe-value.ts'
import { InputError } from '../core/errors.ts'
import { FLAG, kindFaults } from '../core/option-kinds.ts'
import { checkImage, isSize, type Image, type ImageSize } from './image.ts'
import { premultiply, unpremultiply } from './premultiply.ts'
import { reduceImage } from './reduce.ts'
import {
  FILTERS,
  RESAMPLE_FILTERS,
  type ResampleFilter,
  type SmoothFilter,
} from './resample-kernel.ts'
import { resample, type Box } from './resample.ts'

export const RESIZE_ORDERS = ['classic', 'pillow12', 'pillow13'] as const
export type ResizeOrder = (typeof RESIZE_ORDERS)[number]

export type ResizeOptions = ImageSize & {
  readonly filter?: ResampleFilter
  /** Part of the picture to resize, [left, top, right, bottom], fractions allowed; default: all of it. */
  readonly box?: Box
  readonly order?: ResizeOrder
  /** First shrinks by whole numbers, leaving at least this factor to the filter. Default: no such step. */
  readonly reducingGap?: number
  /** RGBA and LA: resize the alpha channel like the others, as Pillow does with CMYK. Default false. */
  readonly isPremultiplied?: boolean
}

const OPTIONS = ['width', 'height', 'filter', 'box', 'order', 'reducingGap', 'isPremultiplied']

/**
 * The picture at another size.
 *
 * image [h, w, C] uint8 → [height, width, C] uint8. Throws InputError for a size, box or option that cannot be.
 */
export function resizeImage(image: Image, options: ResizeOptions): Image {
  checkImage('resizeImage', image)
  const { filter, box, order, reducingGap, isPremultiplied } = checkResize(image, options)
  const size = { width: options.width, height: options.height }
  const isWhole = box.every((edge, i) => edge === [0, 0, image.width, image.height][i])
  if (isWhole && size.width === image.width && size.height === image.height) {
    return { ...image, data: new Uint8Array(image.data) }
  }
  if (filter === 'nearest') {
    return { ...size, channels: image.channels, data: resample({ image, size, box, filter }) }
  }
  const hasAlpha = !isPremultiplied && (image.channels === 2 || image.channels === 4)
  // Pillow up to 12 forgets the gap on its way through the premultiplied picture.
  const gap = hasAlpha && order !== 'pillow13' ? undefined : reducingGap
  const source = hasAlpha ? premultiply(image) : image
  const reduced =
    gap === undefined ? { image: source, box } : reduce(source, size, filter, box, gap)
  const data = resample({
    ...reduced,
    size,
    filter,
    order: passOrder(order, reduced.image, size),
  })
  const result: Image = { ...size, channels: image.channels, data }
  return hasAlpha ? unpremultiply(result) : result
}

/** Pillow 12.2 shrinks a picture that is this many times as tall as wide before it touches the width. */
const STRIP = 100

/** Which pass Pillow runs first. The comparisons are signed and look at the whole picture, whatever the box. */
export function passOrder(
  order: ResizeOrder,
  from: ImageSize,
  to: ImageSize,
): 'horizontalFirst' | 'verticalFirst' {
  const lost = from.height - to.height
  const isVerticalFirst = {
    classic: false,
    pillow12: lost > 0 && from.height > STRIP * from.width,
    pillow13: lost > 0 && lost > 2 * (from.width - to.width),
  }[order]
  return isVerticalFirst ? 'verticalFirst' : 'horizontalFirst'
}

function reduce(
  image: Image,
  size: ImageSize,
  filter: SmoothFilter,
  box: Box,
  gap: number,
): { image: Image; box: Box } {
  const [left, top, right, bottom] = box
  const scaleX = (right - left) / size.width
  const scaleY = (bottom - top) / size.height
  const factorX = Math.trunc(scaleX / gap) || 1
  const factorY = Math.trunc(scaleY / gap) || 1
  if (factorX <= 1 && factorY <= 1) return { image, box }
  // The box grows by what the filter may read beside it.
  const reach = FILTERS[filter].support - 0.5
  const x0 = Math.max(0, Math.trunc(left - reach * scaleX))
  const y0 = Math.max(0, Math.trunc(top - reach * scaleY))
  const x1 = Math.min(image.width, Math.ceil(right + reach * scaleX))
  const y1 = Math.min(image.height, Math.ceil(bottom + reach * scaleY))
  const region = { left: x0, top: y0, width: x1 - x0, height: y1 - y0 }
  return {
    image: reduceImage(image, factorX, factorY, region),
    box: [
      (left - x0) / factorX,
      (top - y0) / factorY,
      (right - x0) / factorX,
      (bottom - y0) / factorY,
    ],
  }
}

/** What an array of every supported Node.js can hold. */
const MOST_SAMPLES = 2 ** 31

function checkResize(image: Image, options: ResizeOptions): Required<ResizeDefaults> & ResizeGap {
  checkOptions('resizeImage', options, OPTIONS)
  const { filter = 'bicubic', order = 'classic', reducingGap, isPremultiplied = false } = options
  const box = options.box ?? [0, 0, image.width, image.height]
  const faults: string[] = []
  const { width, height } = options
  if (!isSize(options)) {
    faults.push(
      `width and height must be positive integers, not ${describeValue(width)} × ${describeValue(height)}`,
    )
  } else if (width * height * image.channels > MOST_SAMPLES) {
    faults.push(
      `${width} × ${height} pixels of ${image.channels} channels are more than the ${MOST_SAMPLES} samples that one picture may have`,
    )
  }
  if (!RESAMPLE_FILTERS.includes(filter)) {
    faults.push(
      `filter must be one of ${RESAMPLE_FILTERS.join(', ')}, not ${describeValue(filter)}`,
    )
  }
  if (!RESIZE_ORDERS.includes(order)) {
    faults.push(`order must be one of ${RESIZE_ORDERS.join(', ')}, not ${describeValue(order)}`)
  }
  if (reducingGap !== undefined && !(reducingGap >= 1)) {
    faults.push(`reducingGap must be 1 or more, not ${describeValue(reducingGap)}`)
  }
  if (!isBoxInside(box, image)) {
    faults.push(
      `box must be [left, top, right, bottom] within ${image.width} × ${image.height}, not ${describeValue(box)}`,
    )
  }
  faults.push(...kindFaults(options, { isPremultiplied: FLAG }))
  if (faults.length > 0) {
    throw new InputError('INPUT_RESIZE_OPTION', `resizeImage: ${faults.join('; ')}.`)
  }
  return { filter, box, order, reducingGap, isPremultiplied }
}

type ResizeDefaults = Pick<ResizeOptions, 'filter' | 'box' | 'order' | 'isPremultiplied'>
type ResizeGap = { readonly reducingGap: number | undefined }

function isBoxInside(box: Box, size: ImageSize): boolean {
  if (!Array.isArray(box) || box.length !== 4 || !box.every(Number.isFinite)) return false
  const [left, top, right, bottom] = box
  const isOrdered = 0 <= left && left <= right && 0 <= top && top <= bottom
  return isOrdered && right <= size.width && bottom <= size.height
}
