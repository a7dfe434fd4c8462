/**
 * Pillow's `Image.convert` between the modes in which pictures come: to grey, to RGB, to RGBA and what they pass through.
 *
 * Nothing is colour-managed: CMYK is subtracted, 16-bit and float greys are clipped at 0 and 255, palettes are looked up
 * and their transparency ignored except for RGBA and LA. LAB and conversions to a palette or HSV are not here.
 * Source: python-pillow/Pillow src/libImaging/Convert.c, ConvertYCbCr.c and src/PIL/Image.py (convert) at 4e5f09f.
 */
import { describeValue } from '../core/describe-value.ts'
import { checkFields } from '../core/check-argument.ts'
import { InputError } from '../core/errors.ts'
import { clipToByte, cmykToRgb } from './convert-samples.ts'
import { isSize, type ImageSize } from './image.ts'
import { premultiply, unpremultiply } from './premultiply.ts'

export type ImageMode =
  | '1'
  | 'L'
  | 'LA'
  | 'La'
  | 'P'
  | 'RGB'
  | 'RGBA'
  | 'RGBa'
  | 'CMYK'
  | 'YCbCr'
  | 'HSV'
  | 'I;16'
  | 'I'
  | 'F'

/** A picture in one of Pillow's modes; mode 1 has a whole byte, 0 or 255, for each pixel. */
export type ModeImage = ImageSize & {
  readonly mode: ImageMode
  readonly data: Uint8Array | Uint16Array | Int32Array | Float32Array
  /** Mode P: red, green, blue of up to 256 entries. */
  readonly palette?: Uint8Array
  /** Mode P: alpha of each entry, or the one entry that is transparent. L, RGB: the one colour that is. */
  readonly transparency?: Uint8Array | number | readonly [number, number, number]
}

/** Throws InputError INPUT_IMAGE_MODE for a pair of modes that is not converted. */
export function convertImage(image: ModeImage, to: ImageMode): ModeImage {
  checkFields('convertImage: image', image, ['width', 'height', 'mode', 'data'])
  checkSamples(image)
  const { width, height } = image
  if (image.mode === to) return { ...image, data: copy(image) }
  const convert = findConversion(image, to)
  return { width, height, mode: to, data: convert(image) }
}

/** Samples of a pixel, and the arrays that hold them. */
const BANDS: { readonly [M in ImageMode]: number } = {
  '1': 1,
  L: 1,
  LA: 2,
  La: 2,
  P: 1,
  RGB: 3,
  RGBA: 4,
  RGBa: 4,
  CMYK: 4,
  YCbCr: 3,
  HSV: 3,
  'I;16': 1,
  I: 1,
  F: 1,
}

const WIDE: { readonly [M in ImageMode]?: SampleArray } = {
  'I;16': Uint16Array,
  I: Int32Array,
  F: Float32Array,
}

type SampleArray = typeof Uint8Array | typeof Uint16Array | typeof Int32Array | typeof Float32Array

function checkSamples({ mode, width, height, data }: ModeImage): void {
  if (!Object.hasOwn(BANDS, mode)) {
    throw new InputError(
      'INPUT_IMAGE_MODE',
      `convertImage: expected a mode of ${Object.keys(BANDS).join(', ')}, ${describeValue(mode)} came; name one of them.`,
    )
  }
  const Samples: SampleArray = WIDE[mode] ?? Uint8Array
  const count = width * height * BANDS[mode]
  if (isSize({ width, height }) && data instanceof Samples && data.length === count) return
  const came = ArrayBuffer.isView(data)
    ? `a ${data.constructor.name} of ${data.length}`
    : 'no array'
  throw new InputError(
    'INPUT_IMAGE_SHAPE',
    `convertImage: ${width} × ${height} pixels of mode ${mode} are ${count} samples in a ${Samples.name}, ${came} came; give all of them.`,
  )
}

type Conversion = (image: ModeImage) => ModeImage['data']

function findConversion({ mode: from, transparency }: ModeImage, to: ImageMode): Conversion {
  const key = `${from}>${to}`
  const isKeyed = transparency !== undefined && (key === 'L>RGBA' || key === 'RGB>RGBA')
  const direct = isKeyed ? addKeyedAlpha : Object.hasOwn(DIRECT, key) ? DIRECT[key] : undefined
  if (direct) return direct
  const between = BASE[from]
  const first = Object.hasOwn(DIRECT, `${from}>${between}`)
    ? DIRECT[`${from}>${between}`]
    : undefined
  const second = Object.hasOwn(DIRECT, `${between}>${to}`) ? DIRECT[`${between}>${to}`] : undefined
  if (between !== undefined && first && second) {
    return ({ width, height, ...image }) =>
      second({ width, height, mode: between, data: first({ width, height, ...image }) })
  }
  throw new InputError(
    'INPUT_IMAGE_MODE',
    `convertImage: a picture of mode ${from} is not converted to ${to}; convert it to RGB, L or RGBA.`,
  )
}

