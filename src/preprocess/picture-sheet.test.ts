/** The drawn geometry against the pixels that the preprocessor makes of a picture of one colour. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Rng } from '../core/rng.ts'
import {
  parseImageProcessor,
  planTiles,
  preprocessImage,
  withFit,
  type ImageProcessor,
  type ImageSize,
  type Region,
  type RgbImage,
  type Tiling,
} from './index.ts'
import { sheetOf } from './picture-sheet.ts'

const SIDE = 24
const PLAIN = parseImageProcessor({
  image_processor_type: 'CLIPImageProcessor',
  size: { shortest_edge: SIDE },
  crop_size: { height: SIDE, width: SIDE },
})
const PINPOINTS = [
  { width: 48, height: 24 },
  { width: 24, height: 48 },
  { width: 48, height: 48 },
  { width: 72, height: 24 },
]

function tiled(tiling: Tiling): ImageProcessor {
  return { ...PLAIN, tiling }
}

const PROCESSORS: Readonly<Record<string, ImageProcessor>> = {
  crop: PLAIN,
  pad: withFit(PLAIN, 'pad'),
  squash: withFit(PLAIN, 'squash'),
  'a larger edge than the crop': { ...PLAIN, resize: { kind: 'shortestEdge', edge: 30 } },
  'a crop of a smaller picture': { ...PLAIN, resize: { kind: 'none' } },
  anyres: tiled({ kind: 'anyres', pinpoints: PINPOINTS, maxTiles: null, base: 'squash' }),
  highres: tiled({ kind: 'highres', side: 72 }),
  'highres with a rest': tiled({ kind: 'highres', side: 80 }),
  cropSplit: tiled({ kind: 'cropSplit', side: 48 }),
}

const RED = [250, 0, 0] as const
const rng = new Rng(12)
const SIZES: readonly ImageSize[] = [
  { width: 24, height: 24 },
  { width: 100, height: 37 },
  { width: 37, height: 100 },
  ...Array.from({ length: 12 }, () => ({
    width: 9 + rng.integer(90),
    height: 9 + rng.integer(90),
  })),
]

for (const [name, processor] of Object.entries(PROCESSORS)) {
  test(`${name}: the picture lies where its pixels are`, () => {
    for (const size of SIZES) {
      const { tiles, plan } = preprocessImage(red(size), processor)
      const sheet = sheetOf(size, processor, planTiles(size, processor.tiling, processor.tile))
      const { picture } = sheet
      const grid = { width: plan.grid.width * SIDE, height: plan.grid.height * SIDE }
      assert.deepEqual(sheet.tiles, grid)
      const seen = redRegion(tiles.data, plan.grid, plan.hasBase ? 1 : 0)
      const expected = [
        Math.max(0, picture.left),
        Math.max(0, picture.top),
        Math.min(grid.width, picture.left + picture.width),
        Math.min(grid.height, picture.top + picture.height),
      ]
      const found = [seen.left, seen.top, seen.left + seen.width, seen.top + seen.height]
      found.forEach((edge, i) =>
        assert.ok(
          Math.abs(edge - expected[i]!) <= 1.5,
          `${JSON.stringify(size)} ${found} ${expected}`,
        ),
      )
    }
  })
}

function red({ width, height }: ImageSize): RgbImage {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => RED[i % 3]!)
  return { width, height, channels: 3, data }
}

/** Where the grid's tiles show the picture: at least half red. */
function redRegion(data: Uint8Array, grid: ImageSize, firstTile: number): Region {
  let [left, top, right, bottom] = [Infinity, Infinity, -1, -1]
  for (let tile = 0; tile < grid.width * grid.height; tile++) {
    for (let pixel = 0; pixel < SIDE * SIDE; pixel++) {
      const at = ((firstTile + tile) * SIDE * SIDE + pixel) * 3
      if (data[at]! - data[at + 1]! < 125) continue
      const x = (tile % grid.width) * SIDE + (pixel % SIDE)
      const y = Math.floor(tile / grid.width) * SIDE + Math.floor(pixel / SIDE)
      left = Math.min(left, x)
      top = Math.min(top, y)
      right = Math.max(right, x + 1)
      bottom = Math.max(bottom, y + 1)
    }
  }
  return { left, top, width: right - left, height: bottom - top }
}
