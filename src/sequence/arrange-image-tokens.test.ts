import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  countImageTokens,
  type ImageTokenConfig,
  type PatchMerge,
} from '../preprocess/image-tokens.ts'
import type { Tiling } from '../preprocess/tiling.ts'
import { arrangeImageTokens, NEWLINE_ROW, type RowMap } from './arrange-image-tokens.ts'
import { mergeImageRows } from './merge-rows.ts'

const SPATIAL: PatchMerge = {
  layout: 'spatial',
  unpad: true,
  maxPool: false,
  base: true,
  newline: true,
}

const TILING: Tiling = {
  kind: 'anyres',
  pinpoints: [
    { width: 56, height: 28 },
    { width: 28, height: 56 },
  ],
  maxTiles: null,
  base: 'squash',
}

/** Tiles of 2 × 2 patches; a wide picture is two of them beside one another. */
function config(merge: PatchMerge, change: Partial<ImageTokenConfig> = {}): ImageTokenConfig {
  return {
    tiling: TILING,
    tile: { width: 28, height: 28 },
    patchesPerSide: 2,
    merge,
    rounding: 'hf',
    severalPictures: 'each',
    ...change,
  }
}

const ONE_TILE = { tiling: { kind: 'none' } } as const

function arrange(
  merge: PatchMerge,
  change?: Partial<ImageTokenConfig>,
  size = { width: 56, height: 28 },
): RowMap {
  const tokens = countImageTokens(size, config(merge, change))
  const map = arrangeImageTokens(tokens, { patchesPerSide: 2, rowsPerTile: 4 })
  assert.equal(map.rows, tokens.tokens)
  return map
}

describe('which rows a picture becomes', () => {
  test('flat: tile after tile', () => {
    assert.deepEqual(
      [...arrange({ layout: 'flat' }).indices],
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    )
    assert.deepEqual([...arrange({ layout: 'flat' }, ONE_TILE).indices], [0, 1, 2, 3])
  })

  test('spatial: the base tile, then the map row by row, each ended by a newline', () => {
    assert.deepEqual(
      [...arrange(SPATIAL).indices],
      [0, 1, 2, 3, 4, 5, 8, 9, NEWLINE_ROW, 6, 7, 10, 11, NEWLINE_ROW],
    )
  })

  test('spatial without the base tile, and without newlines', () => {
    const merge = { ...SPATIAL, base: false, newline: false }
    assert.deepEqual([...arrange(merge).indices], [4, 5, 8, 9, 6, 7, 10, 11])
  })

  test('padding is left out, be it everything but the base tile', () => {
    const map = arrange(SPATIAL, {}, { width: 56, height: 1 })
    assert.deepEqual([...map.indices], [0, 1, 2, 3])
  })

  test('a picture of one tile ends with one newline', () => {
    assert.deepEqual([...arrange(SPATIAL, ONE_TILE).indices], [0, 1, 2, 3, NEWLINE_ROW])
  })

  test('a tile that keeps its class token has a row more', () => {
    const tokens = countImageTokens({ width: 28, height: 28 }, config({ layout: 'flat' }, ONE_TILE))
    const map = arrangeImageTokens(tokens, { patchesPerSide: 2, rowsPerTile: 5 })
    assert.deepEqual([...map.indices], [0, 1, 2, 3, 4])
  })

  test('maxima of 2 × 2 patches', () => {
    const map = arrange({ ...SPATIAL, unpad: false, maxPool: true, newline: false })
    assert.equal(map.combine, 'max')
    assert.deepEqual(Array.from(map.indices.subarray(16)), [4, 5, 6, 7, 8, 9, 10, 11])
  })
})

describe('rows by a map', () => {
  const features = Float32Array.of(1, 10, 2, 20, 3, 30)
  const newline = Float32Array.of(7, 70)
  const map = (change: Partial<RowMap>): RowMap => ({
    rows: 2,
    taps: 1,
    indices: Int32Array.of(2, NEWLINE_ROW),
    weights: null,
    combine: 'copy',
    ...change,
  })

  test('are copied, the newline from its own', () => {
    assert.deepEqual([...mergeImageRows(map({}), features, { width: 2, newline })], [3, 30, 7, 70])
  })
  test('are added with weights', () => {
    const sum = map({
      taps: 2,
      indices: Int32Array.of(0, 1, 2, 2),
      weights: Float32Array.of(0.5, 0.25, 1, 0),
      combine: 'sum',
    })
    assert.deepEqual([...mergeImageRows(sum, features, { width: 2, newline })], [1, 10, 3, 30])
  })
  test('are the largest', () => {
    const max = map({ taps: 2, indices: Int32Array.of(0, 2, 1, 0), combine: 'max' })
    assert.deepEqual([...mergeImageRows(max, features, { width: 2, newline })], [3, 30, 2, 20])
  })
  test('a newline that the model has not is our own mistake', () => {
    assert.throws(
      () => mergeImageRows(map({}), features, { width: 2, newline: null }),
      /^Error: internal: /,
    )
  })
})
