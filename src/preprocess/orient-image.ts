/** Turning a picture upright as its metadata say. Source: Exif 2.32, tag 0x0112. */
import type { ImageSize, RgbImage } from './image.ts'
import type { ImageHeader, Orientation } from './probe-image.ts'

/** Where the output's pixels come from: whether rows and columns are swapped, and which run backwards in the source. */
const TURNS: {
  readonly [O in Orientation]: { swap: boolean; flipX: boolean; flipY: boolean }
} = {
  1: { swap: false, flipX: false, flipY: false },
  2: { swap: false, flipX: true, flipY: false },
  3: { swap: false, flipX: true, flipY: true },
  4: { swap: false, flipX: false, flipY: true },
  5: { swap: true, flipX: false, flipY: false },
  6: { swap: true, flipX: false, flipY: true },
  7: { swap: true, flipX: true, flipY: true },
  8: { swap: true, flipX: true, flipY: false },
}

/** Whether a decoded picture is turned: when asked to, and TIFF always, which Pillow turns while it loads. */
export function isTurned({ format }: Pick<ImageHeader, 'format'>, autoOrient: boolean): boolean {
  return autoOrient || format === 'tiff'
}

/** Whether a picture carries an orientation that decoding leaves unapplied: the model sees it lying on its side. */
export function isLeftLying(
  header: Pick<ImageHeader, 'format' | 'orientation'>,
  autoOrient: boolean,
): boolean {
  return header.orientation !== 1 && !isTurned(header, autoOrient)
}

/** The size of the decoded picture. */
export function turnedSize(header: ImageHeader, autoOrient: boolean): ImageSize {
  const { width, height, orientation } = header
  const isSwapped = isTurned(header, autoOrient) && TURNS[orientation].swap
  return isSwapped ? { width: height, height: width } : { width, height }
}

/** What a picture was before it was turned as the orientation says. */
export function turnBack(image: RgbImage, orientation: Orientation): RgbImage {
  const quarters: { readonly [O in Orientation]?: Orientation } = { 6: 8, 8: 6 }
  return orientImage(image, quarters[orientation] ?? orientation)
}

export function orientImage(image: RgbImage, orientation: Orientation): RgbImage {
  if (orientation === 1) return image
  const { swap, flipX, flipY } = TURNS[orientation]
  const { width, height, data } = image
  const [outWidth, outHeight] = swap ? [height, width] : [width, height]
  const output = new Uint8Array(data.length)
  let at = 0
  for (let y = 0; y < outHeight; y++) {
    for (let x = 0; x < outWidth; x++) {
      const column = swap ? y : x
      const row = swap ? x : y
      const from =
        ((flipY ? height - 1 - row : row) * width + (flipX ? width - 1 - column : column)) * 3
      output[at] = data[from] as number
      output[at + 1] = data[from + 1] as number
      output[at + 2] = data[from + 2] as number
      at += 3
    }
  }
  return { data: output, width: outWidth, height: outHeight, channels: 3 }
}
