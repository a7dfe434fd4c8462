/**
 * A picture file's bytes → RGB, byte for byte what Pillow's `Image.open(file).convert('RGB')` gives: of a film in a picture's
 * format (GIF, WebP, AVIF) the first frame.
 *
 * JPEG, PNG, WebP, TIFF and AVIF are decoded by sharp (the same libjpeg, libpng, libwebp and libtiff), BMP, PNM and GIF
 * here. What sharp does otherwise is undone: colour profiles, scaled 16-bit greys, its conversion of CMYK, the turns of
 * AVIF, which libheif applies; a broken scan of a JPEG, which it does not see, is refused (check-jpeg-scan.ts). AVIF alone
 * is not equal to the byte: libheif enlarges the colour planes in another way.
 */
import type { Sharp, SharpOptions } from 'sharp'
import { InputError } from '../core/errors.ts'
import { unreadable } from './byte-reader.ts'
import { checkJpegScan } from './check-jpeg-scan.ts'
import { cmykToRgb, clipToRgb } from './convert-samples.ts'
import { checkOptionKinds } from '../core/check-options.ts'
import { FLAG, LIMIT, type EveryOptionKind } from '../core/option-kinds.ts'
import type { RgbImage } from './image.ts'
import { MAX_PIXELS } from './max-pixels.ts'
import { isLeftLying, isTurned, orientImage, turnBack } from './orient-image.ts'
import {
  checkWhole,
  probeImage,
  type ImageFormat,
  type ImageHeader,
  type Orientation,
} from './probe-image.ts'
import { turnInContainer, withStillBrand } from './probe-avif.ts'
import { withKnownOrientation } from './probe-tiff.ts'
import { readBmp } from './read-bmp.ts'
import { readGif } from './read-gif.ts'
import { readPnm } from './read-pnm.ts'

export type DecodeOptions = {
  /** Turn the picture upright as its Exif data or XMP say. The models were trained without; people want it. */
  readonly autoOrient?: boolean
  /** Pictures of more pixels are refused before anything is decoded; default 178 956 970, Pillow's limit. */
  readonly maxPixels?: number
  /** Wider or higher pictures are refused too; default 65 500, what libjpeg can decode. */
  readonly maxSide?: number
}

export const DECODE_KINDS: EveryOptionKind<DecodeOptions> = {
  autoOrient: FLAG,
  maxPixels: LIMIT,
  maxSide: LIMIT,
}

export type DecodedImage = RgbImage & {
  readonly format: ImageFormat
  /** What the metadata of the file say; 1: upright or nothing said. */
  readonly orientation: Orientation
  /** The file asks to be turned and was not: worth telling whoever sent it. */
  readonly isOrientationIgnored: boolean
}

/**
 * Throws InputError INPUT_IMAGE_TOO_LARGE by the header alone, INPUT_IMAGE_UNREADABLE for all that is no whole picture.
 */
export async function decodeImage(
  bytes: Uint8Array,
  options: DecodeOptions = {},
): Promise<DecodedImage> {
  checkOptionKinds('readImage', options, DECODE_KINDS)
  const { autoOrient = false, maxPixels = MAX_PIXELS, maxSide = 65_500 } = options
  const header = probeImage(bytes)
  checkSize(header, maxPixels, maxSide)
  checkWhole(header, bytes.length)
  const { format } = header
  if (format === 'jpeg') checkJpegScan(bytes)
  const upright = { width: header.width, height: header.height, channels: 3 } as const
  const image: RgbImage =
    format === 'bmp' || format === 'pnm' || format === 'gif'
      ? { ...upright, data: OWN_READERS[format](bytes) }
      : await decodeBySharp(bytes, header, maxPixels)
  const { orientation } = header
  return {
    ...(isTurned(header, autoOrient) ? orientImage(image, orientation) : image),
    format,
    orientation,
    isOrientationIgnored: isLeftLying(header, autoOrient),
  }
}

function checkSize({ width, height }: ImageHeader, maxPixels: number, maxSide: number): void {
  if (width * height <= maxPixels && Math.max(width, height) <= maxSide) return
  throw new InputError(
    'INPUT_IMAGE_TOO_LARGE',
    `readImage: expected at most ${maxPixels} pixels and ${maxSide} a side, the picture's header says ` +
      `${width} × ${height}; make it smaller or raise maxPixels.`,
  )
}

