import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OneATurn } from './one-a-turn.ts'

test('of those that come together one begins in each turn, in order, and one alone begins at once', () => {
  const deferred: (() => void)[] = []
  const turns = new OneATurn((next) => deferred.push(next))
  const begun: string[] = []
  for (const name of ['a', 'b', 'c']) turns.start(() => begun.push(name))
  assert.deepEqual(begun, ['a'])
  while (deferred.length > 0) {
    const before = begun.length
    deferred.shift()?.()
    assert.ok(begun.length <= before + 1)
  }
  assert.deepEqual(begun, ['a', 'b', 'c'])
  turns.start(() => begun.push('d'))
  assert.deepEqual(begun, ['a', 'b', 'c', 'd'])
})

test('one that throws holds nobody up', () => {
  const deferred: (() => void)[] = []
  const turns = new OneATurn((next) => deferred.push(next))
  assert.throws(() =>
    turns.start(() => {
      throw new Error('no')
    }),
  )
  const begun: string[] = []
  turns.start(() => begun.push('next'))
  deferred.shift()?.()
  assert.deepEqual(begun, ['next'])
})
