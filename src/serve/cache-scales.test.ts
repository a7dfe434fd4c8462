/** How scales of an int8 cache grow, and go back. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { TINY } from '../../test/tiny-decoder.ts'
import { isCutTooMuch, mostCut, widenScales } from './cache-scales.ts'
import { kvWidth } from './decoder-graph.ts'
import { CACHE_KINDS, KvCache, slotRow, slotScales } from './kv-cache.ts'

let runtime: Runtime
before(async () => {
  runtime = await createRuntime()
})
after(() => runtime.dispose())

const LENGTH = 3
const SLOT = 1

test('a channel that is cut off gets twice the scale and half the rows', async () => {
  const cache = filledCache()
  const [layer, head, element] = [1, 1, 5]
  put(cache, { layer, head, element }, [7, -101, 127])
  await widenScales(cache, SLOT, LENGTH)
  const { value, scales } = cache.layers[layer]!
  const channel = head * cache.width + element
  assert.deepEqual(column(value.data, cache, head, element), [4, -51, 64])
  assert.deepEqual(column(value.data, cache, head, element + 1), [1, 2, 3])
  assert.equal(slotRow(scales!.value, SLOT)[channel], 1)
  assert.equal(slotRow(scales!.value, SLOT)[channel + 1], 0.5)
  // Query heads 2 and 3 read head 1.
  const doubled = [...slotRow(scales!.output, SLOT)].flatMap((scale, i) => (scale === 1 ? [i] : []))
  assert.deepEqual(doubled, [2 * cache.width + element, 3 * cache.width + element])
  assert.ok(
    slotRow(scales!.value, 0).every((scale) => scale === 0.5),
    'other slots stay',
  )
  assert.deepEqual([cache.isWidened(0), cache.isWidened(SLOT)], [false, true])
  const other = newCache()
  await cache.copySlot(SLOT, { cache: other, slot: 0, length: LENGTH })
  assert.ok(other.isWidened(0), 'a copy has the scales, and says so')
  for (const slot of [0, SLOT]) other.resetScales(slot)
  cache.resetScales(SLOT)
  for (const one of [cache, other]) {
    assert.ok(!one.isWidened(0) && !one.isWidened(SLOT))
    for (const sizes of Object.values(one.layers[layer]!.scales!)) {
      assert.ok((sizes.data as Float32Array).every((scale) => scale === 0.5))
    }
    one.dispose()
  }
})

test('some of a position may be cut off, and no more', () => {
  const cache = filledCache()
  const most = Math.floor(mostCut(cache))
  for (let cut = 0; cut <= most + 1; cut++) {
    assert.equal(isCutTooMuch(cache, SLOT, LENGTH - 1), cut > most, `${cut} elements`)
    put(cache, { layer: 0, head: 1, element: cut }, [0, 0, cut % 2 ? 127 : -128])
  }
  cache.dispose()
})

test('keys that rotation mixes keep one scale', async () => {
  const cache = filledCache()
  put(cache, { layer: 0, head: 0, element: 11, kind: 'key' }, [1, 2, -127])
  await widenScales(cache, SLOT, LENGTH)
  const { key, scales } = cache.layers[0]!
  const doubled = [...slotRow(scales!.key, SLOT)].flatMap((scale, i) => (scale === 1 ? [i] : []))
  assert.deepEqual(doubled, [3, 11])
  assert.deepEqual(column(key.data, cache, 0, 3), [1, 1, 2])
  cache.dispose()
})

/** Two slots whose scales are 0.5; in the second the rows of every channel are 1, 2, 3. */
function filledCache(): KvCache {
  const cache = newCache()
  for (const layer of cache.layers.keys()) {
    for (const kind of CACHE_KINDS) {
      for (let head = 0; head < cache.heads; head++) {
        for (let element = 0; element < cache.width; element++) {
          put(cache, { layer, head, element, kind }, [1, 2, 3])
        }
      }
    }
  }
  return cache
}

function newCache(): KvCache {
  const sizes = () => new Float32Array(kvWidth(TINY)).fill(0.5)
  const scales = Array.from({ length: TINY.numLayers }, () => ({ key: sizes(), value: sizes() }))
  const size = { slots: 2, capacity: 8, form: 'int8', scales: slotScales(TINY, scales) } as const
  return new KvCache(runtime, TINY, size)
}

function put(
  cache: KvCache,
  place: { layer: number; head: number; element: number; kind?: 'key' | 'value' },
  rows: readonly number[],
): void {
  const { layer, head, element, kind = 'value' } = place
  const start = cache.offset(SLOT, head) + element
  rows.forEach((row, i) => {
    cache.layers[layer]![kind].data[start + i * cache.width] = row
  })
}

function column(
  data: { readonly [i: number]: unknown },
  cache: KvCache,
  head: number,
  element: number,
): number[] {
  const start = cache.offset(SLOT, head) + element
  return Array.from({ length: LENGTH }, (_, i) => Number(data[start + i * cache.width]))
}
