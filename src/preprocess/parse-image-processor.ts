/**
 * `ImageProcessor` from a checkpoint's files: `preprocessor_config.json`, or transformers 5's `processor_config.json` with
 * an `image_processor` inside.
 *
 * The keys decide, the class only fills in what a file leaves out: ViTImageProcessor with `do_center_crop` works as
 * CLIPImageProcessor does. Only `do_pad` is nothing to classes that do not know it. Source: huggingface/transformers 5.23,
 * image_processing_pil_*.py of clip, siglip, vit, llava, llava_next, llava_onevision.
 */
import { describeValue } from '../core/describe-value.ts'
import { checkOptionKinds } from '../core/check-options.ts'
import { ConfigError } from '../core/errors.ts'
import { choiceOf, LAYOUT, TEXT, type EveryOptionKind } from '../core/option-kinds.ts'
import { freezeDeep } from './freeze.ts'
import { isPositiveInteger, type ImageSize } from './image.ts'
import {
  IMAGE_FITS,
  padColour,
  withFit,
  type ImageFit,
  type ImageProcessor,
  type Resize,
  type Rgb,
} from './image-processor.ts'
import { parsePinpoints } from './pinpoints.ts'
import type { ResampleFilter } from './resample-kernel.ts'
import { RESIZE_ORDERS, type ResizeOrder } from './resize.ts'
import { SEVERAL_PICTURES, type SeveralPictures, type Tiling } from './tiling.ts'

export type ProcessorOptions = {
  /** How pairs of `image_grid_pinpoints` are written. Default 'hf'. */
  readonly layout?: 'original' | 'hf' | undefined
  readonly fit?: ImageFit | undefined
  readonly order?: ResizeOrder | undefined
  /** `vision_aspect_ratio` of the model's config where the processor's files do not have it. */
  readonly aspectRatio?: string | undefined
  readonly severalPictures?: SeveralPictures | undefined
}

export const PROCESSOR_KINDS: EveryOptionKind<ProcessorOptions> = {
  layout: LAYOUT,
  fit: choiceOf(IMAGE_FITS),
  order: choiceOf(RESIZE_ORDERS),
  aspectRatio: TEXT,
  severalPictures: choiceOf(SEVERAL_PICTURES),
}

/**
 * Throws ConfigError CONFIG_IMAGE_PROCESSOR that lists everything the file has wrong, InputError for options that cannot be.
 */
export function parseImageProcessor(json: unknown, options: ProcessorOptions = {}): ImageProcessor {
  checkOptionKinds('parseImageProcessor', options, PROCESSOR_KINDS)
  const outer = isRecord(json) ? json : {}
  const keys = isRecord(outer['image_processor']) ? outer['image_processor'] : outer
  const reader = new Reader({ ...classDefaults(keys), ...withoutNulls(keys) })
  const resize = readResize(reader)
  const crop = reader.flag('do_center_crop') ? reader.size('crop_size', true) : null
  const tile = crop ?? (resize.kind === 'exact' ? resize.size : null)
  if (tile === null) {
    reader.fault('neither crop_size nor size { height, width }: tiles would differ in size')
  }
  const normalise = reader.flag('do_normalize')
    ? { mean: reader.triple('image_mean'), std: reader.deviations('image_std') }
    : null
  const filter = FILTER_NUMBERS[reader.number('resample')]
  if (filter === undefined)
    reader.fault(`resample ${describeValue(reader.keys['resample'])} is no filter`)
  const rescale = reader.flag('do_rescale') ? reader.number('rescale_factor') : null
  reader.finish()
  const side = (tile as ImageSize).width
  const tiling = readTiling(reader.keys, side, { ...outer, ...keys }, options)
  const processor: ImageProcessor = {
    tile: tile as ImageSize,
    pad: isPadded(reader, tiling) ? padColour({ normalise }) : null,
    resize,
    crop,
    filter: filter as ResampleFilter,
    order: options.order ?? 'pillow12',
    rescale,
    normalise,
    tiling,
    severalPictures: options.severalPictures ?? severalPictures(keys),
  }
  return freezeDeep(options.fit === undefined ? processor : withFit(processor, options.fit))
}

