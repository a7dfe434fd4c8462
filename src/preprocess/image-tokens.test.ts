import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  countImageTokens,
  imageTokenConfig,
  parsePatchMerge,
  type PatchMerge,
} from './image-tokens.ts'
import { parsePinpoints } from './pinpoints.ts'
import type { Tiling } from './tiling.ts'

const NEXT_PINPOINTS = [
  [336, 672],
  [672, 336],
  [672, 672],
  [1008, 336],
  [336, 1008],
]
const CLIP_TILE = { tile: { width: 336, height: 336 }, patchSize: 14 }
const SIGLIP_TILE = { tile: { width: 384, height: 384 }, patchSize: 14 }

function anyres(pinpoints: unknown, side: number, maxTiles: number | null = null): Tiling {
  const points = parsePinpoints(pinpoints, side, 'original')
  return { kind: 'anyres', pinpoints: points, maxTiles, base: 'squash' }
}

function next(merge: PatchMerge, rounding: 'original' | 'hf' = 'original') {
  return imageTokenConfig({ ...CLIP_TILE, tiling: anyres(NEXT_PINPOINTS, 336), merge, rounding })
}

test('a plain model gives one tile of patches to every picture', () => {
  const config = imageTokenConfig(CLIP_TILE)
  for (const [width, height] of [
    [1, 1],
    [640, 480],
    [1, 9000],
  ] as const) {
    const counted = countImageTokens({ width, height }, config)
    assert.deepEqual(
      [counted.tokens, counted.tiles, counted.grid],
      [576, 1, { width: 1, height: 1 }],
    )
  }
})

test('the table of AnyRes with CLIP-336 comes out, with and without float error', () => {
  const counts: [number, number, number, number][] = [
    [336, 336, 1176, 1176],
    [672, 672, 2928, 2928],
    [640, 480, 2340, 2340],
    [1000, 300, 2182, 2182],
    [704, 396, 1850, 1948],
    [396, 704, 1872, 1968],
    [1, 1000, 648, 648],
    [4000, 1, 576, 576],
  ]
  for (const [width, height, original, hf] of counts) {
    const unpad = parsePatchMerge('spatial_unpad')
    assert.equal(countImageTokens({ width, height }, next(unpad)).tokens, original)
    assert.equal(countImageTokens({ width, height }, next(unpad, 'hf')).tokens, hf)
  }
})

test('ways to merge count as the original does', () => {
  const tall = { width: 480, height: 640 }
  const count = (type: string): number => countImageTokens(tall, next(parsePatchMerge(type))).tokens
  assert.equal(count('flat'), 5 * 576)
  assert.equal(count('spatial'), 5 * 576)
  assert.equal(count('spatial_unpad'), 576 + 48 * 37)
  assert.equal(count('spatial_unpad_nobase'), 48 * 37)
  assert.equal(count('spatial_maxpool2x2'), 576 + 24 * 24)
  assert.equal(count('spatial_nobase_unpad'), 48 * 37)
  assert.equal(count('spatial_unpad_maxpool2x2'), 576 + 24 * 24)
  assert.throws(() => parsePatchMerge('spatial_pad'), { code: 'CONFIG_PATCH_MERGE' })
})

test('anyres_max_N interpolates maps over its budget', () => {
  const config = imageTokenConfig({
    ...SIGLIP_TILE,
    tiling: anyres('(1x1),...,(6x6)', 384, 9),
    merge: parsePatchMerge('spatial_unpad'),
    rounding: 'original',
  })
  const large = countImageTokens({ width: 4000, height: 3000 }, config)
  assert.equal(large.tokens, 7309)
  assert.equal(large.map!.pooling, 'bilinear')
  assert.equal(countImageTokens({ width: 640, height: 480 }, config).tokens, 2929)
})

test('several pictures are single tiles with one newline where the family says so', () => {
  const shared = {
    ...SIGLIP_TILE,
    tiling: anyres('(1x1),...,(6x6)', 384, 9),
    merge: parsePatchMerge('spatial_unpad'),
  }
  const size = { width: 640, height: 480 }
  const single = imageTokenConfig({ ...shared, severalPictures: 'single' })
  const counted = countImageTokens(size, single, { pictures: 2 })
  assert.deepEqual([counted.tokens, counted.tiles, counted.newline], [730, 1, 'end'])
  const each = imageTokenConfig({ ...shared, severalPictures: 'each' })
  assert.deepEqual(countImageTokens(size, each, { pictures: 2 }), countImageTokens(size, each))
})

test('rows are what the geometry says, and never more than all patches and newlines', () => {
  const side = fc.integer({ min: 1, max: 5000 })
  const merge = fc.constantFrom(
    'flat',
    'spatial',
    'spatial_unpad',
    'spatial_maxpool2x2',
    'spatial_unpad_nobase',
  )
  const rounding = fc.constantFrom<('original' | 'hf')[]>('original', 'hf')
  fc.assert(
    fc.property(side, side, merge, rounding, (width, height, type, how) => {
      const counted = countImageTokens({ width, height }, next(parsePatchMerge(type), how))
      const { map, leading, newline, tiles, tokens } = counted
      const columns = map === null ? 0 : map.size.width + (newline === 'rows' ? 1 : 0)
      assert.equal(
        tokens,
        leading + columns * (map?.size.height ?? 0) + (newline === 'end' ? 1 : 0),
      )
      assert.ok(tokens <= tiles * 576 + (map?.full.height ?? 1))
      if (map === null) return
      const { left, top, width: w, height: h } = map.kept
      assert.ok(left >= 0 && top >= 0 && w >= 0 && h >= 0)
      assert.ok(left + w <= map.full.width && top + h <= map.full.height)
    }),
  )
})

test('sizes and patches that cannot be are refused', () => {
  const config = imageTokenConfig(CLIP_TILE)
  assert.throws(() => countImageTokens({ width: 0, height: 4 }, config), {
    code: 'INPUT_IMAGE_SIZE',
  })
  assert.throws(() => countImageTokens({ width: 1.5, height: 4 }, config), {
    code: 'INPUT_IMAGE_SIZE',
  })
  assert.throws(() => imageTokenConfig({ tile: { width: 336, height: 224 }, patchSize: 14 }), {
    code: 'CONFIG_PATCHES',
  })
})
