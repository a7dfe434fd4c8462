import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { largest, largestEntries, logSoftmax, logSumExp, topLogprobs } from './logprobs.ts'

const rows = fc
  .array(fc.oneof(fc.integer({ min: -4, max: 4 }), fc.float({ min: -50, max: 50, noNaN: true })), {
    minLength: 1,
    maxLength: 80,
  })
  .map((values) => Float32Array.from(values))

test('probabilities sum to one', () => {
  fc.assert(
    fc.property(rows, (logits) => {
      const total = logSumExp(logits)
      const sum = logits.reduce((whole, logit) => whole + Math.exp(logit - total), 0)
      assert.ok(Math.abs(sum - 1) < 1e-12)
    }),
  )
})

test('the largest entries are the head of a stable sort', () => {
  fc.assert(
    fc.property(rows, fc.integer({ min: 0, max: 20 }), (values, count) => {
      const expected = [...values.keys()]
        .sort((a, b) => values[b]! - values[a]! || a - b)
        .slice(0, count)
      assert.deepEqual(
        largestEntries(values, count).map(({ id }) => id),
        expected,
      )
    }),
  )
})

test('log-probabilities of known odds', () => {
  const odds = Float32Array.from([1, 2, 5], Math.log)
  assert.deepEqual(
    topLogprobs(odds, 2).map(({ id }) => id),
    [2, 1],
  )
  assert.ok(Math.abs(topLogprobs(odds, 2)[0]!.logprob - Math.log(5 / 8)) < 1e-7)
  logSoftmax(odds)
  assert.ok(Math.abs(odds[0]! - Math.log(1 / 8)) < 1e-6)
})

test('a banned token has no probability and is never among the best', () => {
  const logits = Float32Array.of(-Infinity, 0, -Infinity, 0)
  assert.equal(logSumExp(logits), Math.log(2))
  assert.deepEqual(
    largestEntries(logits, 4).map(({ id }) => id),
    [1, 3],
  )
})

test('NaN is never hidden', () => {
  assert.ok(Number.isNaN(largest(Float32Array.of(1, NaN, 2))))
  assert.ok(Number.isNaN(logSumExp(Float32Array.of(NaN, 2))))
})
