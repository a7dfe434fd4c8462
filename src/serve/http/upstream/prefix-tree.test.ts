import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PrefixTree } from './prefix-tree.ts'

test('it finds for each worker the longest beginning that it has read', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 8 })
  const readings = fc.array(fc.tuple(word, fc.constantFrom('x', 'y')), { maxLength: 12 })
  fc.assert(
    fc.property(readings, word, (added, key) => {
      const tree = new PrefixTree<string>(10_000)
      for (const [text, worker] of added) tree.add(text, worker)
      const longest = (worker: string) =>
        Math.max(0, ...added.filter(([, by]) => by === worker).map(([text]) => shared(text, key)))
      for (const worker of ['x', 'y']) {
        assert.equal(tree.match(key).get(worker) ?? 0, longest(worker))
      }
    }),
  )
})

test('the size of a worker is that of the distinct beginnings that it has read', () => {
  const tree = new PrefixTree<string>(10_000)
  tree.add('one picture', 'x')
  tree.add('one pixel', 'x')
  tree.add('one pixel', 'y')
  assert.equal(tree.sizeOf('x'), 'one picture'.length + 'xel'.length)
  assert.equal(tree.sizeOf('y'), 'one pixel'.length)
})

test('what was used longest ago is forgotten first, and the bound holds', () => {
  const tree = new PrefixTree<string>(400)
  for (let i = 0; i < 20; i++) {
    tree.add('the system prompt that all share', 'x')
    tree.add(`the system prompt that all share: question ${i}, with words of its own`, 'x')
    assert.ok(tree.sizeOf('x') <= 400)
  }
  const match = (key: string) => tree.match(key).get('x') ?? 0
  assert.equal(match('the system prompt that all share'), 32)
  assert.ok(match('the system prompt that all share: question 19, with words of its own') > 60)
  assert.ok(match('the system prompt that all share: question 0, with words of its own') < 50)
})

test('a worker that was started anew has read nothing, and the others are as they were', () => {
  const tree = new PrefixTree<string>(1000)
  tree.add('hello', 'x')
  tree.add('hello there', 'y')
  tree.forget('y')
  assert.deepEqual([...tree.match('hello there')], [['x', 5]])
  assert.equal(tree.sizeOf('y'), 0)
})

function shared(a: string, b: string): number {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length++
  return length
}
