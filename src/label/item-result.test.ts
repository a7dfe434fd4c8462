import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resultOf } from './item-result.ts'

test('a whole number that reading would change is an error, with the answer as it came', () => {
  // It was null in a table and another number in a line, without a word.
  const errorOf = (text: string) => resultOf({ text, finishReason: 'stop' }, 'm', true).error?.code
  assert.equal(errorOf('{"big": 9007199254740993}'), 'INPUT_LABEL_JSON')
  assert.equal(errorOf('[-9007199254740993]'), 'INPUT_LABEL_JSON')
  const exact =
    '{"a": 9007199254740991, "b": "9007199254740993", "\\"c": 1e300, "d": 0.12345678901234567890}'
  assert.equal(errorOf(exact), undefined)
})
