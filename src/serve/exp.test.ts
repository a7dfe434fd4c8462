import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { expNonPositive } from './exp.ts'

test('the exponential is that of Math.exp to 2e-13', () => {
  fc.assert(
    fc.property(fc.double({ min: -708, max: 0, noNaN: true }), (x) => {
      const exact = Math.exp(x)
      assert.ok(Math.abs(expNonPositive(x) - exact) <= 2e-13 * exact, `${x}`)
    }),
    { numRuns: 2000 },
  )
})

test('its ends: 1 at 0, 0 for what no double holds, NaN stays', () => {
  assert.equal(expNonPositive(0), 1)
  assert.equal(expNonPositive(-0), 1)
  assert.equal(expNonPositive(-Infinity), 0)
  assert.equal(expNonPositive(-1e9), 0)
  assert.ok(Number.isNaN(expNonPositive(NaN)))
})
