import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lots } from './lots.ts'

const drawn = (lots: Lots) => Array.from({ length: 20 }, () => lots.integer(0, 1000))

test('the same name draws the same, another name something else', () => {
  assert.deepEqual(drawn(new Lots('a')), drawn(new Lots('a')))
  assert.notDeepEqual(drawn(new Lots('a')), drawn(new Lots('b')))
})

test('a fork does not depend on what was drawn before it', () => {
  const [fresh, used] = [new Lots('a'), new Lots('a')]
  drawn(used)
  assert.deepEqual(drawn(fresh.fork('x')), drawn(used.fork('x')))
})

test('a deck gives every item before any comes again', () => {
  const next = new Lots('deck').deck(['a', 'b', 'c'])
  for (let round = 0; round < 50; round++) {
    assert.deepEqual([next(), next(), next()].sort(), ['a', 'b', 'c'])
  }
})

test('whole numbers reach both ends and stay between them', () => {
  const lots = new Lots('ends')
  const seen = new Set(Array.from({ length: 300 }, () => lots.integer(2, 5)))
  assert.deepEqual([...seen].sort(), [2, 3, 4, 5])
})
