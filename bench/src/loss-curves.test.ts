import assert from 'node:assert/strict'
import { test } from 'node:test'
import { comparison, formatComparison } from './loss-curves.ts'

const flat = (value: number) => Array.from({ length: 12 }, () => value)

test('a difference is taken seed by seed and compared with the spread of seeds', () => {
  const exact = [flat(1), flat(2), flat(3)]
  const near = comparison(exact, [flat(1.1), flat(2.1), flat(3.1)])
  assert.equal(near.windows.length, 6)
  const [first] = near.windows
  assert.ok(first)
  assert.deepEqual([first.from, first.to, first.exact, first.spread], [0, 2, 2, 1])
  assert.ok(Math.abs(first.difference - 0.1) < 1e-9 && first.error < 1e-9)
  assert.equal(near.within, 6)
  const far = comparison(exact, [flat(3), flat(4), flat(5)])
  assert.equal(far.within, 0)
  assert.match(formatComparison(far), /paired difference \+2\.0000 ± 0\.0000 {2}OUTSIDE\n/)
  assert.match(formatComparison(near), / 6 of 6 windows$/)
})
