/** Index maps of many pictures as one gather. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RowMap } from '../sequence/arrange-image-tokens.ts'
import { composeMaps, gatherRows, wholeMap } from './row-gather.ts'

const pair: RowMap = {
  rows: 2,
  taps: 2,
  indices: Int32Array.of(0, 1, 2, 3),
  weights: Float32Array.of(0.25, 0.75, 0.5, 0.5),
  combine: 'sum',
}
const newlines: RowMap = {
  rows: 3,
  taps: 1,
  indices: Int32Array.of(0, -1, 1),
  weights: null,
  combine: 'copy',
}

test('maps follow one another, each from its own first row, newlines from the last', () => {
  const gather = gatherRows(
    [
      { map: newlines, firstRow: 0 },
      { map: newlines, firstRow: 10 },
    ],
    99,
  )
  assert.deepEqual([...gather.indices].map(Number), [0, 99, 1, 10, 99, 11])
  assert.equal(gather.shares, null)
  assert.ok(gather.hasNewline)
})

test('copies among sums count their source once', () => {
  const gather = gatherRows(
    [
      { map: newlines, firstRow: 0 },
      { map: pair, firstRow: 4 },
    ],
    9,
  )
  assert.deepEqual(gather.form, { combine: 'sum', taps: 2 })
  assert.deepEqual([...gather.indices].map(Number), [0, 0, 9, 9, 1, 1, 4, 5, 6, 7])
  assert.deepEqual([...gather.shares!], [1, 0, 1, 0, 1, 0, 0.25, 0.75, 0.5, 0.5])
})

test('a map of pooled parts is the pooling of each part', () => {
  const outer: RowMap = { ...newlines, rows: 5, indices: Int32Array.of(0, 1, -1, 2, 3) }
  const { indices, weights, combine } = composeMaps(pair, outer, 4)
  assert.equal(combine, 'sum')
  assert.deepEqual([...indices], [0, 1, 2, 3, -1, -1, 4, 5, 6, 7])
  assert.deepEqual([...weights!], [0.25, 0.75, 0.5, 0.5, 1, 0, 0.25, 0.75, 0.5, 0.5])
})

test('largest of several: a row with fewer sources repeats its last', () => {
  const most: RowMap = { ...pair, weights: null, combine: 'max' }
  const gather = gatherRows(
    [
      { map: most, firstRow: 0 },
      { map: wholeMap(2), firstRow: 4 },
    ],
    6,
  )
  assert.deepEqual([...gather.indices].map(Number), [0, 1, 2, 3, 4, 4, 5, 5])
  assert.equal(gather.hasNewline, false)
})
