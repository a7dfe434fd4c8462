/**
 * The pictures and clips of a batch as index maps: which rows of the tower's go to the projector, and which of the
 * projector's to which positions.
 *
 * The same token accounting and the same maps as serving's (`preprocess/image-tokens.ts`, `video-tokens.ts`, `sequence/`).
 */
import { InputError } from '../core/errors.ts'
import type { ModelConfig, VideoConfig } from '../families/family.ts'
import { countImageTokens } from '../preprocess/image-tokens.ts'
import type { ImageSize } from '../preprocess/image.ts'
import { countVideoTokens } from '../preprocess/video-tokens.ts'
import { arrangeImageTokens, type RowMap } from '../sequence/arrange-image-tokens.ts'
import { arrangeVideoTokens } from '../sequence/arrange-video-tokens.ts'
import { featureRows } from '../vision/vision-transformer.ts'
import { LazyPixels } from './lazy-pixels.ts'
import { composeMaps, gatherRows, wholeMap, type PlacedMap, type RowGather } from './row-gather.ts'
import type { PixelTensor, Sample } from './sample.ts'

export type BatchImages = {
  /** Every tile and frame once. */
  readonly tiles: readonly Tile[]
  /** Of their pixels, those that have to be loaded before. */
  readonly lazy: readonly LazyPixels[]
  /** From the tower's rows to the projector's; null: as they are. */
  readonly pooled: RowGather | null
  /** From the projector's rows to positions, one part for each way in which rows are combined. */
  readonly placed: readonly PlacedRows[]
}

/** One of the tiles or frames of some pixels. */
export type Tile = { readonly pixels: PixelTensor; readonly index: number }

/** [C·h·w] */
export function tilePixels({ pixels: { data, shape }, index }: Tile): Float32Array {
  const size = data.length / (shape[0] as number)
  return data.subarray(index * size, (index + 1) * size)
}

export type PlacedRows = RowGather & {
  /** int64[M] */
  readonly slots: BigInt64Array
}

/** Where the tiles of one `pixelValues` begin: among all tiles, and among the projector's rows. */
type TilePlace = { readonly tile: number; readonly row: number }

/** Rows of one picture or clip and the positions that they go to. */
type Placement = PlacedMap & { readonly slots: readonly number[] }

export class ImageRows {
  readonly #config: ModelConfig
  readonly #rowsPerTile: number
  readonly #tiles: Tile[] = []
  /** Pixels that several samples share, as the two answers of a pair do, go through the tower once. */
  readonly #places = new Map<Float32Array | LazyPixels, TilePlace>()
  readonly #pools: PlacedMap[] = []
  readonly #placements: Placement[] = []
  #projectorRows = 0

  constructor(config: ModelConfig) {
    this.#config = config
    this.#rowsPerTile = config.vision ? featureRows(config.vision) : 0
  }

  /** Takes a sample whose first position is `start`. Throws InputError unless its pictures and clips fill their places. */
  add(sample: Sample, start: number, where: string): void {
    const pictures = this.#pictureMaps(sample, where)
    const clips = this.#clipMaps(sample, where)
    const { image, video } = this.#config
    const shared = { sample, start, where }
    if (video && video.placeholder !== image?.placeholder) {
      this.#place(pictures, { ...shared, placeholder: image?.placeholder, what: 'pictures' })
      this.#place(clips, { ...shared, placeholder: video.placeholder, what: 'clips' })
    } else {
      const maps = [...pictures, ...clips]
      this.#place(maps, { ...shared, placeholder: image?.placeholder, what: 'pictures and clips' })
    }
  }

