import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Budget, DEFAULT_LIMITS } from './limits.ts'
import { formatFloat, repr } from './print.ts'
import { Dict, Tuple } from './values.ts'

const budget = () => new Budget(DEFAULT_LIMITS)

describe('a float', () => {
  test('prints as the shortest text that reads back as the same number', () => {
    const number = fc.double({ noNaN: true, noDefaultInfinity: true })
    fc.assert(
      fc.property(number, (value) => {
        const text = formatFloat(value)
        assert.ok(Object.is(Number(text), value), text)
        assert.match(text, /^-?\d+(\.\d+)?(e[-+]\d\d+)?$/)
        assert.ok(/[.e]/.test(text), `${text} would be an int`)
      }),
    )
  })

  test('takes an exponent from 1e16 and below 1e-4, as in Python', () => {
    const printed = [1e15, 1e16, 1.5e16, 0.0001, 0.00001, 1e22, -2.5e-7, 100, 0.1 + 0.2]
    assert.deepEqual(
      printed.map(formatFloat),
      '1000000000000000.0 1e+16 1.5e+16 0.0001 1e-05 1e+22 -2.5e-07 100.0 0.30000000000000004'.split(
        ' ',
      ),
    )
  })
})

describe('a repr', () => {
  test('is what Python writes for each kind', () => {
    const dict = Dict.of([
      ['k', null],
      [1n, new Tuple([true])],
    ])
    assert.equal(
      repr([dict, 1, "it's", 'say "x"', 'é\u200b\n'], budget()),
      `[{'k': None, 1: (True,)}, 1.0, "it's", 'say "x"', 'é\\u200b\\n']`,
    )
  })
})
