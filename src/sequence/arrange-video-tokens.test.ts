import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  countVideoTokens,
  videoTokenConfig,
  type VideoTokenConfig,
} from '../preprocess/video-tokens.ts'
import { NEWLINE_ROW } from './arrange-image-tokens.ts'
import { arrangeVideoTokens } from './arrange-video-tokens.ts'
import { mergeImageRows } from './merge-rows.ts'

function config(
  patchesPerSide: number,
  pooling: VideoTokenConfig['pooling'],
  newline: VideoTokenConfig['newline'] = 'none',
): VideoTokenConfig {
  return videoTokenConfig({
    patchesPerSide,
    rowsPerFrame: patchesPerSide ** 2,
    pooling,
    newline,
  })
}

const AVERAGE = { mode: 'average', stride: 2 } as const
const BILINEAR = { mode: 'bilinear', stride: 2 } as const

test('the index maps have as many rows as are counted, and use every pooled row once, in order', () => {
  const stride = fc.integer({ min: 1, max: 5 })
  const pooling = fc.oneof(
    fc.constant({ mode: 'none' } as const),
    fc.record({ mode: fc.constantFrom('average', 'max', 'bilinear'), stride }),
  )
  const newline = fc.constantFrom('none', 'end', 'frames', 'rows')
  const frames = fc.integer({ min: 1, max: 40 })
  fc.assert(
    fc.property(
      fc.integer({ min: 5, max: 30 }),
      pooling,
      newline,
      frames,
      (side, pool, end, count) => {
        const one = config(side, pool, end)
        const tokens = countVideoTokens(count, one)
        const maps = arrangeVideoTokens(tokens, one)
        assert.equal(maps.rows.rows, tokens.tokens)
        const copied = [...maps.rows.indices].filter((index) => index !== NEWLINE_ROW)
        assert.deepEqual(copied, [...Array(count * tokens.frameRows).keys()])
        if (!maps.pool) return assert.equal(pool.mode, 'none')
        assert.equal(maps.pool.rows, tokens.frameRows)
        assert.ok(maps.pool.indices.every((index) => index >= 0 && index < side * side))
      },
    ),
  )
})

test('pooling is the average, the maximum and, of even maps, the interpolation of squares', () => {
  const features = Float32Array.from({ length: 16 }, (_, i) => (i * 7) % 16)
  const pooled = (pooling: VideoTokenConfig['pooling']) => {
    const one = config(4, pooling)
    const { pool } = arrangeVideoTokens(countVideoTokens(1, one), one)
    return [...mergeImageRows(pool!, features, { width: 1, newline: null })]
  }
  const squares = [0, 2, 8, 10].map((at) => [0, 1, 4, 5].map((step) => features[at + step]!))
  const average = squares.map((square) => square.reduce((a, b) => a + b) / 4)
  assert.deepEqual(pooled(AVERAGE), average)
  assert.deepEqual(pooled(BILINEAR), average)
  assert.deepEqual(
    pooled({ mode: 'max', stride: 2 }),
    squares.map((square) => Math.max(...square)),
  )
})

test('newlines stand behind rows, behind frames, at the end', () => {
  const shape = (newline: VideoTokenConfig['newline']) => {
    const one = config(4, AVERAGE, newline)
    const { rows } = arrangeVideoTokens(countVideoTokens(2, one), one)
    return Array.from(rows.indices, (index) => (index === NEWLINE_ROW ? '|' : index)).join('')
  }
  assert.equal(shape('none'), '01234567')
  assert.equal(shape('end'), '01234567|')
  assert.equal(shape('frames'), '0123|4567|')
  assert.equal(shape('rows'), '01|23|45|67|')
})
