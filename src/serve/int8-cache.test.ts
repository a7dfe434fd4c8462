/** Sequences over an int8 cache: near those over a float32 cache, and the same however they are grouped. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { drawIds, TINY, TinyDecoder } from '../../test/tiny-decoder.ts'
import type { CacheForm } from './decoder-graph.ts'
import { CACHE_KINDS, sequenceBytes, slotRow, type KvCache } from './kv-cache.ts'
import { SequenceGroup } from './sequence-group.ts'

let runtime: Runtime
before(async () => {
  runtime = await createRuntime()
})
after(() => runtime.dispose())

/**
 * Relative to the size of the logits. Random weights amplify rounding: each of two layers rounds a hundredth of what a
 * scale covers, and short windows average little of it away. A cut-off or misplaced row is off by 0.3 and more.
 */
const TOLERANCE = 0.25
const TYPICAL = 0.05
const CAPACITY = 160

test('the logits of a prompt are near those of the float32 cache', async () => {
  await withBoth(async (decoder) => {
    const trial = new Trial(decoder, 1)
    const logits = await trial.add(drawIds(40, 1))
    trial.dispose()
    return logits
  }, TOLERANCE)
})

for (const slidingWindow of [null, 5]) {
  test(`steps after a prompt are near those of the float32 cache, window ${slidingWindow}`, async () => {
    const config = { ...TINY, attention: { ...TINY.attention, slidingWindow } }
    for (const length of [90, 12, 1]) {
      const run = async (decoder: TinyDecoder) => {
        const trial = new Trial(decoder, 1)
        await trial.add(drawIds(length, 1))
        const rows = await trial.steps([drawIds(30, 2)])
        trial.dispose()
        return rows[0]!
      }
      await withBoth(run, TOLERANCE, config)
    }
  })
}

test('sequences with scales of their own give together what each gives alone, bit for bit', async () => {
  const decoder = await TinyDecoder.create(runtime, 'int8', { weights: 'int8', scale: 1 / 12 })
  const prompts = [drawIds(40, 1), drawIds(7, 2), drawIds(90, 3)]
  const forced = [4, 5, 6].map((seed) => drawIds(25, seed))
  const together = new Trial(decoder, 3)
  for (const prompt of prompts) await together.add(prompt)
  const rows = await together.steps(forced)
  assert.ok(!together.cache.hasEqualScales(0, 2), 'the prompts should need other scales')
  for (const [i, prompt] of prompts.entries()) {
    const alone = new Trial(decoder, 1)
    await alone.add(prompt)
    assert.deepEqual((await alone.steps([forced[i]!]))[0], rows[i])
    alone.dispose()
  }
  together.dispose()
  decoder.dispose()
})

test('a fork, a removed row and reordered rows take their scales along', async () => {
  const decoder = await TinyDecoder.create(runtime, 'int8', { weights: 'int8', scale: 1 / 12 })
  const [first, second] = [drawIds(40, 1), drawIds(9, 2)]
  const [a, b, c] = [drawIds(8, 3), drawIds(8, 4), drawIds(8, 5)]
  const trial = new Trial(decoder, 3)
  await trial.add(first)
  await trial.add(second)
  await trial.group.reorder([0, 1, 0])
  await trial.steps([a, b, c]) // rows: first a, second b, first c
  await trial.group.reorder([2, 0, 1]) // first c, first a, second b
  await trial.steps([a, a, a])
  await trial.group.reorder([2, 1]) // second b a, first a a
  const rows = await trial.steps([c, c])
  for (const [i, ids] of [
    [...second, ...b],
    [...first, ...a],
  ].entries()) {
    const alone = new Trial(decoder, 1)
    await alone.add(ids.slice(0, -8))
    await alone.steps([[...ids.slice(-8), ...a]])
    assert.deepEqual((await alone.steps([c]))[0], rows[i])
    alone.dispose()
  }
  trial.dispose()
  decoder.dispose()
})

test('a reordered row copies what it lacks, also where scales have grown apart', async () => {
  const decoder = await TinyDecoder.create(runtime, 'int8', { weights: 'int8', scale: 1 / 12 })
  const prompt = drawIds(2, 1)
  const trial = new Trial(decoder, 2)
  await trial.add(prompt)
  await trial.group.reorder([0, 0])
  const [a, b, c] = [drawIds(20, 3), drawIds(20, 4), drawIds(8, 5)]
  await trial.group.reorder([1, 0])
  await trial.steps([a, b])
  await trial.group.reorder([1, 1])
  const [left, right] = await trial.steps([c, c])
  assert.deepEqual(left, right)
  const alone = new Trial(decoder, 1)
  await alone.add(prompt)
  await alone.steps([b])
  assert.deepEqual((await alone.steps([c]))[0], left)
  alone.dispose()
  trial.dispose()
  decoder.dispose()
})