/** `anyres_max_9` → 9; null for plain `anyres`; undefined for anything else. */
export function parseMaxTiles(aspectRatio: string): number | null | undefined {
  if (aspectRatio === 'anyres') return null
  const found = /^anyres_max_(\d+)$/.exec(aspectRatio)
  return found && Number(found[1]) > 0 ? Number(found[1]) : undefined
}

/**
 * How AnyRes makes its base tile: `anyres_base`, a key of ours in either layout. Without it the tile is squashed, as by the
 * released code and transformers; the paper of LLaVA-1.5-HD pads it.
 */
export function parseBaseTile(keys: Readonly<Record<string, unknown>>): 'squash' | 'pad' {
  const base = keys['anyres_base'] ?? 'squash'
  if (base === 'squash' || base === 'pad') return base
  throw new ConfigError(
    'CONFIG_IMAGE_PROCESSOR',
    `anyres_base: expected squash or pad, came ${describeValue(base)}; correct it, or leave it out for squash.`,
  )
}

/** What becomes of several pictures in one prompt: `several_pictures`, a key of ours in either layout's config.json. */
export function parseSeveralPictures(
  keys: Readonly<Record<string, unknown>>,
): SeveralPictures | undefined {
  const several = keys['several_pictures'] ?? undefined
  if (several === undefined || several === 'each' || several === 'single') return several
  throw new ConfigError(
    'CONFIG_IMAGE_PROCESSOR',
    `several_pictures: expected each or single, came ${describeValue(several)}; correct it, or leave it out.`,
  )
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function readResize(reader: Reader): Resize {
  if (!reader.flag('do_resize')) return { kind: 'none' }
  const size = reader.keys['size']
  const isOneEdge = isRecord(size) ? size['shortest_edge'] !== undefined : !reader.isSquareByDefault
  if (!isOneEdge) return { kind: 'exact', size: reader.size('size', true) }
  if (isRecord(size) && size['longest_edge'] !== undefined) {
    reader.fault('size has a longest_edge, which no LLaVA processor uses')
  }
  const edge = isRecord(size) ? size['shortest_edge'] : size
  if (!isPositiveInteger(edge)) reader.fault('size.shortest_edge is not a positive integer')
  return { kind: 'shortestEdge', edge: edge as number }
}

/** With grids, do_pad speaks of filling up a batch with empty tiles. */
function isPadded(reader: Reader, tiling: Tiling): boolean {
  return tiling.kind === 'none' && reader.flag('do_pad') && !WITHOUT_PAD.has(className(reader.keys))
}

function readTiling(
  keys: Readonly<Record<string, unknown>>,
  tileSize: number,
  all: Readonly<Record<string, unknown>>,
  options: ProcessorOptions,
): Tiling {
  if (keys['image_grid_pinpoints'] === undefined) return { kind: 'none' }
  const pinpoints = parsePinpoints(keys['image_grid_pinpoints'], tileSize, options.layout ?? 'hf')
  const aspectRatio = options.aspectRatio ?? all['vision_aspect_ratio'] ?? 'anyres'
  const maxTiles = parseMaxTiles(String(aspectRatio))
  if (maxTiles === undefined) {
    throw new ConfigError(
      'CONFIG_IMAGE_PROCESSOR',
      `vision_aspect_ratio: expected anyres or anyres_max_N, came ${describeValue(aspectRatio)}; correct the checkpoint's config.`,
    )
  }
  return { kind: 'anyres', pinpoints, maxTiles, base: parseBaseTile(keys) }
}

function severalPictures(keys: Readonly<Record<string, unknown>>): SeveralPictures {
  return className(keys) === 'LlavaOnevision' ? 'single' : 'each'
}

/** Pillow's numbers of filters. */
const FILTER_NUMBERS: { readonly [number: number]: ResampleFilter } = {
  0: 'nearest',
  1: 'lanczos',
  2: 'bilinear',
  3: 'bicubic',
  4: 'box',
  5: 'hamming',
}

export const CLIP_MEAN: Rgb = [0.48145466, 0.4578275, 0.40821073]
export const CLIP_STD: Rgb = [0.26862954, 0.26130258, 0.27577711]
export const HALF: Rgb = [0.5, 0.5, 0.5]

const EVERY = {
  do_resize: true,
  do_rescale: true,
  do_normalize: true,
  do_center_crop: false,
  do_pad: false,
  rescale_factor: 1 / 255,
}
const CLIP = {
  ...EVERY,
  do_center_crop: true,
  size: { shortest_edge: 224 },
  crop_size: { height: 224, width: 224 },
  resample: 3,
  image_mean: CLIP_MEAN,
  image_std: CLIP_STD,
}
const SQUARE = { ...EVERY, size: { height: 224, width: 224 }, image_mean: HALF, image_std: HALF }

/** What a class does where its file says nothing; a file of a class that is not here must say everything. */
const CLASSES: { readonly [name: string]: Readonly<Record<string, unknown>> } = {
  CLIP,
  Llava: CLIP,
  LlavaNext: {
    ...CLIP,
    image_grid_pinpoints: [
      [336, 672],
      [672, 336],
      [672, 672],
      [1008, 336],
      [336, 1008],
    ],
  },
  LlavaOnevision: {
    ...EVERY,
    size: { height: 384, width: 384 },
    resample: 3,
    image_mean: CLIP_MEAN,
    image_std: CLIP_STD,
    image_grid_pinpoints: '(1x1),...,(6x6)',
  },
  Siglip: { ...SQUARE, resample: 3 },
  ViT: { ...SQUARE, resample: 2 },
}

/** Classes that pad nothing to a square: their do_pad fills a batch up to its largest tile, and all are of one size. */
const WITHOUT_PAD: ReadonlySet<string> = new Set(['CLIP', 'Siglip', 'ViT'])

function classDefaults(keys: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const name = className(keys)
  return (Object.hasOwn(CLASSES, name) ? CLASSES[name] : undefined) ?? EVERY
}

function className(keys: Readonly<Record<string, unknown>>): string {
  const name = keys['image_processor_type'] ?? keys['feature_extractor_type'] ?? ''
  return String(name).replace(/(ImageProcessor|FeatureExtractor)(Fast|Pil)?$/, '')
}

function withoutNulls(keys: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(keys).filter(([, value]) => value !== null))
}

