/** How scales of an int8 cache grow. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { TINY } from '../../test/tiny-decoder.ts'
import { setScales, shareCut, widenScales } from './cache-scales.ts'
import { KvCache, slotRow } from './kv-cache.ts'

let runtime: Runtime
before(async () => {
  runtime = await createRuntime()
})
after(() => runtime.dispose())

const LENGTH = 3
const SLOT = 1
const NEWEST = { slot: SLOT, from: LENGTH - 1, to: LENGTH }

test('a channel that is cut off gets twice the scale and half the rows', async () => {
  const cache = await filledCache()
  const [layer, head, element] = [1, 1, 5]
  put(cache, { layer, head, element }, [7, -101, 127])
  assert.equal(shareCut(cache, NEWEST), 1 / (2 * 2 * 32))
  await widenScales(cache, NEWEST)
  const { value, scales } = cache.layers[layer]!
  const channel = head * cache.width + element
  assert.deepEqual(column(value.data, cache, head, element), [4, -51, 64])
  assert.deepEqual(column(value.data, cache, head, element + 1), [1, 2, 3])
  assert.equal(slotRow(scales!.value, SLOT)[channel], 1)
  assert.equal(slotRow(scales!.value, SLOT)[channel + 1], 0.5)
  // Query heads 2 and 3 read head 1.
  const doubled = [...slotRow(scales!.output, SLOT)].flatMap((scale, i) => (scale === 1 ? [i] : []))
  assert.deepEqual(doubled, [2 * cache.width + element, 3 * cache.width + element])
  assert.equal(shareCut(cache, NEWEST), 0)
  assert.ok(
    slotRow(scales!.value, 0).every((scale) => scale === 0.5),
    'other slots stay',
  )
  cache.dispose()
})

test('keys that rotation mixes keep one scale', async () => {
  const cache = await filledCache()
  put(cache, { layer: 0, head: 0, element: 11, kind: 'key' }, [1, 2, -127])
  await widenScales(cache, NEWEST)
  const { key, scales } = cache.layers[0]!
  const doubled = [...slotRow(scales!.key, SLOT)].flatMap((scale, i) => (scale === 1 ? [i] : []))
  assert.deepEqual(doubled, [3, 11])
  assert.deepEqual(column(key.data, cache, 0, 3), [1, 1, 2])
  cache.dispose()
})

test('rows keep their values within half a step when scales are set anew', async () => {
  const cache = await filledCache()
  const part = { layer: 0, kind: 'value', slot: SLOT } as const
  const next = slotRow(cache.layers[0]!.scales!.value, SLOT).map((scale) => scale * 1.7)
  await setScales(cache, part, { next, length: LENGTH })
  column(cache.layers[0]!.value.data, cache, 0, 0).forEach((row, i) => {
    assert.ok(Math.abs(row * 0.85 - (i + 1) * 0.5) <= 0.85 / 2)
  })
  cache.dispose()
})

/** Two slots whose scales are 0.5; in the second the rows of every channel are 1, 2, 3. */
async function filledCache(): Promise<KvCache> {
  const cache = new KvCache(runtime, TINY, { slots: 2, capacity: 8, form: 'int8' })
  const next = new Float32Array(cache.heads * cache.width).fill(0.5)
  for (const layer of cache.layers.keys()) {
    for (const kind of ['key', 'value'] as const) {
      for (const slot of [0, 1]) await setScales(cache, { layer, kind, slot }, { next, length: 0 })
      for (let head = 0; head < cache.heads; head++) {
        for (let element = 0; element < cache.width; element++) {
          put(cache, { layer, head, element, kind }, [1, 2, 3])
        }
      }
    }
  }
  return cache
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
