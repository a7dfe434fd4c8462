/** A drawing shows what is counted, for every way to cut a picture and to merge its tiles. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import sharp from 'sharp'
import {
  countImageTokens,
  imageTokenConfig,
  parseImageProcessor,
  parsePatchMerge,
  type ImageProcessor,
  type RgbImage,
  type Tiling,
} from '../preprocess/index.ts'
import { pictureParts, sumOf } from '../preprocess/token-parts.ts'
import { drawPicture } from './draw-picture.ts'

const PINPOINTS = [
  { width: 56, height: 28 },
  { width: 56, height: 56 },
]
const TILINGS: readonly Tiling[] = [
  { kind: 'none' },
  { kind: 'anyres', pinpoints: PINPOINTS, maxTiles: null, base: 'squash' },
  { kind: 'anyres', pinpoints: PINPOINTS, maxTiles: 1, base: 'pad' },
  { kind: 'highres', side: 56 },
  { kind: 'cropSplit', side: 56 },
]
const MERGES = ['flat', 'spatial', 'spatial_unpad', 'spatial_maxpool2x2', 'spatial_unpad_nobase']
const TILE = { width: 28, height: 28 }
const PROCESSOR = parseImageProcessor({
  image_processor_type: 'CLIPImageProcessor',
  size: { shortest_edge: 28 },
  crop_size: { height: 28, width: 28 },
})

const SIZES = [
  { width: 40, height: 30 },
  { width: 90, height: 20 },
  { width: 1, height: 50 },
]

for (const [i, tiling] of TILINGS.entries()) {
  test(`${tiling.kind} ${i}: tiles, tokens and kept patches are those of the accounting`, async () => {
    const processor: ImageProcessor = { ...PROCESSOR, tiling }
    for (const merge of MERGES) {
      const config = imageTokenConfig({
        tile: TILE,
        patchSize: 14,
        tiling,
        merge: parsePatchMerge(merge),
      })
      for (const size of SIZES) {
        const tokens = countImageTokens(size, config)
        const parts = pictureParts(tokens, 4)
        assert.equal(sumOf(parts), tokens.tokens)
        const cells = { perSide: 2, pixels: 14 }
        const image = grey(size)
        const svg = await drawPicture({ title: 'A < B', image, processor, tokens, cells, parts })
        assert.match(svg, new RegExp(`together: ${tokens.tokens} tokens`))
        assert.match(svg, /A &lt; B/)
        const { grid, plan, map } = tokens
        assert.equal(count(svg, /<line x1="[^0]/g), grid.width + grid.height - 2)
        assert.equal(count(svg, /<image /g), plan.hasBase ? 2 : 1)
        const isKept = map !== null && map.kept.width > 0 && map.kept.height > 0
        const isPart =
          isKept && (map.kept.width < map.full.width || map.kept.height < map.full.height)
        assert.equal(count(svg, /stroke-dasharray/g), isPart ? 2 : 0)
        const { width = 0 } = await sharp(Buffer.from(svg)).metadata()
        assert.ok(width >= 636)
      }
    }
  })
}

test('the legend stands beside the words, and a long title is not cut off', async () => {
  const processor: ImageProcessor = { ...PROCESSOR, tiling: TILINGS[1]! }
  const merge = parsePatchMerge('spatial_unpad')
  const size = { width: 40, height: 30 }
  const config = imageTokenConfig({ tile: TILE, patchSize: 14, tiling: TILINGS[1]!, merge })
  const tokens = countImageTokens(size, config)
  const long = { part: 'grid', tokens: 4, shape: 'x'.repeat(90) } as const
  const [image, cells] = [grey(size), { perSide: 2, pixels: 14 }]
  const title = 'folder/'.repeat(20)
  const svg = await drawPicture({ title, image, processor, tokens, cells, parts: [long] })
  const legend = Number(/<text x="([\d.]+)"[^>]*>a tile</.exec(svg)?.[1])
  const { width = 0 } = await sharp(Buffer.from(svg)).metadata()
  assert.ok(legend > 90 * 7 && width > legend + 100, `${legend} of ${width}`)
  assert.ok(width > title.length * 8)
})

function grey({ width, height }: { width: number; height: number }): RgbImage {
  return { width, height, channels: 3, data: new Uint8Array(width * height * 3).fill(128) }
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0
}
