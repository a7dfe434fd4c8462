/**
 * What a picture is between its file and the tiles of the vision tower.
 *
 * Samples lie row by row, channels interleaved, without padding between rows. Sizes are always named
 * (`{ width, height }`): the original repositories write (width, height), transformers (height, width).
 */
import { checkArgument } from '../core/check-argument.ts'
import { describeValue } from '../core/describe-value.ts'
import { InputError } from '../core/errors.ts'

export type ImageSize = { readonly width: number; readonly height: number }

/** A rectangle of a picture in pixels: columns [left, left + width), rows [top, top + height). */
export type Region = ImageSize & { readonly left: number; readonly top: number }

export type Channels = 1 | 2 | 3 | 4

/** 8-bit samples: 1 channel is grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha. */
export type Image = ImageSize & { readonly data: Uint8Array; readonly channels: Channels }

export type RgbImage = Image & { readonly channels: 3 }

/** Checks that a caller's picture is what its fields say; throws InputError INPUT_IMAGE_SHAPE. */
export function checkImage(where: string, image: Image): void {
  checkArgument(`${where}: image`, image, 'an object')
  const { width, height, channels, data } = image
  if (!isSize(image) || !(channels >= 1 && channels <= 4 && Number.isInteger(channels))) {
    throw new InputError(
      'INPUT_IMAGE_SHAPE',
      `${where}: a picture needs a positive width and height and 1 to 4 channels, ` +
        `this one is ${width} × ${height} with ${channels}.`,
    )
  }
  if (!isBytes(data)) {
    throw new InputError(
      'INPUT_IMAGE_SHAPE',
      `${where}: expected samples of 8 bits in a Uint8Array, ${describeValue(data)} came; scale them to 0…255 first.`,
    )
  }
  if (data.length !== width * height * channels) {
    throw new InputError(
      'INPUT_IMAGE_SHAPE',
      `${where}: ${width} × ${height} pixels of ${channels} channels need ${width * height * channels} samples, ` +
        `data has ${data.length}.`,
    )
  }
}

/** A canvas of a browser gives clamped ones. */
function isBytes(data: unknown): boolean {
  return data instanceof Uint8Array || data instanceof Uint8ClampedArray
}

export function isSize(size: ImageSize): boolean {
  return isPositiveInteger(size.width) && isPositiveInteger(size.height)
}

export function isPositiveInteger(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0
}
