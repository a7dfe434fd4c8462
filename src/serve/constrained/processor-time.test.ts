import assert from 'node:assert/strict'
import { test } from 'node:test'
import { leftOf } from './processor-time.ts'

test('a limit is over when it has gone by on the clock and on processors', () => {
  assert.equal(leftOf(100, { clockMs: 100, processorMs: 100 }), 0)
  assert.equal(leftOf(100, { clockMs: 60, processorMs: 110 }), 40, 'other threads compute as well')
  assert.equal(leftOf(100, { clockMs: 100, processorMs: 30 }), 70, 'others had the processor')
})

test('what never gets a processor is over one day', () => {
  assert.equal(leftOf(100, { clockMs: 399, processorMs: 0 }), 100)
  assert.equal(leftOf(100, { clockMs: 400, processorMs: 0 }), 0)
})