/** The mode through which Pillow goes where it has no direct way. */
const BASE: { readonly [M in ImageMode]?: ImageMode } = {
  F: 'L',
  I: 'L',
  'I;16': 'L',
  P: 'RGB',
  CMYK: 'RGB',
  HSV: 'RGB',
  YCbCr: 'RGB',
  LA: 'L',
  RGBA: 'RGB',
  '1': 'L',
}

const DIRECT: { readonly [pair: string]: Conversion } = {
  '1>L': copy,
  '1>RGB': spread(1, 3, (v, out) => out.fill(v[0] as number)),
  'L>RGB': spread(1, 3, (v, out) => out.fill(v[0] as number)),
  'L>LA': spread(1, 2, (v, out) => out.set([v[0] as number, 255])),
  'L>RGBA': spread(1, 4, (v, out) => out.set([v[0], v[0], v[0], 255] as number[])),
  'L>1': (image) => dither(image, (data, i) => data[i] as number),
  'L>I': ({ data }) => Int32Array.from(data),
  'L>F': ({ data }) => Float32Array.from(data),
  'LA>L': spread(2, 1, (v, out) => out.set([v[0] as number])),
  'LA>RGB': spread(2, 3, (v, out) => out.fill(v[0] as number)),
  'LA>RGBA': spread(2, 4, (v, out) => out.set([v[0], v[0], v[0], v[1]] as number[])),
  'LA>La': (image) => premultiply(asImage(image, 2)).data,
  'La>LA': (image) => unpremultiply(asImage(image, 2)).data,
  'P>RGB': (image) => lookUp(image, 3, (entry, _, out) => out.set(entry)),
  'P>L': (image) => lookUp(image, 1, (entry, _, out) => out.set([luma(entry)])),
  'P>LA': (image) => lookUp(image, 2, (entry, alpha, out) => out.set([luma(entry), alpha])),
  'P>RGBA': (image) => lookUp(image, 4, (entry, alpha, out) => out.set([...entry, alpha])),
  'RGB>L': spread(3, 1, (v, out) => out.set([luma(v)])),
  'RGB>LA': spread(3, 2, (v, out) => out.set([luma(v), 255])),
  'RGB>RGBA': spread(3, 4, (v, out) => out.set([...v, 255])),
  'RGB>CMYK': spread(3, 4, (v, out) => out.set([...v.map((ink) => 255 - ink), 0])),
  'RGB>YCbCr': spread(3, 3, rgbToYcc),
  'RGB>1': (image) => dither(image, (data, i) => Math.trunc(weighted(data, i * 3) / 1000)),
  'RGBA>RGB': spread(4, 3, (v, out) => out.set(v.subarray(0, 3))),
  'RGBA>L': spread(4, 1, (v, out) => out.set([luma(v)])),
  'RGBA>LA': spread(4, 2, (v, out) => out.set([luma(v), v[3] as number])),
  'RGBA>RGBa': (image) => premultiply(asImage(image, 4)).data,
  'RGBa>RGBA': (image) => unpremultiply(asImage(image, 4)).data,
  'CMYK>RGB': ({ data }) => cmykToRgb(data as Uint8Array, 4),
  'YCbCr>RGB': spread(3, 3, yccToRgb),
  'YCbCr>L': spread(3, 1, (v, out) => out.set([v[0] as number])),
  'HSV>RGB': spread(3, 3, hsvToRgb),
  'I;16>L': clip,
  'I;16>I': ({ data }) => Int32Array.from(data),
  'I>L': clip,
  'I>F': ({ data }) => Float32Array.from(data),
  'F>L': clip,
  'F>I': ({ data }) => Int32Array.from(data, Math.trunc),
}

function copy({ data }: ModeImage): ModeImage['data'] {
  // What `slice` of a Buffer gives is the same memory.
  return data instanceof Uint8Array ? new Uint8Array(data) : data.slice()
}

function clip({ data }: ModeImage): Uint8Array {
  return Uint8Array.from(data, clipToByte)
}

function asImage(
  { width, height, data }: ModeImage,
  channels: 2 | 4,
): ImageSize & { readonly data: Uint8Array; readonly channels: 2 | 4 } {
  return { width, height, channels, data: data as Uint8Array }
}

/** A conversion that looks at one pixel at a time. */
function spread(
  from: number,
  to: number,
  convert: (pixel: Uint8Array, out: Uint8Array) => void,
): Conversion {
  return ({ data }) => {
    const source = data as Uint8Array
    const pixels = source.length / from
    const output = new Uint8Array(pixels * to)
    for (let i = 0; i < pixels; i++) {
      convert(source.subarray(i * from, (i + 1) * from), output.subarray(i * to, (i + 1) * to))
    }
    return output
  }
}

