/**
 * How many image tokens a picture becomes, and which: the one token accounting of the project.
 *
 * Processor, trainer, server, page and evaluation all ask here, before any graph runs; `sequence` turns the answer
 * into an index map over the rows [I·P] that the projector gives for the tiles.
 * Source: LLaVA-VL/LLaVA-NeXT llava/model/llava_arch.py (prepare_inputs_labels_for_multimodal) at df17966;
 * huggingface/transformers 5.23 models/llava_next and llava_onevision (pack_image_features).
 */
import { describeValue } from '../core/describe-value.ts'
import { checkArgument, checkFields } from '../core/check-argument.ts'
import { checkOptionKinds } from '../core/check-options.ts'
import { ConfigError, InputError } from '../core/errors.ts'
import { choiceOf, COUNT, OBJECT, taggedBy, type EveryOptionKind } from '../core/option-kinds.ts'
import { ANYRES_ROUNDINGS, keptRegion, shrinkToBudget, type AnyresRounding } from './anyres.ts'
import { isPositiveInteger, isSize, type ImageSize, type Region } from './image.ts'
import { freezeDeep } from './freeze.ts'
import {
  planTiles,
  SEVERAL_PICTURES,
  tileCount,
  TILING,
  type SeveralPictures,
  type TilePlan,
  type Tiling,
} from './tiling.ts'

/** How the rows of a picture's tiles are put in order (`mm_patch_merge_type`). */
export type PatchMerge =
  /** Tile after tile, as the projector gives them. */
  | { readonly layout: 'flat' }
  | {
      /** All tiles of the grid become one map, read row by row. */
      readonly layout: 'spatial'
      /** Rows and columns of padding are left out. */
      readonly unpad: boolean
      /** The map is halved by 2 × 2 maxima; padding stays then. */
      readonly maxPool: boolean
      /** The rows of the base tile come first. */
      readonly base: boolean
      /** One more row ends each row of the map, or the whole of a picture of one tile. */
      readonly newline: boolean
    }

export type ImageTokenConfig = {
  readonly tiling: Tiling
  readonly tile: ImageSize
  /** Patches of a tile beside one another; P is its square. */
  readonly patchesPerSide: number
  readonly merge: PatchMerge
  readonly rounding: AnyresRounding
  readonly severalPictures: SeveralPictures
}

/** The tiles' patches as one map, and what becomes of it. */
export type TokenMap = {
  /** First tile of the grid among the picture's tiles. */
  readonly firstTile: number
  /** All patches of the grid: map cell (x, y) is patch (x mod g, y mod g) of tile (⌊x/g⌋, ⌊y/g⌋). */
  readonly full: ImageSize
  /** Cells that are used. */
  readonly kept: Region
  /** `max`: 2 × 2 maxima, an odd rest is dropped · `bilinear`: to `size`, no antialias, corners not aligned. */
  readonly pooling: 'none' | 'max' | 'bilinear'
  /** Size after pooling; may have no row or no column. */
  readonly size: ImageSize
}

export type ImageTokens = {
  /** R: rows of this picture in the prompt. */
  readonly tokens: number
  /** I: tiles that go through the tower, the base tile included. */
  readonly tiles: number
  /** Tiles beside and above one another, the base tile not counted. */
  readonly grid: ImageSize
  /** Rows taken first and in order from the start of [I·P]: the base tile, or everything. */
  readonly leading: number
  /** What follows them; null: nothing does. */
  readonly map: TokenMap | null
  /** Where the newline row goes: after each row of the map, once at the end, or nowhere. */
  readonly newline: 'rows' | 'end' | 'none'
  /** Where the picture lies on its tiles, in pixels. */
  readonly plan: TilePlan
}

/**
 * Rows of one picture, of `pictures` in the prompt.
 *
 *   R = leading + h·(w + 1 if newline per row) + (1 if newline at the end)
 *
 * Throws InputError INPUT_IMAGE_SIZE unless width and height are positive integers.
 */
export function countImageTokens(
  size: ImageSize,
  config: ImageTokenConfig,
  options: { readonly pictures?: number } = {},
): ImageTokens {
  checkFields('countImageTokens: config', config, CONFIG_FIELDS, 'imageTokenConfig makes one')
  checkArgument('countImageTokens: size', size, 'an object')
  if (!isSize(size)) {
    throw new InputError(
      'INPUT_IMAGE_SIZE',
      `countImageTokens: width and height must be positive integers, came ${describeValue(size.width)} × ${describeValue(size.height)}.`,
    )
  }
  checkOptionKinds('countImageTokens', options, COUNT_KINDS)
  const { pictures = 1 } = options
  const isSingle = pictures > 1 && config.severalPictures === 'single'
  const tiling: Tiling = isSingle ? { kind: 'none' } : config.tiling
  const plan = planTiles(size, tiling, config.tile)
  const tiles = tileCount(plan)
  const patches = config.patchesPerSide ** 2
  const { merge } = config
  // Called for millions of sizes at a time: whole literals, since spreading one into another takes longer than the rest.
  const { grid } = plan
  if (merge.layout === 'flat') {
    const tokens = tiles * patches
    return { tiles, grid, plan, tokens, leading: tokens, map: null, newline: 'none' }
  }
  if (tiles === 1) {
    const newline = merge.newline ? 'end' : 'none'
    const tokens = patches + (merge.newline ? 1 : 0)
    return { tiles, grid, plan, tokens, leading: patches, map: null, newline }
  }
  const map = mapTokens(size, config, tiling, plan)
  const leading = merge.base && plan.hasBase ? patches : 0
  const newline = merge.newline && !merge.maxPool ? 'rows' : 'none'
  const tokens = leading + map.size.height * (map.size.width + (newline === 'rows' ? 1 : 0))
  return { tiles, grid, plan, tokens, leading, map, newline }
}

