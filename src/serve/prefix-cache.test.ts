/** Beginnings come back as they went in, the oldest go first, and what somebody copies stays. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Rng } from '../core/rng.ts'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { TINY } from '../../test/tiny-decoder.ts'
import { commonLength } from './common-length.ts'
import { BLOCK_POSITIONS, BlockFormat } from './kv-blocks.ts'
import { CACHE_KINDS, KvCache } from './kv-cache.ts'
import { PrefixCache } from './prefix-cache.ts'

const CAPACITY = 512
let runtime: Runtime
before(async () => {
  runtime = await createRuntime()
})
after(() => runtime.dispose())

function newCache(form: 'f32' | 'int8', slots = 2): KvCache {
  return new KvCache(runtime, TINY, { slots, capacity: CAPACITY, form })
}

/** Elements of positions [from, to) of a slot. */
function elements(cache: KvCache, slot: number, from: number, to: number): number[] {
  return cache.layers.flatMap((layer) =>
    CACHE_KINDS.flatMap((kind) => {
      return Array.from({ length: cache.heads }, (_, head) => {
        const start = cache.offset(slot, head)
        const rows = layer[kind].data.subarray(start + from * cache.width, start + to * cache.width)
        return Array.from(rows as Float32Array)
      }).flat()
    }),
  )
}

/** Fills a slot with what follows from its keys, as a decoder would. */
function fill(cache: KvCache, slot: number, keys: readonly number[]): void {
  for (const [i, layer] of cache.layers.entries()) {
    for (const [k, kind] of CACHE_KINDS.entries()) {
      for (let head = 0; head < cache.heads; head++) {
        const start = cache.offset(slot, head)
        const rng = new Rng(100 * i + 10 * k + head)
        for (const [position, key] of keys.entries()) {
          for (let c = 0; c < cache.width; c++) {
            const value = Math.round(((key * 7 + c * 3 + position) % 19) * rng.uniform() * 4)
            layer[kind].data[start + position * cache.width + c] = value
          }
        }
      }
    }
  }
}

const keysOf = (length: number, seed: number): number[] => {
  const rng = new Rng(seed)
  return Array.from({ length }, () => rng.integer(50) - 10)
}

for (const form of ['f32', 'int8'] as const) {
  test(`what was kept of ${form} comes back as it was, from any position on and within a block`, async () => {
    const cache = newCache(form)
    const prefixes = new PrefixCache(TINY, form)
    const keys = keysOf(100, 1)
    fill(cache, 0, keys)
    await prefixes.store({ salt: '', keys }, { cache, slot: 0 }, 1e9)
    assert.equal(prefixes.positions, 96, 'the last four are not worth a block')
    for (const [start, length] of [
      [0, 96],
      [0, 70],
      [33, 34],
      [31, 64],
    ] as const) {
      const other = [...keys.slice(0, length), 999]
      const found = prefixes.find({ salt: '', keys: other })
      assert.equal(found.length, length)
      const target = newCache(form)
      await prefixes.load(found, { cache: target, slot: 1 }, { start, length })
      assert.deepEqual(elements(target, 1, start, length), elements(cache, 0, start, length))
      assert.equal(target.touched(1), length)
      prefixes.release(found)
      target.dispose()
    }
    assert.equal(prefixes.find({ salt: 'other', keys }).length, 0)
    cache.dispose()
  })
}

test('as much is found as any kept sequence shares, within the budget, whatever was kept and when', async () => {
  const cache = newCache('f32')
  const block = new BlockFormat(TINY, 'f32').bytes
  const rng = new Rng(3)
  for (const budget of [1e9, 12 * block, 3 * block, 0]) {
    const prefixes = new PrefixCache(TINY, 'f32')
    const stored: number[][] = []
    for (let i = 0; i < 60; i++) {
      const old = stored[rng.integer(stored.length || 1)] ?? []
      const keys = [...old.slice(0, rng.integer(old.length + 1)), ...keysOf(rng.integer(90), i)]
      if (keys.length === 0 || keys.length > CAPACITY) continue
      fill(cache, 0, keys)
      const before = prefixes.find({ salt: '', keys })
      const most = Math.max(0, ...stored.map((other) => commonLength(other, keys)))
      assert.ok(before.length <= most)
      if (budget === 1e9) assert.ok(before.length > most - 8, 'only a short rest is not kept')
      await prefixes.load(before, { cache, slot: 1 }, { start: 0, length: before.length })
      assert.deepEqual(elements(cache, 1, 0, before.length), elements(cache, 0, 0, before.length))
      prefixes.release(before)
      await prefixes.store({ salt: '', keys }, { cache, slot: 0 }, budget)
      stored.push(keys)
      assert.ok(prefixes.bytes <= budget)
      assert.ok(prefixes.positions * block <= prefixes.bytes * BLOCK_POSITIONS)
    }
  }
  cache.dispose()
})

test('the least recently used goes first, from its end, and never what is being copied', async () => {
  const cache = newCache('f32')
  const block = new BlockFormat(TINY, 'f32').bytes
  const prefixes = new PrefixCache(TINY, 'f32')
  const [a, b, c] = [1, 2, 3].map((seed) => keysOf(64, seed)) as [number[], number[], number[]]
  const lengthOf = (keys: number[]) => {
    const found = prefixes.find({ salt: '', keys })
    prefixes.release(found)
    return found.length
  }
  for (const keys of [a, b]) {
    fill(cache, 0, keys)
    await prefixes.store({ salt: '', keys }, { cache, slot: 0 }, 4 * block)
  }
  const held = prefixes.find({ salt: '', keys: b })
  assert.equal(lengthOf(a), 64)
  fill(cache, 0, c)
  await prefixes.store({ salt: '', keys: c }, { cache, slot: 0 }, 4 * block)
  assert.deepEqual([lengthOf(c), lengthOf(b)], [64, 64], 'a was used later, but b is held')
  assert.equal(prefixes.evictedPositions, 64)
  prefixes.shrink(3 * block)
  assert.deepEqual([lengthOf(c), lengthOf(b)], [32, 64])
  prefixes.shrink(0)
  assert.equal(prefixes.bytes, 2 * block)
  prefixes.release(held)
  prefixes.shrink(0)
  assert.deepEqual([prefixes.bytes, prefixes.positions], [0, 0])
  cache.dispose()
})

test('a beginning that many share is kept once', async () => {
  const cache = newCache('f32')
  const prefixes = new PrefixCache(TINY, 'f32')
  const common = keysOf(256, 1)
  for (let seed = 10; seed < 20; seed++) {
    const keys = [...common, ...keysOf(32, seed)]
    fill(cache, 0, keys)
    await prefixes.store({ salt: '', keys }, { cache, slot: 0 }, 1e9)
  }
  assert.equal(prefixes.positions, 256 + 10 * 32)
  cache.dispose()
})