function lookUp(
  { data, palette = new Uint8Array(), transparency }: ModeImage,
  channels: number,
  write: (entry: Uint8Array, alpha: number, out: Uint8Array) => void,
): Uint8Array {
  const entries = new Uint8Array(768)
  entries.set(palette.subarray(0, 768))
  const output = new Uint8Array(data.length * channels)
  for (let i = 0; i < data.length; i++) {
    const index = data[i] as number
    const alpha =
      transparency instanceof Uint8Array
        ? (transparency[index] ?? 255)
        : transparency === index
          ? 0
          : 255
    const entry = entries.subarray(index * 3, index * 3 + 3)
    write(entry, alpha, output.subarray(i * channels, (i + 1) * channels))
  }
  return output
}

/** L or RGB with one transparent colour → RGBA. */
function addKeyedAlpha({ mode, data, transparency }: ModeImage): Uint8Array {
  const channels = mode === 'L' ? 1 : 3
  const key = typeof transparency === 'number' ? [transparency] : Array.from(transparency ?? [])
  return spread(channels, 4, (v, out) => {
    const isKey = v.every((value, i) => value === key[i])
    for (let c = 0; c < 3; c++) out[c] = v[channels === 1 ? 0 : c] as number
    out[3] = isKey ? 0 : 255
  })({ mode, data, width: 0, height: 0 }) as Uint8Array
}

/** ITU-R 601: (0.299, 0.587, 0.114) in 16 fractional bits, rounded. */
function luma(rgb: Uint8Array): number {
  const [red, green, blue] = rgb as unknown as [number, number, number]
  return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
}

function weighted(data: ModeImage['data'], at: number): number {
  return (
    (data[at] as number) * 299 + (data[at + 1] as number) * 587 + (data[at + 2] as number) * 114
  )
}

/** A table entry of ConvertYCbCr.c: six fractional bits, rounded as a C cast rounds. */
function scaled(factor: number, value: number): number {
  return Math.trunc(factor * value * 64 + 0.5)
}

function rgbToYcc(rgb: Uint8Array, out: Uint8Array): void {
  const [r, g, b] = rgb as unknown as [number, number, number]
  out[0] = (scaled(0.299, r) + scaled(0.587, g) + scaled(0.114, b)) >> 6
  out[1] = ((scaled(-0.16874, r) + scaled(-0.33126, g) + scaled(0.5, b)) >> 6) + 128
  out[2] = ((scaled(0.5, r) + scaled(-0.41869, g) + scaled(-0.08131, b)) >> 6) + 128
}

function yccToRgb(ycc: Uint8Array, out: Uint8Array): void {
  const [y, cb, cr] = ycc as unknown as [number, number, number]
  out[0] = clipToByte(y + (scaled(1.402, cr - 128) >> 6))
  out[1] = clipToByte(y + ((scaled(-0.34414, cb - 128) + scaled(-0.71414, cr - 128)) >> 6))
  out[2] = clipToByte(y + (scaled(1.772, cb - 128) >> 6))
}

/** Python's colorsys on bytes; the intermediate values are float32 in the C source. */
function hsvToRgb(hsv: Uint8Array, out: Uint8Array): void {
  const [h, s, v] = hsv as unknown as [number, number, number]
  const sector = Math.floor((h * 6) / 255)
  const rest = Math.fround((h * 6) / 255 - sector)
  const saturation = Math.fround(s / 255)
  const p = Math.round(v * (1 - saturation))
  const q = Math.round(v * (1 - saturation * rest))
  const t = Math.round(v * (1 - saturation * (1 - rest)))
  const sectors: readonly (readonly number[])[] = [
    [v, t, p],
    [q, v, p],
    [p, v, t],
    [p, q, v],
    [t, p, v],
    [v, p, q],
  ]
  out.set(s === 0 ? [v, v, v] : (sectors[sector % 6] as readonly number[]))
}

/** Floyd and Steinberg's error diffusion in Pillow's integer form. */
function dither(
  { width, height, data }: ModeImage,
  grey: (data: ModeImage['data'], pixel: number) => number,
): Uint8Array {
  const output = new Uint8Array(width * height)
  const errors = new Int32Array(width + 1)
  for (let y = 0; y < height; y++) {
    let carried = 0
    let below = 0
    let belowNext = 0
    for (let x = 0; x < width; x++) {
      const owed = Math.trunc((carried + (errors[x + 1] as number)) / 16)
      const wanted = Math.max(0, Math.min(255, grey(data, y * width + x) + owed))
      const chosen = wanted > 128 ? 255 : 0
      output[y * width + x] = chosen
      const error = wanted - chosen
      // Seven sixteenths go right; three, five and one go below.
      errors[x] = 3 * error + below
      below = 5 * error + belowNext
      belowNext = error
      carried = 7 * error
    }
    errors[width] = below
  }
  return output
}
