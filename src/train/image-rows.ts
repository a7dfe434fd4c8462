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
import { shareMedia, type MediaCounts, type MediaRange } from './share-media.ts'

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

/** A picture's size before it was cut, the tiles that it is cut into, and their rows in the order of the prompt. */
type ArrangedPicture = { readonly size: ImageSize; readonly tiles: number; readonly map: RowMap }

/** A sample's pictures [from, to) as those of one prompt: how they are cut may depend on how many they are. */
type Arranger = {
  readonly pictures: number
  readonly range: (from: number, to: number) => readonly ArrangedPicture[]
}

/** Positions of one placeholder, and what fills them in this order. */
type Places = { readonly slots: readonly number[]; readonly holds: readonly (keyof MediaCounts)[] }

/** Rows of one picture or clip and the positions that they go to. */
type Placement = PlacedMap & { readonly slots: readonly number[] }

/** Where a sample stands in its batch. */
export type SamplePlace = {
  readonly start: number
  /** Positions [from, to) of each of its sequences. */
  readonly sequences: readonly (readonly [number, number])[]
  /** As messages call it. */
  readonly where: string
}

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

  /** Throws InputError unless the sample's pictures and clips fill their places. */
  add(sample: Sample, at: SamplePlace): void {
    const { where, sequences, start } = at
    const clips = this.#clipMaps(sample, where)
    const arrange = this.#arranger(this.#pictureSizes(sample, where))
    const places = sequences.map((positions) => this.#placesOf(sample, positions))
    const ranges = sharedOut({ arrange, clips, places, where })
    const arranged = ranges.flatMap(({ from, to }) => arrange.range(from.pictures, to.pictures))
    const pictures = this.#pictureMaps(sample, arranged, where)
    ranges.forEach(({ from, to }, sequence) => {
      const maps = {
        pictures: pictures.slice(from.pictures, to.pictures),
        clips: clips.slice(from.clips, to.clips),
      }
      for (const { slots, holds } of places[sequence] as readonly Places[]) {
        const placed = holds.flatMap((kind) => maps[kind])
        this.#place(placed, { slots, start, where, what: holds.join(' and ') })
      }
    })
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

  /** Of its pictures before they were cut. */
  #pictureSizes({ pixelValues, imageSizes }: Sample, where: string): readonly ImageSize[] {
    if (!pixelValues) return []
    if (!this.#config.image) throw blind(where, 'pixelValues')
    return imageSizes ?? sizesOfTiles(where, pixelValues, this.#config)
  }

  #arranger(sizes: readonly ImageSize[]): Arranger {
    const known = new Map<string, ArrangedPicture>()
    const range = (from: number, to: number) =>
      sizes.slice(from, to).map((size, i) => {
        const key = `${from + i} ${to - from === 1 ? 'alone' : 'of several'}`
        const arranged = known.get(key) ?? this.#arrange(size, to - from)
        known.set(key, arranged)
        return arranged
      })
    return { pictures: sizes.length, range }
  }

  #arrange(size: ImageSize, pictures: number): ArrangedPicture {
    const config = (this.#config.image as NonNullable<ModelConfig['image']>).tokens
    const tokens = countImageTokens(size, config, { pictures })
    const { patchesPerSide } = config
    const map = arrangeImageTokens(tokens, { patchesPerSide, rowsPerTile: this.#rowsPerTile })
    return { size, map, tiles: tokens.tiles }
  }

  #pictureMaps(
    { pixelValues }: Sample,
    pictures: readonly ArrangedPicture[],
    where: string,
  ): PlacedMap[] {
    if (!pixelValues) return []
    const place = this.#addTiles(pixelValues, wholeMap(this.#rowsPerTile), `${where}.pixelValues`)
    let wanted = 0
    const maps = pictures.map(({ map, tiles }) => {
      const firstRow = place.row + wanted * this.#rowsPerTile
      wanted += tiles
      return { map, firstRow }
    })
    const came = pixelValues.shape[0] as number
    if (wanted !== came) throw wrongTiles(where, { wanted, came, pictures })
    return maps
  }

  /** The places of pictures and clips among the positions [from, to), by placeholder. */
  #placesOf({ inputIds }: Sample, [from, to]: readonly [number, number]): readonly Places[] {
    const { image, video } = this.#config
    const isShared = !video || video.placeholder === image?.placeholder
    const slotsOf = (placeholder: number | undefined) => {
      const slots: number[] = []
      for (let i = from; i < to; i++) if (inputIds[i] === placeholder) slots.push(i)
      return slots
    }
    const ofPictures = slotsOf(image?.placeholder)
    if (isShared) return [{ slots: ofPictures, holds: ['pictures', 'clips'] }]
    return [
      { slots: ofPictures, holds: ['pictures'] },
      { slots: slotsOf(video.placeholder), holds: ['clips'] },
    ]
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
    {
      slots,
      start,
      where,
      what,
    }: {
      readonly slots: readonly number[]
      readonly start: number
      readonly where: string
      readonly what: string
    },
  ): void {
    const rows = rowsOf(maps)(0, maps.length)
    if (rows !== slots.length) throw misplaced(where, what, { places: slots.length, rows })
    let next = 0
    for (const placed of maps) {
      const own = slots.slice(next, next + placed.map.rows).map((slot) => start + slot)
      next += placed.map.rows
      this.#placements.push({ ...placed, slots: own })
    }
  }
}

/** The pictures and clips of each sequence; one alone has all of them, whether or not they fill it. */
function sharedOut({
  arrange,
  clips,
  places,
  where,
}: {
  readonly arrange: Arranger
  readonly clips: readonly PlacedMap[]
  readonly places: readonly (readonly Places[])[]
  readonly where: string
}): readonly MediaRange[] {
  const all = { pictures: arrange.pictures, clips: clips.length }
  if (places.length === 1) return [{ from: { pictures: 0, clips: 0 }, to: all }]
  const [rowsOfPictures, rowsOfClips] = [pictureRows(arrange), rowsOf(clips)]
  const fills = (sequence: number, { from, to }: MediaRange) => {
    const rows = {
      pictures: rowsOfPictures(from.pictures, to.pictures),
      clips: rowsOfClips(from.clips, to.clips),
    }
    const isFull = ({ slots, holds }: Places) =>
      slots.length === holds.reduce((sum, kind) => sum + rows[kind], 0)
    return (places[sequence] as readonly Places[]).every(isFull)
  }
  return shareMedia(all, { sequences: places.length, fills, where })
}

/** Rows of a range, which is asked for as often as there are ways to share: looked up, not added up. */
type RangeRows = (from: number, to: number) => number

function pictureRows({ pictures, range }: Arranger): RangeRows {
  const alone = Array.from(
    { length: pictures },
    (_, i) => (range(i, i + 1)[0] as ArrangedPicture).map.rows,
  )
  const ofSeveral = rowsOf(range(0, pictures))
  return (from, to) => (to - from === 1 ? (alone[from] as number) : ofSeveral(from, to))
}

function rowsOf(maps: readonly { readonly map: RowMap }[]): RangeRows {
  const ends = [0]
  for (const { map } of maps) ends.push((ends.at(-1) as number) + map.rows)
  return (from, to) => (ends[to] as number) - (ends[from] as number)
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
  {
    wanted,
    came,
    pictures,
  }: { wanted: number; came: number; pictures: readonly ArrangedPicture[] },
): InputError {
  const list = pictures.map(({ size: { width, height } }) => `${width} × ${height}`).join(', ')
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
