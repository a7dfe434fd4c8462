import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShapeError } from '../core/errors.ts'
import { difference, parseDim, product, resolveShape, sum } from './dimension.ts'

test('equal dimensions are equal text', () => {
  assert.equal(product([2, 'T', 3, 'B']), '6*B*T')
  assert.equal(product(['B*T', 'S']), product(['T', 'S', 'B']))
  assert.equal(product([4, 5]), 20)
  assert.equal(sum(['T', -1, 1]), 'T')
  assert.equal(sum([3, 'S', 'T', 4]), 'S+T+7')
  assert.equal(product([sum(['S', 'T']), 'B']), '(S+T)*B')
  assert.equal(product([1, sum(['S', 'T'])]), 'S+T')
})

test('a difference is the other summand', () => {
  assert.equal(difference('T', 3), 'T+-3')
  assert.equal(difference(sum(['S', 'T', 2]), 'S'), 'T+2')
  assert.equal(difference('T', 'T'), 0)
  assert.equal(difference(sum(['T', 5]), sum(['T', 3])), 2)
  assert.throws(() => difference(3, 'T'), ShapeError)
  assert.throws(() => difference('S', 'T'), ShapeError)
})

test('a dimension read back has the value it was written for', () => {
  const sizes = new Map([
    ['B', 2],
    ['S', 5],
    ['T', 7],
  ])
  const shape = [product([sum(['S', 'T', -1]), 'B', 3]), difference('T', 4), '2*B+S', 9]
  assert.deepEqual(resolveShape(shape, sizes), [66, 3, 9, 9])
  assert.deepEqual(parseDim('T'), { kind: 'symbol', name: 'T' })
  assert.throws(() => resolveShape(['X'], sizes), ShapeError)
})
