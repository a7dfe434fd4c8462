/** A run stops when too many items fail, and not because the first of few does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ErrorCount, parseErrorLimit } from './error-limit.ts'

const fault = [{ code: 'INPUT_X', message: 'x.' }]

test('a number counts items, whatever their errors', () => {
  const count = new ErrorCount(parseErrorLimit('2'))
  count.add([...fault, ...fault])
  count.add(fault)
  assert.throws(() => count.add(fault), { code: 'CAPACITY_LABEL_ERRORS', message: /3 of 3 did/ })
  assert.deepEqual(count.byCode, { INPUT_X: 4 })
})

test('a share is looked at from fifty items on', () => {
  const count = new ErrorCount(parseErrorLimit('10%'))
  for (let i = 0; i < 5; i++) count.add(fault)
  for (let i = 0; i < 45; i++) count.add([])
  assert.throws(() => count.add(fault), /6 of 51 did \(INPUT_X 6/)
})

test('what is neither is refused', () => {
  for (const wrong of ['ten', '1.5', '101%', '-1', '']) {
    assert.throws(() => parseErrorLimit(wrong), { code: 'INPUT_OPTION' }, wrong)
  }
  assert.deepEqual(parseErrorLimit(0), { kind: 'count', most: 0 })
})
