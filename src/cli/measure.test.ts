import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatBytes, formatCount, formatTable } from './format.ts'
import { formatMeasured, measured } from './measure.ts'

test('a measurement is its median, with the range of its rounds', () => {
  assert.deepEqual(measured([3, 1, 10]), { median: 3, least: 1, most: 10, rounds: 3 })
  assert.equal(measured([4, 1, 2, 3]).median, 2.5)
  assert.throws(() => measured([]), /internal/)
  assert.equal(formatMeasured(measured([22.84, 21.9, 23.41])), '22.8 (21.9–23.4)')
  assert.equal(formatMeasured(measured([12345])), '12345 (12345–12345)')
})

test('numbers read as people write them', () => {
  assert.deepEqual([0, 999, 1234, 45_600_000, 13.5e9].map(formatBytes), [
    '0 B',
    '999 B',
    '1.23 kB',
    '45.6 MB',
    '13.5 GB',
  ])
  assert.deepEqual([12, 7.06e9].map(formatCount), ['12', '7.06 B'])
})

test('columns line up', () => {
  assert.deepEqual(
    formatTable([
      ['a', 'bb', 5],
      ['ccc', 'd', 10],
    ]),
    ['a    bb   5', 'ccc  d   10'],
  )
})
