import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resultOf } from './item-result.ts'

const errorOf = (text: string, schema: object = {}) =>
  resultOf({ text, finishReason: 'stop' }, 'm', schema).error?.code

test('a number that reading would change is an error, with the answer as it came', () => {
  // It was null in a table and another number in a line, without a word.
  for (const number of [
    '9007199254740993',
    '-9007199254740993',
    '9007199254740993.0',
    '90071992547409930e0',
    '900719925474.0993e4',
    '1e400',
    '-1E400',
  ]) {
    assert.equal(errorOf(`{"big": [${number}]}`), 'INPUT_LABEL_JSON', number)
  }
  for (const number of [
    '9007199254740991',
    '9007199254740992',
    '"9007199254740993"',
    '"\\"1e400"',
    '1e300',
    '6.02e23',
    '100000000000000000000',
    '0.12345678901234567890',
    '0.99999999999999999999',
    '1e-400',
    '-0.0',
    '1500e-2',
  ]) {
    assert.equal(errorOf(`{"a": ${number}}`), undefined, number)
  }
})

test('a whole number that has no place in a column of them is an error', () => {
  const properties = { whole: { type: ['integer', 'null'] }, any: { type: 'number' } }
  assert.equal(errorOf('{"whole": 1e20}', { properties }), 'INPUT_LABEL_JSON')
  assert.equal(errorOf('{"whole": 1e15, "any": 1e20}', { properties }), undefined)
})