const COUNT_KINDS = { pictures: COUNT }

const CONFIG_FIELDS = [
  'tiling',
  'tile',
  'merge',
  'patchesPerSide',
] as const satisfies readonly (keyof ImageTokenConfig)[]

function mapTokens(
  size: ImageSize,
  { patchesPerSide, merge, rounding }: ImageTokenConfig,
  tiling: Tiling,
  { grid, hasBase }: TilePlan,
): TokenMap {
  const full = { width: grid.width * patchesPerSide, height: grid.height * patchesPerSide }
  const firstTile = hasBase ? 1 : 0
  const whole = { left: 0, top: 0, ...full }
  if (merge.layout === 'spatial' && merge.maxPool) {
    const half = { width: Math.floor(full.width / 2), height: Math.floor(full.height / 2) }
    return { firstTile, full, kept: whole, pooling: 'max', size: half }
  }
  const kept = merge.layout === 'spatial' && merge.unpad ? keptRegion(full, size, rounding) : whole
  const budget = tiling.kind === 'anyres' ? tiling.maxTiles : null
  const shrunk =
    kept !== whole && budget !== null ? shrinkToBudget(kept, budget, patchesPerSide) : kept
  const isShrunk = shrunk.width !== kept.width || shrunk.height !== kept.height
  return {
    firstTile,
    full,
    kept,
    pooling: isShrunk ? 'bilinear' : 'none',
    size: { width: shrunk.width, height: shrunk.height },
  }
}

/**
 * `flat`, or `spatial` with any of `_unpad`, `_maxpool2x2` and `_nobase` behind it, as data. Throws ConfigError.
 *
 * The original looks for the words anywhere in the string. With maxima nothing is unpadded and rows have no newline, but a
 * picture of one tile still ends with one.
 */
export function parsePatchMerge(type: string): PatchMerge {
  checkArgument('mm_patch_merge_type', type, 'a string')
  if (type === 'flat') return { layout: 'flat' }
  const [layout, ...words] = type.split('_')
  if (layout !== 'spatial' || !words.every((word) => MERGE_WORDS.includes(word))) {
    throw new ConfigError(
      'CONFIG_PATCH_MERGE',
      `mm_patch_merge_type: expected flat, or spatial with _${MERGE_WORDS.join(', _')} or none of them behind it; ` +
        `came ${type.slice(0, 120)}; correct the checkpoint's config.`,
    )
  }
  const unpad = words.includes('unpad')
  return {
    layout: 'spatial',
    unpad,
    maxPool: words.includes('maxpool2x2'),
    base: !words.includes('nobase'),
    newline: unpad,
  }
}

const MERGE_WORDS = ['unpad', 'maxpool2x2', 'nobase']

export type ImageTokenOptions = Partial<Omit<ImageTokenConfig, 'tile' | 'patchesPerSide'>> & {
  /** Width and height of a tile in pixels. */
  readonly tile: ImageSize
  readonly patchSize: number
}

const KINDS: EveryOptionKind<ImageTokenOptions> = {
  tile: OBJECT,
  patchSize: COUNT,
  tiling: TILING,
  merge: taggedBy('layout', ['flat', 'spatial']),
  rounding: choiceOf(ANYRES_ROUNDINGS),
  severalPictures: choiceOf(SEVERAL_PICTURES),
}

/**
 * A whole config from the parts that matter: by default one tile a picture, its rows in order. Throws InputError for options
 * that cannot be, ConfigError for a tile that is no square of patches.
 */
export function imageTokenConfig(options: ImageTokenOptions): ImageTokenConfig {
  checkFields('imageTokenConfig: options', options, ['tile', 'patchSize'])
  checkOptionKinds('imageTokenConfig', options, KINDS)
  const { tile, patchSize } = options
  const patchesPerSide = Math.floor(tile.width / patchSize)
  if (!isSize(tile) || tile.width !== tile.height || !isPositiveInteger(patchesPerSide)) {
    throw new ConfigError(
      'CONFIG_PATCHES',
      `config.vision: a tile of ${tile.width} × ${tile.height} pixels is not a square of patches of ${patchSize}.`,
    )
  }
  return freezeDeep<ImageTokenConfig>({
    tile,
    patchesPerSide,
    tiling: options.tiling ?? { kind: 'none' },
    merge: options.merge ?? { layout: 'flat' },
    rounding: options.rounding ?? 'hf',
    severalPictures: options.severalPictures ?? 'each',
  })
}