const OWN_READERS: { readonly [F in 'bmp' | 'pnm' | 'gif']: (bytes: Uint8Array) => Uint8Array } = {
  bmp: readBmp,
  pnm: readPnm,
  gif: readGif,
}

async function decodeBySharp(
  bytes: Uint8Array,
  header: ImageHeader,
  maxPixels: number,
): Promise<RgbImage> {
  const sharp = await loadSharp()
  const input: SharpOptions = {
    ignoreIcc: true,
    failOn: 'error',
    // The header was compared before; sharp knows no Infinity.
    limitInputPixels: Math.min(maxPixels, Number.MAX_SAFE_INTEGER),
    autoOrient: false,
  }
  try {
    const file = PREPARED[header.format]?.(bytes) ?? bytes
    const open = (): Sharp => sharp(file, input)
    const kind = header.format === 'tiff' ? await tiffSamples(open()) : header.samples
    const decoded = { ...(await DECODERS[kind](open())), channels: 3 } as const
    const image = header.format === 'avif' ? turnBack(decoded, turnInContainer(bytes)) : decoded
    const { width, height } = image
    if (width !== header.width || height !== header.height) {
      throw unreadable(
        `its header says ${header.width} × ${header.height}, its data ${width} × ${height}`,
      )
    }
    return image
  } catch (error) {
    if (error instanceof InputError) throw error
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw unreadable(`its ${header.format} data are damaged (${reason})`, { cause: error })
  }
}

/** Files whose libraries refuse what Pillow reads. */
const PREPARED: { readonly [F in ImageFormat]?: (bytes: Uint8Array) => Uint8Array } = {
  tiff: withKnownOrientation,
  avif: withStillBrand,
}

type Samples = ImageHeader['samples'] | 'wide'
type Decoded = { readonly data: Uint8Array; readonly width: number; readonly height: number }

const DECODERS: { readonly [S in Samples]: (image: Sharp) => Promise<Decoded> } = {
  async other(image) {
    const output = await image
      .toColourspace('srgb')
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true })
    return { ...sizeOf(output.info), data: output.data }
  },
  async cmyk(image) {
    const output = await image
      .pipelineColourspace('cmyk')
      .toColourspace('cmyk')
      .raw()
      .toBuffer({ resolveWithObject: true })
    return { ...sizeOf(output.info), data: cmykToRgb(output.data, output.info.channels) }
  },
  async grey16(image) {
    const output = await image
      .toColourspace('grey16')
      .raw({ depth: 'ushort' })
      .toBuffer({ resolveWithObject: true })
    const { buffer, byteOffset, byteLength } = output.data
    const samples = new Uint16Array(buffer, byteOffset, byteLength / 2)
    return { ...sizeOf(output.info), data: clipToRgb(samples, output.info.channels) }
  },
  async wide(image) {
    const output = await image.raw({ depth: 'float' }).toBuffer({ resolveWithObject: true })
    const { buffer, byteOffset, byteLength } = output.data
    const samples = new Float32Array(buffer, byteOffset, byteLength / 4)
    return { ...sizeOf(output.info), data: clipToRgb(samples, output.info.channels) }
  },
}

function sizeOf({ width, height }: { width: number; height: number }): {
  width: number
  height: number
} {
  return { width, height }
}

/** How the samples of a TIFF are to be read, which its first tags alone do not tell. */
async function tiffSamples(image: Sharp): Promise<Samples> {
  const { space, depth, channels } = await image.metadata()
  if (space === 'cmyk') return 'cmyk'
  const isGrey = channels === 1 || space === 'b-w' || space === 'grey16'
  if (isGrey && depth === 'ushort') return 'grey16'
  if (depth === 'uchar' || (depth === 'ushort' && !isGrey)) return 'other'
  if (isGrey) return 'wide'
  throw unreadable(`its TIFF has ${channels} channels of ${depth}`)
}

/** Reads the library that decodes before the first picture needs it; where it is missing, that picture says so. */
export function warmDecoder(): void {
  loadSharp().catch(() => {})
}

/**
 * libvips keeps the last hundred steps with their pixels, 50 MB of them, for whoever asks for the same step of the same
 * image again. Here every picture is opened anew, so nobody ever does. The cache is the process's; each thread that loads
 * sharp opens it again.
 */
export async function loadSharp() {
  const { default: sharp } = await import('sharp')
  sharp.cache(false)
  return sharp
}
