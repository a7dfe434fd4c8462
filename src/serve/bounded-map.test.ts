import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BoundedMap } from './bounded-map.ts'

test('what was used longest ago goes first, and the bytes never exceed the budget', () => {
  const map = new BoundedMap<string>(10)
  map.set('a', 'A', 4)
  map.set('b', 'B', 4)
  assert.equal(map.get('a'), 'A')
  map.set('c', 'C', 4)
  assert.deepEqual(
    ['a', 'b', 'c'].map((key) => map.get(key)),
    ['A', undefined, 'C'],
  )
  assert.equal(map.bytes, 8)
})

test('a value in the place of another takes its bytes, and one that is too large is not kept', () => {
  const map = new BoundedMap<string>(10)
  map.set('a', 'A', 8)
  map.set('a', 'AA', 9)
  assert.deepEqual([map.get('a'), map.bytes], ['AA', 9])
  map.set('b', 'B', 11)
  assert.deepEqual([map.get('a'), map.get('b'), map.bytes], ['AA', undefined, 9])
  map.set('a', 'A', 11)
  assert.deepEqual([map.get('a'), map.bytes], [undefined, 0])
})
