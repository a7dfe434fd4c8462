import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'

import { CheckpointError } from '../core/errors.ts'
import { Rng } from '../core/rng.ts'
import { dequantizeInt8, quantizeInt8, quantizeInt8Rows } from './quantize-int8.ts'
import { dequantizeQ4, quantizeQ4, quantizeQ4Rows, type Q4Block } from './quantize-q4.ts'
import { dequantizeQ8, quantizeQ8, quantizeQ8Rows } from './quantize-q8.ts'

const shapes = fc.record({
  rows: fc.integer({ min: 1, max: 70 }),
  columns: fc.integer({ min: 1, max: 300 }),
  seed: fc.integer(),
})

/** Normal weights with a wide row, a zero row and an outlier channel: what real layers look like at their worst. */
function makeWeight(rows: number, columns: number, seed: number): Float32Array {
  const rng = new Rng(seed)
  const weight = new Float32Array(rows * columns)
  for (let i = 0; i < weight.length; i++) {
    const row = Math.floor(i / columns)
    const outlier = i % columns === 5 ? 30 : 1
    weight[i] = row === 2 ? 0 : rng.normal() * outlier * (row === 1 ? 1e3 : 0.02)
  }
  return weight
}

/** What one element may be off by, given its block: half a step of a symmetric grid. */
function largest(values: Float32Array): number {
  return values.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
}

function relativeError(weight: Float32Array, other: Float32Array): number {
  let error = 0
  let norm = 0
  for (let i = 0; i < weight.length; i++) {
    error += (weight[i]! - other[i]!) ** 2
    norm += weight[i]! ** 2
  }
  return Math.sqrt(error / norm)
}

test('int8 equals the formula element by element, half to even, in float32', () => {
  fc.assert(
    fc.property(
      shapes,
      fc.constantFrom(127 as const, 63 as const),
      ({ rows, columns, seed }, limit) => {
        const weight = makeWeight(rows, columns, seed)
        const { data, scale } = quantizeInt8(weight, { rows, columns }, limit)
        for (let n = 0; n < rows; n++) {
          const row = weight.subarray(n * columns, (n + 1) * columns)
          const expected = Math.fround(largest(row) / limit)
          assert.equal(scale[n], expected)
          for (let k = 0; k < columns; k++) {
            const q = expected === 0 ? 0 : roundHalfEven(Math.fround(row[k]! / expected))
            assert.equal(data[k * rows + n], q)
          }
        }
      },
    ),
    { numRuns: 60 },
  )
})

function roundHalfEven(value: number): number {
  const below = Math.floor(value)
  const rest = value - below
  const up = rest > 0.5 || (rest === 0.5 && below % 2 !== 0)
  return (up ? below + 1 : below) + 0
}

test('int8 rounds halves to even', () => {
  const weight = new Float32Array([127, 0.5, 1.5, 2.5, -0.5, -1.5])
  assert.deepEqual([...quantizeInt8(weight, { rows: 1, columns: 6 }).data], [127, 0, 2, 2, 0, -2])
})

test('weights that lie on the grid survive each form exactly', () => {
  const rng = new Rng(3)
  const [rows, columns] = [9, 160]
  const int8 = Float32Array.from(
    { length: rows * columns },
    (_, i) => (i % columns === 0 ? 127 : rng.integer(255) - 127) * 0.25,
  )
  assert.deepEqual(dequantizeInt8(quantizeInt8(int8, { rows, columns }), { rows, columns }), int8)
  const q8 = Float32Array.from(
    { length: rows * columns },
    (_, i) => (i % 32 === 0 ? -128 : rng.integer(256) - 128) * 0.5,
  )
  assert.deepEqual(dequantizeQ8(quantizeQ8(q8, { rows, columns }), { rows, columns }), q8)
  for (const block of [32, 128] as const) {
    const q4 = Float32Array.from(
      { length: rows * columns },
      (_, i) => ([0, 15][i % block] ?? rng.integer(16)) * 2 - 12,
    )
    const options = { rows, columns, block }
    const back = dequantizeQ4(quantizeQ4(q4, options), options)
    back.forEach((value, i) =>
      assert.ok(Math.abs(value - q4[i]!) < 1e-5, `${value} is not ${q4[i]}`),
    )
  }
})

test('no element is further off than its block allows', () => {
  fc.assert(
    fc.property(shapes, ({ rows, columns, seed }) => {
      const weight = makeWeight(rows, columns, seed)
      const shape = { rows, columns }
      checkBound(
        weight,
        dequantizeInt8(quantizeInt8(weight, shape), shape),
        columns,
        columns,
        0.5 / 127,
      )
      checkBound(weight, dequantizeQ8(quantizeQ8(weight, shape), shape), columns, 32, 1 / 128)
      for (const block of [32, 128] as const) {
        const back = dequantizeQ4(quantizeQ4(weight, { ...shape, block }), { ...shape, block })
        // Half a step of the widest range, plus what clipping the narrowest one may cut off, plus an edge moved by the zero point.
        checkBound(weight, back, columns, block, 0.4)
      }
    }),
    { numRuns: 40 },
  )
})

