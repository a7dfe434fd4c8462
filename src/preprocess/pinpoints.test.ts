/** Lists of grids with something wrong in them: none is thinned or cut short without a word. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '../core/errors.ts'
import { parsePinpoints } from './pinpoints.ts'

function refused(value: unknown, message: RegExp): void {
  assert.throws(
    () => parsePinpoints(value, 336, 'original'),
    (error) =>
      error instanceof ConfigError &&
      error.code === 'CONFIG_PINPOINTS' &&
      message.test(error.message),
    JSON.stringify(value),
  )
}

test('a pair that cannot be read is named', () => {
  refused('[(336, 672), (67a, 336), (672.0, 672)]', /number 2, \(67a, 336\), is none/)
  refused('[(336, 672), (672.0, 672)]', /number 2, \(672\.0, 672\), is none/)
  refused('[(336, 672) and (672, 336)]', /number 2, and, is none/)
  refused('[(336, 672), (672, 336, 336)]', /number 2, \(672, 336, 336\)/)
  refused('[(336, 672), 672]', /number 2, , 672\], is none/)
  refused('[(336, 672), (672, 340)]', /number 2, \(672, 340\)/)
  refused(
    [
      [336, 672],
      ['672', 336],
    ],
    /number 2, \["672",336\]/,
  )
  refused([[336, 672], null], /number 2, null/)
  refused('', /came ""/)
})

test('a range is read whole or not at all', () => {
  refused('(1x1),...,(600x2)', /at most 64 tiles a side.* number 2, \(600x2\), is none/)
  refused('(1x1),...,(6xa)', /number 2, \(6xa\), is none/)
  refused('(0x1),...,(2x2)', /number 1, \(0x1\)/)
  refused('(3x3),...,(1x1)', /came "\(3x3\),\.\.\.,\(1x1\)";/)
  assert.equal(parsePinpoints('(1x1),...,(64x2)', 336, 'original').length, 128)
})

test('what Python reads as a list of pairs is one', () => {
  const grids = [
    { width: 336, height: 672 },
    { width: 672, height: 336 },
  ]
  for (const text of [
    '[(336, 672), (672, 336)]',
    '[[336,672],[672,336]]',
    '((336, 672), (672, 336),)',
    ' (336, 672,), (672, 336) ',
  ]) {
    assert.deepEqual(parsePinpoints(text, 336, 'original'), grids)
  }
})
