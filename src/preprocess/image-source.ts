/** The ways in which a picture is handed over, and what they have in common before anything platform-specific. */
import { checkArgument } from '../core/check-argument.ts'
import { decodeBase64 } from '../core/decode-base64.ts'
import { InputError } from '../core/errors.ts'
import {
  checkImage,
  isSize,
  type Channels,
  type Image,
  type ImageSize,
  type RgbImage,
} from './image.ts'

/** A picture's file: its path, a `file:` or `data:` URL, its bytes, or a Blob. */
export type ImageFile = string | URL | Uint8Array | Blob

/** 8-bit samples row by row, channels interleaved; how many channels, 1 to 4, follows from the sizes. */
export type ImagePixels = ImageSize & { readonly data: Uint8Array; readonly channels?: number }

export function isPixels(source: ImageFile | ImagePixels): source is ImagePixels {
  return typeof source === 'object' && source !== null && 'data' in source && 'width' in source
}

/** Greys become RGB and alpha is dropped, as Pillow does. Throws InputError INPUT_IMAGE_SHAPE. */
export function pixelsToRgb(pixels: ImagePixels): RgbImage {
  checkArgument('image: pixels', pixels, 'an object')
  const { data, width, height } = pixels
  const inferred = isSize(pixels) ? data?.length / (width * height) : 0
  const image = { data, width, height, channels: (pixels.channels ?? inferred) as Channels }
  checkImage('image', image)
  const { channels } = image
  return channels === 3
    ? { ...image, channels }
    : { width, height, channels: 3, data: spreadRgb(image) }
}

function spreadRgb({ data, width, height, channels }: Image): Uint8Array {
  const rgb = new Uint8Array(width * height * 3)
  const isGrey = channels < 3
  for (let pixel = 0; pixel < width * height; pixel++) {
    const from = pixel * channels
    for (let c = 0; c < 3; c++) rgb[pixel * 3 + c] = data[isGrey ? from : from + c] as number
  }
  return rgb
}

/** The scheme of a URL; undefined for a path, in which a colon may stand too (`C:\…`, `photo-12:30.jpg`, `file:x.png`). */
export function schemeOf(source: string | URL): string | undefined {
  if (source instanceof URL) return source.protocol.slice(0, -1)
  const found = /^(?:(data):|(file):\/|([a-z][a-z0-9+.-]+):\/\/)/i.exec(source)
  return (found?.[1] ?? found?.[2] ?? found?.[3])?.toLowerCase()
}

/** The work on a picture; who sent twenty files and one that is damaged is told which. */
export async function namingFile<T>(source: unknown, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw withFile(source, error)
  }
}

/** An error of what a file holds, with the file's name; others as they are. */
export function withFile(source: unknown, error: unknown): unknown {
  const isPlace = typeof source === 'string' || source instanceof URL
  const name = isPlace && schemeOf(source) !== 'data' ? String(source) : null
  if (!(error instanceof InputError) || name === null || error.message.includes(name)) return error
  const message = `${error.message.replace(/\.$/, '')}; the file is ${name}.`
  return new InputError(error.code, message, { cause: error })
}

/** The bytes of a base64 `data:` URL. Throws InputError for other URLs and for more than `maxBytes`. */
export function decodeDataUrl(url: string, maxBytes: number): Uint8Array {
  const comma = url.indexOf(',')
  if (comma < 0 || !/;base64$/i.test(url.slice(0, comma))) {
    throw new InputError(
      'INPUT_IMAGE_SOURCE',
      'readImage: expected a data: URL of the form data:image/png;base64,…, this one has other parts.',
    )
  }
  const text = url.slice(comma + 1)
  checkFileSize(Math.floor((text.length * 3) / 4), maxBytes)
  try {
    return decodeBase64(text)
  } catch (error) {
    throw new InputError(
      'INPUT_IMAGE_SOURCE',
      'readImage: expected base64 after the comma of the data: URL, there are other characters.',
      { cause: error },
    )
  }
}

export function checkFileSize(bytes: number, maxBytes: number): void {
  if (bytes <= maxBytes) return
  throw new InputError(
    'INPUT_IMAGE_TOO_LARGE',
    `readImage: expected a file of at most ${maxBytes} bytes, it has ${bytes}; make it smaller or raise maxBytes.`,
  )
}

/** The error of a URL that only a network would answer. */
export function remoteError(scheme: string): InputError {
  return new InputError(
    'INPUT_IMAGE_SOURCE',
    `readImage: expected a path, bytes, a Blob, or a file: or data: URL, came ${scheme}:; download the picture first.`,
  )
}
