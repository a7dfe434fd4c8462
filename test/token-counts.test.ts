/**
 * The closed form of the token count against the index map that is built from it, over random sizes in every way to cut
 * pictures and to merge their tiles; and against the rows that graphs give, on some of them.
 *
 * `LLAVA_ALL_SIZES=1` runs all 100,000 sizes; by default it is one in a hundred.
 */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { Rng } from '../src/core/rng.ts'
import { loadModel, type LoadOptions, type Message } from '../src/index.ts'
import {
  countImageTokens,
  countVideoTokens,
  imageTokenConfig,
  parsePatchMerge,
  parsePinpoints,
  videoTokenConfig,
  type AnyresRounding,
  type ImageSize,
  type ImageTokenConfig,
  type ImageTokens,
  type Tiling,
} from '../src/preprocess/index.ts'
import { arrangeImageTokens } from '../src/sequence/arrange-image-tokens.ts'
import { arrangeVideoTokens } from '../src/sequence/arrange-video-tokens.ts'
import { writeTinyCheckpoint, type TinyCheckpoint } from './tiny/checkpoint.ts'
import { LLAVA_CLIP, LLAVA_SIGLIP, NEXT } from './tiny/checkpoints.ts'

const SIZES = process.env['LLAVA_ALL_SIZES'] === '1' ? 100_000 : 1_000
const LONGEST = 20_000

const EXTREMES: readonly ImageSize[] = [
  { width: 1, height: 1 },
  { width: LONGEST, height: 1 },
  { width: 1, height: LONGEST },
  { width: LONGEST, height: LONGEST },
  { width: 336, height: 336 },
  { width: 704, height: 396 },
]

/** Side lengths from 1 to 20,000, as many below ten as between two thousand and twenty thousand. */
function randomSizes(count: number): ImageSize[] {
  const rng = new Rng(20_000)
  const side = () => Math.min(LONGEST, Math.floor(Math.exp(rng.uniform() * Math.log(LONGEST + 1))))
  return [...EXTREMES, ...Array.from({ length: count }, () => ({ width: side(), height: side() }))]
}

const LAYOUTS = ['original', 'hf'] as const
const MERGES = [
  'flat',
  'spatial',
  'spatial_nobase',
  'spatial_unpad',
  'spatial_unpad_nobase',
  'spatial_maxpool2x2',
  'spatial_maxpool2x2_nobase',
  'spatial_unpad_maxpool2x2',
]
const FIVE = [
  [1, 2],
  [2, 1],
  [2, 2],
  [3, 1],
  [1, 3],
]

type Grids = {
  readonly side: number
  readonly pinpoints: unknown
  readonly maxTiles: readonly (number | null)[]
}

const GRIDS: readonly Grids[] = [
  { side: 336, pinpoints: pairs(336), maxTiles: [null] },
  { side: 336, pinpoints: 'blog2024', maxTiles: [null] },
  { side: 224, pinpoints: '1.5-hd', maxTiles: [null] },
  { side: 384, pinpoints: pairs(384), maxTiles: [null] },
  { side: 384, pinpoints: '(1x1),...,(6x6)', maxTiles: [1, 2, 9] },
]

function pairs(side: number): number[][] {
  return FIVE.map((pair) => pair.map((tiles) => tiles * side))
}

function modes(): Map<string, ImageTokenConfig> {
  const found = new Map<string, ImageTokenConfig>()
  const add = (side: number, tiling: Tiling, rounding: AnyresRounding, merges = MERGES) => {
    for (const merge of merges) {
      const tile = { width: side, height: side }
      const shared = { tile, patchSize: 14, tiling, merge: parsePatchMerge(merge), rounding }
      found.set(`${JSON.stringify(tiling)}, ${merge}, ${rounding}`, imageTokenConfig(shared))
    }
  }
  for (const layout of LAYOUTS) {
    add(336, { kind: 'none' }, layout, ['flat', 'spatial_unpad'])
    add(336, { kind: 'highres', side: 1008 }, layout)
    add(336, { kind: 'cropSplit', side: 700 }, layout)
    for (const { side, pinpoints, maxTiles } of GRIDS) {
      const read = parsePinpoints(pinpoints, side, layout)
      for (const most of maxTiles) {
        const tiling: Tiling = { kind: 'anyres', pinpoints: read, maxTiles: most, base: 'squash' }
        add(side, tiling, layout, most === null || most === 9 ? MERGES : ['spatial_unpad'])
      }
    }
  }
  return found
}

