import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { AbortListeners } from './abort-listeners.ts'

test('callbacks of one signal share one listener, which goes with the last of them', () => {
  const listeners = new AbortListeners()
  const { signal } = new AbortController()
  const removals = Array.from({ length: 20 }, () => listeners.add(signal, () => assert.fail()))
  assert.equal(getEventListeners(signal, 'abort').length, 1)
  for (const remove of removals) {
    remove()
    remove()
  }
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('an abort calls back once each who still listens, of that signal only', () => {
  const listeners = new AbortListeners()
  const first = new AbortController()
  const second = new AbortController()
  const called: string[] = []
  listeners.add(first.signal, () => called.push('a'))
  listeners.add(first.signal, () => called.push('removed'))()
  listeners.add(second.signal, () => called.push('other'))
  listeners.add(first.signal, () => called.push('b'))
  first.abort()
  first.abort()
  assert.deepEqual(called, ['a', 'b'])
  assert.equal(getEventListeners(first.signal, 'abort').length, 0)
})
