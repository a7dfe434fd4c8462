import assert from 'node:assert/strict'
import { test } from 'node:test'

import { permuteRotary, unpermuteRotary } from './rotary-order.ts'

/** Rows [heads·H, 2] whose elements tell their head and row. */
function rows(heads: number, headDim: number) {
  const data = Float32Array.from({ length: heads * headDim * 2 }, (_, i) => i)
  return { dtype: 'float32', shape: [heads * headDim, 2], data } as const
}

test('pairs side by side become halves', () => {
  const order = [...unpermuteRotary(rows(2, 6), 2).data]
    .filter((_, i) => i % 2 === 0)
    .map((value) => Number(value) / 2)
  assert.deepEqual(order, [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11])
})

test('one order and back gives the same rows, biases and 64-bit integers included', () => {
  assert.deepEqual(unpermuteRotary(permuteRotary(rows(3, 8), 3), 3), rows(3, 8))
  assert.deepEqual(permuteRotary(unpermuteRotary(rows(3, 8), 3), 3), rows(3, 8))
  const bias = {
    dtype: 'int64',
    shape: [8],
    data: BigInt64Array.from({ length: 8 }, (_, i) => BigInt(i)),
  } as const
  assert.deepEqual([...unpermuteRotary(bias, 1).data], [0n, 2n, 4n, 6n, 1n, 3n, 5n, 7n])
  assert.deepEqual(permuteRotary(unpermuteRotary(bias, 2), 2), bias)
})

test('the tensor that was given stays as it was', () => {
  const given = rows(1, 4)
  unpermuteRotary(given, 1)
  assert.deepEqual(given, rows(1, 4))
})

test('rows that do not divide into heads of even size are an error with the shape', () => {
  assert.throws(() => unpermuteRotary(rows(1, 6), 2), {
    code: 'SHAPE_ROTARY',
    message: /float32\[6,2\]/,
  })
  assert.throws(() => unpermuteRotary(rows(1, 6), 4), { code: 'SHAPE_ROTARY' })
})