function checkBound(
  weight: Float32Array,
  back: Float32Array,
  columns: number,
  block: number,
  share: number,
): void {
  for (let start = 0; start < weight.length; start += columns) {
    for (let k = 0; k < columns; k += block) {
      const values = weight.subarray(start + k, start + Math.min(columns, k + block))
      const bound = largest(values) * share * (1 + 1e-5)
      values.forEach((value, i) => assert.ok(Math.abs(value - back[start + k + i]!) <= bound))
    }
  }
}

// Relative errors of normal weights; the plain symmetric rule (largest value ÷ −8) gives 0.086 and 0.103.
const Q4_NORMAL_ERROR = { 32: 0.0772, 128: 0.0957 }

test('4 bits of normal weights are closer than the plain symmetric rule', () => {
  const rng = new Rng(7)
  const [rows, columns] = [64, 1024]
  const weight = Float32Array.from({ length: rows * columns }, () => rng.normal())
  for (const block of [32, 128] as const) {
    const options = { rows, columns, block }
    const error = relativeError(weight, dequantizeQ4(quantizeQ4(weight, options), options))
    assert.ok(error < Q4_NORMAL_ERROR[block], `block ${block}: ${error}`)
  }
})

test('MatMulNBits layout: even element in the low half, zero points packed along blocks, tail padded with them', () => {
  const columns = 67
  const weight = Float32Array.from({ length: columns }, (_, i) => (i < 32 ? i % 16 : i - 90))
  const { data, scale, zeroPoint } = quantizeQ4(weight, { rows: 1, columns, block: 32 })
  assert.deepEqual([data.length, scale.length, zeroPoint.length], [48, 3, 2])
  const zeroPoints = [zeroPoint[0]! & 15, zeroPoint[0]! >> 4, zeroPoint[1]! & 15]
  assert.equal(zeroPoint[1]! >> 4, 0)
  for (let i = 0; i < 96; i++) {
    const q = (data[i >> 1]! >> (i % 2 ? 4 : 0)) & 15
    const [z, s] = [zeroPoints[i >> 5]!, scale[i >> 5]!]
    if (i < columns)
      assert.ok(Math.abs((q - z) * s - weight[i]!) <= Math.abs(s) / 2 + 0.25, `element ${i}`)
    else assert.equal(q, z)
  }
})

test('errors go where they cost least', () => {
  const rng = new Rng(11)
  const [rows, columns, block] = [16, 256, 32] as const
  const weight = Float32Array.from({ length: rows * columns }, () => rng.normal())
  const importance = Float32Array.from({ length: columns }, (_, k) => (k % 8 === 0 ? 100 : 1))
  const cost = (back: Float32Array) =>
    back.reduce((sum, value, i) => sum + importance[i % columns]! * (value - weight[i]!) ** 2, 0)
  const even = { rows, columns, block }
  const weighted = { ...even, importance }
  const plain = cost(dequantizeQ4(quantizeQ4(weight, even), even))
  assert.ok(cost(dequantizeQ4(quantizeQ4(weight, weighted), weighted)) < plain * 0.8)
  // The unit does not matter, and nothing known is the same as all alike.
  const scaled = { ...even, importance: importance.map((value) => value * 1024) }
  assert.deepEqual(quantizeQ4(weight, scaled), quantizeQ4(weight, weighted))
  for (const value of [0, 7]) {
    assert.deepEqual(
      quantizeQ4(weight, { ...even, importance: new Float32Array(columns).fill(value) }),
      quantizeQ4(weight, even),
    )
  }
})

test('the kernel finds what the same search finds in float64', () => {
  fc.assert(
    fc.property(
      shapes,
      fc.constantFrom(32 as const, 128 as const),
      ({ rows, columns, seed }, block) => {
        const weight = makeWeight(rows, columns, seed)
        const rng = new Rng(seed)
        const importance = Float32Array.from({ length: columns }, () => 0.1 + rng.uniform())
        const options = { rows, columns, block, importance }
        const back = dequantizeQ4(quantizeQ4(weight, options), options)
        for (let start = 0; start < weight.length; start += columns) {
          for (let k = 0; k < columns; k += block) {
            const end = Math.min(columns, k + block)
            const v = importance.subarray(k, end)
            const x = weight.subarray(start + k, start + end)
            const error = x.reduce(
              (sum, value, i) => sum + v[i]! * (value - back[start + k + i]!) ** 2,
              0,
            )
            const square = x.reduce((sum, value, i) => sum + v[i]! * value ** 2, 0)
            assert.ok(error <= leastError(x, v) * 1.001 + square * 1e-6)
          }
        }
      },
    ),
    { numRuns: 30 },
  )
})

