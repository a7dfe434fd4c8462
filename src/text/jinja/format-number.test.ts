import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { exponential, fixed, general, roundFloat } from './format-number.ts'
import { Budget, DEFAULT_LIMITS } from './limits.ts'

const budget = () => new Budget(DEFAULT_LIMITS)
const finite = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e20, max: 1e20 })

describe('decimal forms', () => {
  test('round exact halves to the even digit, where JavaScript rounds them up', () => {
    assert.deepEqual(
      [0.5, 1.5, 2.5, 0.125].map((v) => fixed(v, v < 0.2 ? 2 : 0, budget())),
      ['0', '2', '2', '0.12'],
    )
    assert.deepEqual(
      [0.5, 1.5, 2.5, -2.5].map((v) => roundFloat(v, 0)),
      [0, 2, 2, -2],
    )
  })

  test('agree with toFixed and toExponential wherever there is no exact half', () => {
    fc.assert(
      fc.property(finite, fc.integer({ min: 0, max: 12 }), (value, digits) => {
        const size = Math.abs(value)
        const isHalf = Number.isInteger(size * 10 ** digits * 2)
        if (isHalf) return
        assert.equal(fixed(value, digits, budget()), size.toFixed(digits))
        const js = size.toExponential(digits).replace(/e([-+])(\d)$/, 'e$10$2')
        assert.equal(exponential(value, digits, budget()), js)
      }),
    )
  })

  test('the smallest numbers have the digits that they are, not those of their shortest form', () => {
    const forms = [5e-324, 1e-323, 1.5e-323, 9.9e-323].map((v) => exponential(v, 1, budget()))
    assert.deepEqual(forms, ['4.9e-324', '9.9e-324', '1.5e-323', '9.9e-323'])
  })

  test('the shorter form keeps as many digits as it is asked for', () => {
    assert.deepEqual(
      [1e6, 1e5, 0.0001, 0.00001, 123456.7, 0].map((v) => general(v, 6, false, budget())),
      ['1e+06', '100000', '0.0001', '1e-05', '123457', '0'],
    )
    assert.equal(general(2, 3, true, budget()), '2.00')
  })

  test('rounding to digits before the point works as after it', () => {
    assert.deepEqual(
      [roundFloat(1234.5, -2), roundFloat(1250, -2), roundFloat(2.675, 2)],
      [1200, 1200, 2.67],
    )
  })
})
