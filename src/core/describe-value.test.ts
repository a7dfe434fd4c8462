import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { describeValue } from './describe-value.ts'

test('a value is told as it would be written, or by what it is', () => {
  const ring: Record<string, unknown> = {}
  ring['self'] = ring
  const told: readonly (readonly [unknown, string])[] = [
    [undefined, 'nothing'],
    [null, 'null'],
    [NaN, 'NaN'],
    [Infinity, 'Infinity'],
    [10n, '10n'],
    ['f16', '"f16"'],
    [Symbol('s'), 'Symbol(s)'],
    [() => 1, 'a function'],
    [[], 'a list of 0'],
    [[0, 1n, NaN, 'n', null], '[0, 1n, NaN, "n", null]'],
    [[ring], 'a list of 1'],
    [Array.from({ length: 9 }, () => 0), 'a list of 9'],
    [ring, 'an object'],
    [Object.create(null), 'an object'],
    [{ constructor: 5 }, 'an object'],
    [new Uint8Array(2), 'a Uint8Array'],
    [new AbortController(), 'an AbortController'],
    ['https://me:secret@host/a', '"https://…@host/a"'],
    [{ token: 'hf_secret' }, 'an object'],
  ]
  for (const [value, text] of told) assert.equal(describeValue(value), text)
})

test('no value is told at length', () => {
  const anything = fc.anything({ withBigInt: true, withDate: true, withTypedArray: true })
  const long = fc.string({ minLength: 100, maxLength: 1000 })
  fc.assert(
    fc.property(fc.oneof(anything, long, fc.array(long), fc.bigInt()), (value) => {
      // Escapes of JSON are at most six characters.
      assert.ok(describeValue(value).length <= 6 * 64)
    }),
  )
})