  /** Null where no sample has a picture. */
  finish(): BatchImages | null {
    if (this.#placements.length === 0) return null
    const kinds = ['copy', 'sum', 'max'] as const
    const placed = kinds.flatMap((kind) => {
      const placements = this.#placements.filter(({ map }) => map.combine === kind)
      if (placements.length === 0) return []
      const slots = BigInt64Array.from(placements.flatMap(({ slots }) => slots).map(BigInt))
      return [{ ...gatherRows(placements, this.#projectorRows), slots }]
    })
    const isPooled = this.#pools.some(({ map }) => map.combine !== 'copy')
    const pooled = isPooled ? gatherRows(this.#pools, 0) : null
    const lazy = [...this.#places.keys()].filter((key) => key instanceof LazyPixels)
    return { tiles: this.#tiles, lazy, pooled, placed }
  }

  #pictureMaps({ pixelValues, imageSizes }: Sample, where: string): PlacedMap[] {
    if (!pixelValues) return []
    const { image } = this.#config
    if (!image) throw blind(where, 'pixelValues')
    const place = this.#addTiles(pixelValues, wholeMap(this.#rowsPerTile), `${where}.pixelValues`)
    const sizes = imageSizes ?? sizesOfTiles(where, pixelValues, this.#config)
    const { patchesPerSide } = image.tokens
    let tiles = 0
    const maps = sizes.map((size) => {
      const tokens = countImageTokens(size, image.tokens, { pictures: sizes.length })
      const map = arrangeImageTokens(tokens, { patchesPerSide, rowsPerTile: this.#rowsPerTile })
      const firstRow = place.row + tiles * this.#rowsPerTile
      tiles += tokens.tiles
      return { map, firstRow }
    })
    const came = pixelValues.shape[0] as number
    if (tiles !== came) throw wrongTiles(where, { wanted: tiles, came, sizes })
    return maps
  }

  #clipMaps({ videos = [] }: Sample, where: string): PlacedMap[] {
    const { video } = this.#config
    if (videos.length > 0 && !video) throw blind(where, 'videos')
    return videos.map((clip, i) =>
      this.#clipMap(clip, video as VideoConfig, `${where}.videos[${i}]`),
    )
  }

  #clipMap(clip: PixelTensor, { tokens, poolPlace }: VideoConfig, where: string): PlacedMap {
    const counted = countVideoTokens(clip.shape[0] as number, tokens)
    const { pool, rows } = arrangeVideoTokens(counted, tokens)
    const whole = wholeMap(this.#rowsPerTile)
    if (!pool) return { map: rows, firstRow: this.#addTiles(clip, whole, where).row }
    if (poolPlace === 'before')
      return { map: rows, firstRow: this.#addTiles(clip, pool, where).row }
    const map = composeMaps(pool, rows, this.#rowsPerTile)
    return { map, firstRow: this.#addTiles(clip, whole, where).row }
  }

  /** Takes tiles whose rows go to the projector by `pool`, unless it has them. */
  #addTiles(pixels: PixelTensor, pool: RowMap, where: string): TilePlace {
    this.#checkPixels(pixels, where)
    const key = pixels instanceof LazyPixels ? pixels : pixels.data
    const known = this.#places.get(key)
    if (known) return known
    const place = { tile: this.#tiles.length, row: this.#projectorRows }
    for (let index = 0; index < (pixels.shape[0] as number); index++) {
      this.#pools.push({ map: pool, firstRow: this.#tiles.length * this.#rowsPerTile })
      this.#tiles.push({ pixels, index })
      this.#projectorRows += pool.rows
    }
    this.#places.set(key, place)
    return place
  }

  #checkPixels(pixels: PixelTensor, where: string): void {
    const { shape } = pixels
    const side = this.#config.vision?.imageSize ?? 0
    const [tiles, ...rest] = shape
    const isTile = rest.join() === [3, side, side].join() && (tiles as number) > 0
    // What is lazy is checked when it comes.
    if (isTile && pixels instanceof LazyPixels) return
    const { data } = pixels
    const isWhole = data instanceof Float32Array && data.length === (tiles ?? 0) * 3 * side * side
    if (isTile && isWhole) return
    throw new InputError(
      'INPUT_PIXEL_SHAPE',
      `${where}: expected tiles float32[I,3,${side},${side}], [${shape}] with ${data.length} elements came; cut and scale pictures with this model's preprocessor.`,
    )
  }

  #place(
    maps: readonly PlacedMap[],
    at: {
      readonly sample: Sample
      readonly start: number
      readonly where: string
      readonly placeholder: number | undefined
      readonly what: string
    },
  ): void {
    const places = placesOf(at.sample, at.placeholder)
    const rows = maps.reduce((sum, { map }) => sum + map.rows, 0)
    if (rows !== places.length) throw misplaced(at.where, at.what, { places: places.length, rows })
    let next = 0
    for (const placed of maps) {
      const slots = places.slice(next, next + placed.map.rows).map((slot) => at.start + slot)
      next += placed.map.rows
      this.#placements.push({ ...placed, slots })
    }
  }
}

function placesOf({ inputIds }: Sample, placeholder: number | undefined): number[] {
  const places: number[] = []
  for (let i = 0; i < inputIds.length; i++) if (inputIds[i] === placeholder) places.push(i)
  return places
}

/** One tile is one picture of the tile's size; where pictures are cut, nobody could tell which tiles belong together. */
function sizesOfTiles(
  where: string,
  { shape }: PixelTensor,
  { image }: ModelConfig,
): readonly ImageSize[] {
  if (image?.tokens.tiling.kind !== 'none') {
    throw new InputError(
      'INPUT_IMAGE_SIZES',
      `${where}: pictures of this model are cut into tiles, and imageSizes is missing; give the size of each picture before it was cut.`,
    )
  }
  return Array.from({ length: shape[0] as number }, () => image.tokens.tile)
}

function blind(where: string, field: string): InputError {
  return new InputError(
    'INPUT_IMAGE_UNSUPPORTED',
    `${where}: this model does not see ${field}; leave them out or train a checkpoint that does.`,
  )
}

function wrongTiles(
  where: string,
  { wanted, came, sizes }: { wanted: number; came: number; sizes: readonly ImageSize[] },
): InputError {
  const list = sizes.map(({ width, height }) => `${width} × ${height}`).join(', ')
  return new InputError(
    'INPUT_IMAGE_TILES',
    `${where}: pictures of ${list} are ${wanted} tiles, pixelValues has ${came}; cut them with this model's preprocessor.`,
  )
}

function misplaced(
  where: string,
  what: string,
  { places, rows }: { readonly places: number; readonly rows: number },
): InputError {
  return new InputError(
    'INPUT_IMAGE_COUNT',
    `${where}: inputIds has ${places} places for rows of ${what}, and ${rows} rows came; repeat the placeholder as often as the token accounting says.`,
  )
}
