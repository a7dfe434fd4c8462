/**
 * `ImageProcessor` of the original layout: the tower's own processor and `image_aspect_ratio` of the model's config.
 *
 * Source: LLaVA-VL/LLaVA-NeXT llava/mm_utils.py (process_images), llava/model/multimodal_encoder at df17966.
 */
import { describeValue } from '../core/describe-value.ts'
import { checkArgument, checkFields } from '../core/check-argument.ts'
import { checkOptionKinds } from '../core/check-options.ts'
import { ConfigError } from '../core/errors.ts'
import type { EveryOptionKind } from '../core/option-kinds.ts'
import { freezeDeep } from './freeze.ts'
import { isPositiveInteger } from './image.ts'
import { withFit, type ImageProcessor } from './image-processor.ts'
import {
  isRecord,
  parseBaseTile,
  parseImageProcessor,
  parseMaxTiles,
  PROCESSOR_KINDS,
  type ProcessorOptions,
} from './parse-image-processor.ts'
import { parsePinpoints } from './pinpoints.ts'
import type { Tiling } from './tiling.ts'

export type OriginalProcessorInput = {
  /** The model's config.json: `image_aspect_ratio`, `image_grid_pinpoints`, `image_crop_resolution`, … */
  readonly config: unknown
  readonly tower: {
    /** `mm_vision_tower`, which tells the usual towers apart. */
    readonly name?: string | undefined
    /** The tower's preprocessor_config.json and config.json, where there are such. */
    readonly processor?: unknown
    readonly config?: unknown
  }
}

type OriginalProcessorOptions = Pick<ProcessorOptions, 'fit' | 'order' | 'severalPictures'>

const { fit, order, severalPictures } = PROCESSOR_KINDS
const OPTION_KINDS: EveryOptionKind<OriginalProcessorOptions> = { fit, order, severalPictures }

/**
 * Throws ConfigError CONFIG_IMAGE_PROCESSOR for an unknown tower, CONFIG_ASPECT_RATIO for an unknown way to cut pictures.
 *
 * Without `image_aspect_ratio` the picture is cropped (CLIP) or squashed (SigLIP), as LLaVA does; LLaVA-NeXT stops there.
 */
export function originalImageProcessor(
  input: OriginalProcessorInput,
  options: OriginalProcessorOptions = {},
): ImageProcessor {
  checkFields('originalImageProcessor: input', input, ['config', 'tower'])
  const { config, tower } = input
  checkArgument('originalImageProcessor: tower', tower, 'an object')
  checkOptionKinds('originalImageProcessor', options, OPTION_KINDS)
  const json = tower.processor ?? knownProcessor(tower)
  const { order, severalPictures } = options
  const base = parseImageProcessor(json, { order, severalPictures })
  const keys = isRecord(config) ? config : {}
  const aspectRatio = keys['image_aspect_ratio'] ?? 'square'
  if (aspectRatio === 'square') return applyFit(base, options.fit)
  if (aspectRatio === 'pad') return applyFit(base, options.fit ?? 'pad')
  const tiling = readTiling(String(aspectRatio), keys, base)
  return applyFit({ ...base, tiling }, options.fit)
}

function applyFit(processor: ImageProcessor, fit: ProcessorOptions['fit']): ImageProcessor {
  return freezeDeep(fit === undefined ? processor : withFit(processor, fit))
}

function readTiling(
  aspectRatio: string,
  keys: Readonly<Record<string, unknown>>,
  { tile }: ImageProcessor,
): Tiling {
  const maxTiles = parseMaxTiles(aspectRatio)
  const grids = keys['image_grid_pinpoints']
  if (maxTiles !== undefined) {
    const pinpoints = parsePinpoints(grids, tile.width, 'original')
    return { kind: 'anyres', pinpoints, maxTiles, base: parseBaseTile(keys) }
  }
  if (aspectRatio === 'highres') {
    // Here the key is a list of sides, of which the largest is always taken.
    const side = Math.max(...String(grids).split(',').map(Number))
    return { kind: 'highres', side: checkSide('image_grid_pinpoints', side, grids, tile.width) }
  }
  if (aspectRatio === 'crop_split') {
    const split = keys['image_split_resolution']
    if (split !== tile.width) {
      throw new ConfigError(
        'CONFIG_ASPECT_RATIO',
        `image_split_resolution: expected the tower's side ${tile.width}, came ${describeValue(split)}; ${CORRECT}.`,
      )
    }
    const crop = keys['image_crop_resolution']
    return {
      kind: 'cropSplit',
      side: checkSide('image_crop_resolution', crop, crop, tile.width),
    }
  }
  throw new ConfigError(
    'CONFIG_ASPECT_RATIO',
    `image_aspect_ratio: expected square, pad, anyres, anyres_max_N, highres or crop_split, came ${aspectRatio}; ${CORRECT}.`,
  )
}

const CORRECT = "correct the checkpoint's config"

function checkSide(key: string, side: unknown, came: unknown, tileSize: number): number {
  if (isPositiveInteger(side) && side >= tileSize) return side
  throw new ConfigError(
    'CONFIG_ASPECT_RATIO',
    `${key}: expected a side of at least one tile (${tileSize} pixels), came ${describeValue(came)}; ${CORRECT}.`,
  )
}

/** The processor of a tower that comes without a file for it, by its config or name. */
function knownProcessor({ name = '', config }: OriginalProcessorInput['tower']): unknown {
  const keys = isRecord(config)
    ? isRecord(config['vision_config'])
      ? config['vision_config']
      : config
    : {}
  const kind = `${String(keys['model_type'] ?? '')} ${name}`.toLowerCase()
  const side = keys['image_size']
  if (kind.includes('siglip')) {
    const size = isPositiveInteger(side) ? side : Number(/-(\d{3})$/.exec(name)?.[1] ?? 384)
    return { image_processor_type: 'SiglipImageProcessor', size: { height: size, width: size } }
  }
  if (kind.includes('clip')) {
    const size = isPositiveInteger(side) ? side : name.includes('336') ? 336 : 224
    const crop = { height: size, width: size }
    return {
      image_processor_type: 'CLIPImageProcessor',
      size: { shortest_edge: size },
      crop_size: crop,
    }
  }
  throw new ConfigError(
    'CONFIG_IMAGE_PROCESSOR',
    `image processor: nothing is known about the tower ${JSON.stringify(name)}; ` +
      `put its preprocessor_config.json beside it.`,
  )
}