test(`the count is the length of the index map: ${SIZES} sizes in every mode`, () => {
  const sizes = randomSizes(SIZES)
  /** The map depends on the accounting alone, in which many sizes agree. */
  const lengths = new Map<number, number>()
  for (const [name, config] of modes()) {
    for (const size of sizes) {
      const counted = countImageTokens(size, config)
      const key = keyOf(counted, config.patchesPerSide)
      const length = lengths.get(key) ?? mapLength(counted, config)
      lengths.set(key, length)
      if (counted.tokens !== length) {
        assert.fail(`${name}, ${size.width} × ${size.height}: ${counted.tokens} is not ${length}`)
      }
    }
  }
})

test('several pictures that are one tile each are counted as their maps are long', () => {
  for (const config of modes().values()) {
    const single: ImageTokenConfig = { ...config, severalPictures: 'single' }
    const counted = countImageTokens({ width: 640, height: 480 }, single, { pictures: 2 })
    assert.equal(counted.tokens, mapLength(counted, single))
    assert.equal(counted.tiles, 1)
  }
})

test('clips are counted as their maps are long', () => {
  const poolings = [
    { mode: 'none' } as const,
    ...(['average', 'max', 'bilinear'] as const).flatMap((mode) =>
      [1, 2, 3, 5].map((stride) => ({ mode, stride })),
    ),
  ]
  for (const patchesPerSide of [16, 24, 27]) {
    for (const pooling of poolings) {
      for (const newline of ['none', 'end', 'frames', 'rows'] as const) {
        const rowsPerFrame = patchesPerSide ** 2
        const config = videoTokenConfig({ patchesPerSide, rowsPerFrame, pooling, newline })
        for (const frames of [1, 2, 7, 32]) {
          const counted = countVideoTokens(frames, config)
          const { rows, pool } = arrangeVideoTokens(counted, config)
          assert.equal(rows.rows, counted.tokens)
          assert.equal(rows.indices.length, counted.tokens)
          assert.equal(pool?.rows ?? rowsPerFrame, counted.frameRows)
        }
      }
    }
  }
})

/** A number that stands for all that the length of the map depends on: no side of a map reaches 200 cells. */
function keyOf(
  { tiles, grid, leading, map, newline }: ImageTokens,
  patchesPerSide: number,
): number {
  const kind = (map === null ? 3 : POOLINGS[map.pooling]) * 3 + NEWLINES[newline]
  const cut = ((patchesPerSide * 38 + tiles) * 7 + grid.width) * 2 + (leading > 0 ? 1 : 0)
  const key = cut * 12 + kind
  if (map === null) return key
  const { kept, size } = map
  return (((key * 200 + kept.width) * 200 + kept.height) * 200 + size.width) * 200 + size.height
}

const POOLINGS = { none: 0, max: 1, bilinear: 2 } as const
const NEWLINES = { rows: 0, end: 1, none: 2 } as const

function mapLength(counted: ImageTokens, { patchesPerSide }: ImageTokenConfig): number {
  const rowsPerTile = patchesPerSide ** 2
  const { rows, indices, taps } = arrangeImageTokens(counted, { patchesPerSide, rowsPerTile })
  assert.equal(indices.length, rows * taps)
  assert.ok(indices.every((row) => row < counted.tiles * rowsPerTile))
  return rows
}