/** Reads keys and remembers what is wrong with them, to say all of it at once. */
class Reader {
  readonly keys: Readonly<Record<string, unknown>>
  readonly #faults: string[] = []

  constructor(keys: Readonly<Record<string, unknown>>) {
    this.keys = keys
  }

  /** Old files give one number as size: a square for classes that squash, the shorter edge for those that crop. */
  get isSquareByDefault(): boolean {
    return this.keys['do_center_crop'] !== true
  }

  fault(text: string): void {
    this.#faults.push(text)
  }

  flag(key: string): boolean {
    const value = this.keys[key] ?? false
    if (typeof value !== 'boolean') this.fault(`${key} is not true or false`)
    return value === true
  }

  number(key: string): number {
    const value = this.keys[key]
    if (typeof value !== 'number' || !Number.isFinite(value)) this.fault(`${key} is not a number`)
    return value as number
  }

  /** For each channel; one number is for all three. */
  triple(key: string): Rgb {
    const given = this.keys[key]
    const value = Number.isFinite(given) ? [given, given, given] : given
    const isTriple = Array.isArray(value) && value.length === 3 && value.every(Number.isFinite)
    if (!isTriple) this.fault(`${key} is not a number or a list of three`)
    return value as unknown as Rgb
  }

  /** Pixels are divided by them. */
  deviations(key: string): Rgb {
    const value = this.triple(key)
    if (Array.isArray(value) && value.includes(0)) this.fault(`${key} has a zero`)
    return value
  }

  size(key: string, isSquare: boolean): ImageSize {
    const value = this.keys[key]
    const size = isRecord(value) ? value : isSquare ? { height: value, width: value } : {}
    const { width, height } = size
    if (!isPositiveInteger(width) || !isPositiveInteger(height)) {
      this.fault(`${key} has no positive height and width`)
    }
    return { width: width as number, height: height as number }
  }

  finish(): void {
    if (this.#faults.length === 0) return
    throw new ConfigError(
      'CONFIG_IMAGE_PROCESSOR',
      `image processor: ${this.#faults.join('; ')}; is this a preprocessor_config.json of a LLaVA checkpoint?`,
    )
  }
}