/** The search of quantize-q4.ts, one block, written down again. */
function leastError(x: Float32Array, v: Float32Array): number {
  const low = Math.min(0, ...x)
  const high = Math.max(0, ...x)
  const square = x.reduce((sum, value, i) => sum + v[i]! * value ** 2, 0)
  let least = square
  for (const share of [1.12, 1.04, 0.96, 0.88, 0.8, 0.72, 0.64]) {
    const step = ((high - low) / 15) * share
    for (const shift of step > 0 ? [-1, 0, 1] : []) {
      const zeroPoint = Math.min(15, Math.max(0, Math.round(7.5 - (high + low) / 2 / step) + shift))
      let [vxp, vpp] = [0, 0]
      x.forEach((value, i) => {
        const p = Math.min(15, Math.max(0, Math.round(value / step) + zeroPoint)) - zeroPoint
        vxp += v[i]! * value * p
        vpp += v[i]! * p * p
      })
      if (vpp > 0) least = Math.min(least, square - vxp ** 2 / vpp)
    }
  }
  return least
}

test('rows quantised in pieces give the whole', () => {
  fc.assert(
    fc.property(
      shapes,
      fc.double({ min: 0, max: 1, noNaN: true }),
      ({ rows, columns, seed }, share) => {
        const weight = makeWeight(rows, columns, seed)
        const cut = Math.floor(share * rows)
        const shape = { rows, columns }
        const pieces: [number, number][] = [
          [cut, rows],
          [0, cut],
        ]
        const values = (from: number, to: number) => weight.subarray(from * columns, to * columns)
        for (const whole of [quantizeInt8(weight, shape), quantizeQ8(weight, shape)]) {
          const parts = { data: whole.data.slice(), scale: whole.scale.slice() }
          parts.data.fill(1)
          parts.scale.fill(1)
          for (const [from, to] of pieces) {
            const range = { weight: shape, from, to }
            if (parts.data instanceof Int8Array)
              quantizeInt8Rows(values(from, to), range, { ...parts, data: parts.data })
            else quantizeQ8Rows(values(from, to), range, { ...parts, data: parts.data })
          }
          assert.deepEqual(parts, whole)
        }
        for (const block of [32, 128] as const) {
          const whole = quantizeQ4(weight, { ...shape, block })
          const parts = {
            data: whole.data.slice(),
            scale: whole.scale.slice(),
            zeroPoint: whole.zeroPoint.slice(),
          }
          parts.zeroPoint.fill(0xff)
          for (const [from, to] of pieces)
            quantizeQ4Rows(values(from, to), { weight: shape, from, to }, parts, block)
          assert.deepEqual(parts, whole)
        }
      },
    ),
    { numRuns: 30 },
  )
})

test('rows too small for the engine to tell from zero become zero', () => {
  const weight = new Float32Array(64).fill(1e-44)
  for (const back of everyForm(weight, 1, 64)) assert.deepEqual(back, new Float32Array(64))
})

test('a weight that is not finite is refused with its name and place', () => {
  for (const bad of [NaN, Infinity, -Infinity]) {
    const weight = new Float32Array(4 * 40)
    weight[2 * 40 + 7] = bad
    const shape = { rows: 4, columns: 40, name: 'decoder.layers.3.mlp.down.weight' }
    const attempts = [
      () => quantizeInt8(weight, shape),
      () => quantizeQ8(weight, shape),
      () => quantizeQ4(weight, { ...shape, block: 32 }),
      () => quantizeQ4(weight, { ...shape, block: 128 }),
    ]
    for (const attempt of attempts) {
      assert.throws(attempt, (error) => {
        assert.ok(error instanceof CheckpointError)
        assert.equal(error.code, 'CHECKPOINT_NOT_FINITE')
        assert.match(
          error.message,
          /decoder\.layers\.3\.mlp\.down\.weight has -?(NaN|Infinity) at \[2, 7\]/,
        )
        return true
      })
    }
  }
})

function everyForm(weight: Float32Array, rows: number, columns: number): Float32Array[] {
  const shape = { rows, columns }
  const q4 = (block: Q4Block) =>
    dequantizeQ4(quantizeQ4(weight, { ...shape, block }), { ...shape, block })
  return [
    dequantizeInt8(quantizeInt8(weight, shape), shape),
    dequantizeQ8(quantizeQ8(weight, shape), shape),
    q4(32),
    q4(128),
  ]
}
