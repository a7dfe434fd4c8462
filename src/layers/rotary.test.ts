import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rotaryTables, type RopeConfig } from './rotary.ts'

/** Angles are rounded to float32: half a unit in the last place of the largest. */
const TOLERANCE = 1e-5

test('position p turns pair i by p θ^(−2i/H)', () => {
  const size = { positions: 40, headDim: 8, width: 4 }
  const { cos, sin } = rotaryTables({ theta: 100, factor: 1 }, size)
  for (let p = 0; p < size.positions; p++) {
    for (let i = 0; i < 4; i++) {
      const angle = p * 100 ** (-i / 4)
      assert.ok(Math.abs(cos[p * 4 + i]! - Math.cos(angle)) < TOLERANCE)
      assert.ok(Math.abs(sin[p * 4 + i]! - Math.sin(angle)) < TOLERANCE)
    }
  }
})

test('a factor stretches positions', () => {
  const size = { positions: 20, headDim: 8, width: 4 }
  const plain = rotaryTables({ theta: 100, factor: 1 }, size)
  const stretched = rotaryTables({ theta: 100, factor: 2 }, size)
  for (let p = 0; p < 20; p += 2) {
    assert.deepEqual(stretched.cos.slice(p * 4, p * 4 + 4), plain.cos.slice(p * 2, p * 2 + 4))
  }
})

test('columns behind a narrow head do not turn', () => {
  const { cos, sin } = rotaryTables(
    { theta: 100, factor: 1 },
    { positions: 3, headDim: 4, width: 5 },
  )
  for (let p = 0; p < 3; p++) {
    assert.deepEqual(Array.from(cos.subarray(p * 5 + 2, p * 5 + 5)), [1, 1, 1])
    assert.deepEqual(Array.from(sin.subarray(p * 5 + 2, p * 5 + 5)), [0, 0, 0])
  }
})

test('bands leave short waves, stretch long ones, and go over from one to the other', () => {
  const bands = { factor: 8, low: 1, high: 4, context: 64 }
  const size = { positions: 2, headDim: 32, width: 16 }
  const angles = (rope: RopeConfig) => Array.from(rotaryTables(rope, size).sin.slice(16), Math.asin)
  const plain = angles({ theta: 10000, factor: 1 })
  const scaled = angles({ theta: 10000, factor: 1, bands })
  const shares = plain.map((angle, i) => {
    const wavelength = (2 * Math.PI) / angle
    const smooth = (64 / wavelength - 1) / 3
    const share = scaled[i]! / angle
    assert.ok(Math.abs(share - Math.min(1, Math.max(1 / 8, (1 - smooth) / 8 + smooth))) < 1e-5)
    return share
  })
  assert.ok(shares.includes(1) && shares.some((share) => share > 0.126 && share < 0.99))
})