for (const scale of [1, 1 / 12]) {
  test(`a prompt has the same logits and rows however it is cut, ${scale} of the scales`, async () => {
    const decoder = await TinyDecoder.create(runtime, 'int8', { scale })
    for (const length of [2, 33, 64, 200]) {
      const ids = drawIds(length, length)
      const whole = new Trial(decoder, 1, 256)
      const expected = await whole.add(ids)
      assert.equal(whole.cache.isWidened(0), scale < 1)
      for (const cachedLength of [1, 2, 30, 31, 32, 33, 150, 167, 198, 199]) {
        if (cachedLength >= length) continue
        const parts = new Trial(decoder, 1, 256)
        await parts.add(ids.slice(0, cachedLength))
        const reused = new SequenceGroup(decoder.runner, decoder.table, parts.cache)
        const what = { cachedLength, logitRows: [ids.length - 1] }
        assert.deepEqual([await reused.add(decoder.prompt(ids), what, {})], expected)
        assert.deepEqual(parts.rows(length), whole.rows(length))
        assert.deepEqual(parts.scales(), whole.scales())
        parts.dispose()
      }
      whole.dispose()
    }
    decoder.dispose()
  })
}

test('a long prompt, which is read in several runs, is near one over a float32 cache', async () => {
  const config = { ...TINY, maxPositions: 2048 }
  const run = async (decoder: TinyDecoder) => {
    const trial = new Trial(decoder, 1, 1800)
    const logits = await trial.add(drawIds(1700, 1))
    const rows = await trial.steps([drawIds(5, 2)])
    trial.dispose()
    return [...logits, ...rows[0]!]
  }
  await withBoth(run, TOLERANCE, config)
})

test('the bytes of a cache are one an element, and four scales a channel', async () => {
  const decoder = await TinyDecoder.create(runtime, 'int8')
  const trial = new Trial(decoder, 2)
  await trial.add(drawIds(40, 1))
  const [layers, kv, queries] = [2, 2 * 16, 4 * 16]
  const scales = 4 * (2 * kv + 2 * queries)
  // The second slot holds nothing yet but has scales.
  assert.equal(trial.cache.bytes, layers * (2 * kv * 40 + 2 * scales))
  assert.equal(trial.cache.bytes, sequenceBytes(TINY, 'int8', 40) + sequenceBytes(TINY, 'int8', 0))
  assert.equal(sequenceBytes(TINY, 'f32', 40), layers * 2 * kv * 40 * 4)
  trial.dispose()
  decoder.dispose()
})

/** A group with a cache of its own. */
class Trial {
  readonly cache: KvCache
  readonly group: SequenceGroup
  readonly #decoder: TinyDecoder

  constructor(decoder: TinyDecoder, slots: number, capacity = CAPACITY) {
    this.#decoder = decoder
    this.cache = decoder.runner.newCache(slots, capacity)
    this.group = new SequenceGroup(decoder.runner, decoder.table, this.cache)
  }

  /** The logits after the last id. */
  async add(ids: readonly number[]): Promise<Float32Array[]> {
    const what = { cachedLength: 0, logitRows: [ids.length - 1] }
    return [await this.group.add(this.#decoder.prompt(ids), what, {})]
  }

  /** Appends ids to each row, one a step; the logits of each row after each step. */
  async steps(forced: readonly (readonly number[])[]): Promise<Float32Array[][]> {
    const rows: Float32Array[][] = forced.map(() => [])
    for (let i = 0; i < forced[0]!.length; i++) {
      const logits = await this.group.step(
        forced.map((ids) => ids[i]!),
        {},
      )
      const size = logits.length / forced.length
      rows.forEach((row, r) => row.push(logits.slice(r * size, (r + 1) * size)))
    }
    return rows
  }

  /** Keys and values of positions [0, length) of the first slot. */
  rows(length: number): number[] {
    const { layers, heads, width } = this.cache
    return layers.flatMap((layer) =>
      CACHE_KINDS.flatMap((kind) =>
        Array.from({ length: heads }, (_, head) => {
          const start = this.cache.offset(0, head)
          return [...(layer[kind].data as Int8Array).subarray(start, start + length * width)]
        }).flat(),
      ),
    )
  }

  scales(): number[] {
    return this.cache.layers.flatMap(({ scales }) =>
      Object.values(scales!).flatMap((scale) => [...slotRow(scale, 0)]),
    )
  }

  dispose(): void {
    this.group.dispose()
    this.cache.dispose()
  }
}

/** Runs over both forms of cache with the same weights: results, rows of logits, should be near. */
async function withBoth(
  run: (decoder: TinyDecoder) => Promise<Float32Array[]>,
  tolerance: number,
  config = TINY,
): Promise<void> {
  const results: Float32Array[][] = []
  for (const form of ['f32', 'int8'] satisfies CacheForm[]) {
    const decoder = await TinyDecoder.create(runtime, form, { config })
    results.push(await run(decoder))
    decoder.dispose()
  }
  const [exact, rounded] = results as [Float32Array[], Float32Array[]]
  const errors = exact.map((row, i) => assertNear(rounded[i]!, row, tolerance))
  const typical = errors.sort((a, b) => a - b)[errors.length >> 1]!
  assert.ok(typical <= TYPICAL, `half of the rows are off by ${typical} or more`)
}

/** |actual − expected| / |expected| */
function assertNear(actual: Float32Array, expected: Float32Array, tolerance: number): number {
  const norm = (x: Float32Array) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0))
  const error = norm(actual.map((v, i) => v - expected[i]!)) / norm(expected)
  assert.ok(error <= tolerance, `off by ${error}, allowed ${tolerance}`)
  return error
}
