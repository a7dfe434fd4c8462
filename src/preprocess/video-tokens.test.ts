import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ConfigError, InputError } from '../core/errors.ts'
import {
  countVideoTokens,
  framesWithin,
  videoTokenConfig,
  type VideoTokenConfig,
} from './video-tokens.ts'

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

test('published numbers of tokens come out', () => {
  assert.equal(countVideoTokens(1, config(24, AVERAGE)).tokens, 144)
  assert.equal(countVideoTokens(16, config(24, AVERAGE)).tokens, 2304)
  assert.equal(countVideoTokens(32, config(27, BILINEAR, 'end')).tokens, 32 * 196 + 1)
  assert.equal(countVideoTokens(4, config(24, AVERAGE, 'rows')).tokens, 4 * 12 * 13)
  assert.equal(countVideoTokens(4, config(24, AVERAGE, 'frames')).tokens, 4 * 145)
  assert.equal(countVideoTokens(10, config(27, { mode: 'none' })).tokens, 7290)
  assert.equal(countVideoTokens(2, config(27, AVERAGE)).tokens, 2 * 13 * 13)
})

test('rows that are no map are taken as they are', () => {
  const one = videoTokenConfig({
    patchesPerSide: 4,
    rowsPerFrame: 17,
    pooling: { mode: 'none' },
    newline: 'frames',
  })
  assert.equal(countVideoTokens(2, one).tokens, 36)
  assert.throws(() => videoTokenConfig({ ...one, pooling: AVERAGE }), ConfigError)
  assert.throws(() => config(4, { mode: 'max', stride: 5 }), /stride should be .* 4 patches/)
  assert.throws(() => countVideoTokens(0, one), InputError)
})

// Once the one newline behind a clip was taken off for every frame: 387 of 81 tokens were planned where 392 fit.
test('so many frames fit as have that many tokens, and one more does not', () => {
  assert.equal(framesWithin(31_768, config(27, { mode: 'average', stride: 3 }, 'end')), 392)
  assert.equal(framesWithin(144, config(24, AVERAGE, 'end')), 0)
  assert.equal(framesWithin(145, config(24, AVERAGE, 'end')), 1)
  const newlines = fc.constantFrom('none', 'end', 'frames', 'rows' as const)
  const stride = fc.integer({ min: 1, max: 4 })
  const mode = fc.constantFrom('average', 'bilinear' as const)
  const room = fc.double({ min: 0, max: 1e5, noNaN: true })
  fc.assert(
    fc.property(newlines, stride, mode, room, (newline, by, how, tokens) => {
      const one = config(9, { mode: how, stride: by }, newline)
      const most = framesWithin(tokens, one)
      assert.ok(most === 0 || countVideoTokens(most, one).tokens <= tokens)
      assert.ok(countVideoTokens(most + 1, one).tokens > tokens)
    }),
  )
})
