import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KvCache } from './kv-cache.ts'
import { commonLength, PrefixStore } from './prefix-store.ts'

type FakeCache = KvCache & { isDisposed: boolean }

function cache(bytes: number, capacity = 100, slots = 1): FakeCache {
  const fake = {
    bytes,
    capacity,
    slots,
    isDisposed: false,
    dispose: () => (fake.isDisposed = true),
  }
  return fake as unknown as FakeCache
}

test('the cache that shares most of the beginning is taken out', () => {
  const store = new PrefixStore(100)
  const [a, b] = [cache(1), cache(1)]
  store.put({ keys: [1, 2, 3, 9], cache: a })
  store.put({ keys: [1, 2, 3, 4, 9], cache: b })
  assert.deepEqual(store.take([1, 2, 3, 4, 5], 1), { keys: [1, 2, 3, 4, 9], cache: b, shared: 4 })
  assert.equal(store.take([1, 2, 3, 4, 5], 1)?.cache, a)
  assert.equal(store.take([1, 2, 3, 4, 5], 1), null)
})

test('sharing too little is not worth the taking', () => {
  const store = new PrefixStore(100)
  store.put({ keys: [1, 2, 3], cache: cache(1) })
  assert.equal(store.take([1, 2, 9], 3), null)
  assert.equal(store.take([9], 1), null)
  assert.equal(store.take([1, 2, 3], 3)?.shared, 3)
})

test('the oldest go when the budget is full, and are disposed of', () => {
  const store = new PrefixStore(10)
  const caches = [cache(4), cache(4), cache(4)]
  caches.forEach((one, i) => store.put({ keys: [i], cache: one }))
  assert.deepEqual(
    caches.map((one) => one.isDisposed),
    [true, false, false],
  )
  assert.equal(store.bytes, 8)
  const large = cache(11)
  store.put({ keys: [7], cache: large })
  assert.ok(large.isDisposed && caches.every((one) => one.isDisposed))
})

test('memory is taken from what holds nothing, else from the oldest of a full store', () => {
  const store = new PrefixStore(10)
  const [old, empty] = [cache(3), cache(3)]
  store.put({ keys: [1], cache: old })
  store.put({ keys: [], cache: empty })
  const wanted = { slots: 1, capacity: 50, bytes: 3 }
  assert.equal(store.takeMemory(wanted), empty)
  assert.equal(store.takeMemory(wanted), null)
  assert.equal(store.takeMemory({ ...wanted, bytes: 8 }), old)
  store.put({ keys: [], cache: cache(3, 20) })
  store.put({ keys: [], cache: cache(3, 100, 2) })
  assert.equal(store.takeMemory(wanted), null)
})

test('disposing disposes of all', () => {
  const store = new PrefixStore(10)
  const caches = [cache(0), cache(5)]
  for (const one of caches) store.put({ keys: [], cache: one })
  store.dispose()
  assert.ok(caches.every((one) => one.isDisposed))
})

test('the common beginning of two lists', () => {
  assert.equal(commonLength([1, 2, 3], [1, 2, 4]), 2)
  assert.equal(commonLength([1, 2], [1, 2, 3]), 2)
  assert.equal(commonLength([], [1]), 0)
})