/** Models whose tower is a few numbers wide: what is counted is the number of rows that come out. */
const ONEVISION: TinyCheckpoint = {
  ...LLAVA_SIGLIP,
  name: 'onevision',
  config: {
    ...LLAVA_SIGLIP.config,
    model_type: 'llava_onevision',
    image_grid_pinpoints: [1, 2, 3].flatMap((i) => [1, 2, 3].map((j) => [28 * i, 28 * j])),
    vision_aspect_ratio: 'anyres_max_2',
  },
  files: {
    ...LLAVA_SIGLIP.files,
    'preprocessor_config.json': {
      ...(LLAVA_SIGLIP.files['preprocessor_config.json'] as object),
      image_grid_pinpoints: [1, 2, 3].flatMap((i) => [1, 2, 3].map((j) => [28 * i, 28 * j])),
    },
  },
}

const FOLDER = mkdtempSync(join(tmpdir(), 'llava-counts-'))
after(() => rmSync(FOLDER, { recursive: true }))

async function tiny(checkpoint: TinyCheckpoint): Promise<string> {
  const folder = join(FOLDER, checkpoint.name.replaceAll(/\W+/g, '-'))
  await writeTinyCheckpoint(folder, checkpoint)
  return folder
}

/** The recorded original with another way to merge. */
function original(keys: Readonly<Record<string, unknown>>): string {
  const source = 'fixtures/original/checkpoints/llava-v1.6-vicuna'
  const folder = mkdtempSync(join(FOLDER, 'original-'))
  cpSync(source, folder, { recursive: true })
  const config = JSON.parse(readFileSync(join(source, 'config.json'), 'utf8')) as object
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, ...keys }))
  return folder
}

const ORIGINAL: LoadOptions = {
  visionTower: 'fixtures/original/checkpoints/tower-clip-vit-large-patch14-336',
}

const GRAPHS: readonly (readonly [string, () => Promise<string> | string, LoadOptions])[] = [
  ['llava', () => tiny(LLAVA_CLIP), {}],
  ['next', () => tiny(NEXT), {}],
  ['next in the original layout', () => tiny(NEXT), { layout: 'original' }],
  ['onevision', () => tiny(ONEVISION), {}],
  ['original 1.6', () => original({}), ORIGINAL],
  ['flat', () => original({ mm_patch_merge_type: 'flat' }), ORIGINAL],
  ['nobase', () => original({ mm_patch_merge_type: 'spatial_unpad_nobase' }), ORIGINAL],
  ['maxpool2x2', () => original({ mm_patch_merge_type: 'spatial_maxpool2x2' }), ORIGINAL],
  ['blog2024', () => original({ image_grid_pinpoints: 'blog2024' }), ORIGINAL],
  [
    'highres',
    () => original({ image_aspect_ratio: 'highres', image_grid_pinpoints: '672' }),
    ORIGINAL,
  ],
]

describe('graphs give as many rows as are counted', { concurrency: 2 }, () => {
  const sizes = randomSizes(500).filter(({ width, height }) => width * height <= 2e6)
  GRAPHS.forEach(([name, folder, options], i) => {
    test(name, async () => {
      await using model = await loadModel(await folder(), { precision: 'f32', ...options })
      for (const size of [sizes[i]!, ...sizes.slice(6 + 5 * i, 10 + 5 * i)]) {
        const messages = pictureOf(size)
        const { images } = await model.encodeImages({ messages })
        const text = `${size.width} × ${size.height}`
        assert.equal(images[0]!.shape[0], model.countTokens({ messages }).image, text)
      }
    })
  })
})

function pictureOf({ width, height }: ImageSize): Message[] {
  const data = new Uint8Array(width * height * 3).fill(90)
  const content = [
    { type: 'image', image: { data, width, height } } as const,
    { type: 'text', text: 'What?' } as const,
  ]
  return [{ role: 'user', content }]
}
