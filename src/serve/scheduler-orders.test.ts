/** Sequences that come and go in any order, in forms too: each gets what it gets alone, bit for bit. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Rng } from '../core/rng.ts'
import { assertSame, CONFIG, SchedulerRuns, type Trace } from '../../test/scheduler-runs.ts'
import { firstOf } from '../../test/thorough.ts'
import { drawIds, TinyDecoder } from '../../test/tiny-decoder.ts'
import type { CacheForm } from './decoder-graph.ts'
import { sequenceBytes } from './kv-cache.ts'
import type { Scheduler } from './scheduler.ts'

const runs = new SchedulerRuns()

/** Of one position and of many, alone and alike, with common beginnings of all lengths. */
const PROMPTS = [
  ...[1, 2, 3, 31, 32, 33, 64, 300, 1000].map((length) => drawIds(length, length)),
  ...[1, 2, 7, 8, 40, 300].map((rest) => [...drawIds(500, 99), ...drawIds(rest, rest)]),
  drawIds(300, 300),
  drawIds(300, 300),
]
const LENGTHS = [9, 3, 12, 1, 7]

const KINDS = [
  { name: 'a float32 cache and in a form', form: 'f32', weights: 'f32', scale: 1, free: 3 },
  { name: 'an int8 cache beside 4 bits', form: 'int8', weights: 'q4', scale: 1 },
  { name: 'an int8 cache whose scales are too small', form: 'int8', weights: 'f32', scale: 1 / 12 },
  { name: 'a float32 cache', form: 'f32', weights: 'f32', scale: 1 },
  { name: 'a float32 cache beside 4 bits', form: 'f32', weights: 'q4', scale: 1 },
  { name: 'a float32 cache and int8 weights', form: 'f32', weights: 'int8', scale: 1 },
  { name: 'an int8 cache and weights', form: 'int8', weights: 'int8', scale: 1 },
] as const

for (const kind of firstOf(3, KINDS)) {
  const { name, form, weights, scale } = kind
  describe(`over ${name} the order of events never changes an answer`, () => {
    let usual: TinyDecoder
    before(async () => {
      usual = runs.decoder
      runs.decoder = await TinyDecoder.create(runs.runtime, form, {
        config: CONFIG,
        weights,
        scale,
      })
      await runs.decoder.runner.prepareTogether()
    })
    after(async () => {
      await runs.decoder.dispose()
      runs.decoder = usual
    })
    // Whoever is read again reads all of it: long prompts would take most of the time of this file.
    const prompts = scale === 1 ? PROMPTS : PROMPTS.filter(({ length }) => length <= 300)
    testOrders(form, { prompts, isShared: scale === 1, free: 'free' in kind ? kind.free : 8 })
  })
}

function testOrders(
  form: CacheForm,
  {
    prompts,
    isShared,
    free,
  }: {
    readonly prompts: readonly (readonly number[])[]
    readonly isShared: boolean
    readonly free: number
  },
): void {
  const asked = (ids: readonly number[], count: number, lateMs = () => 0) =>
    runs.greedy(ids, count, { free, lateMs })
  const lengthOf = (i: number) => LENGTHS[i % LENGTHS.length]!
  const alone: Trace[] = []
  before(async () => {
    for (const [i, ids] of prompts.entries()) {
      const scheduler = runs.scheduler({ prefixCache: false, maxRows: 1 })
      const request = asked(ids, lengthOf(i))
      await scheduler.submit(request).done
      alone.push(request.trace)
    }
  })

  async function runAll(
    scheduler: Scheduler,
    order: readonly number[],
    pause: () => Promise<void> = async () => {},
    lateMs?: () => number,
  ): Promise<void> {
    const pending: { readonly i: number; readonly trace: Trace; readonly done: Promise<void> }[] =
      []
    for (const i of order) {
      const request = asked(prompts[i]!, lengthOf(i), lateMs)
      pending.push({ i, trace: request.trace, done: scheduler.submit(request).done })
      await pause()
    }
    await Promise.all(pending.map(({ done }) => done))
    for (const { i, trace } of pending) assertSame(trace, alone[i]!)
  }

  const all = prompts.map((_, i) => i)

  test('all at once, again when all is kept, and one by one then', async () => {
    const scheduler = runs.scheduler()
    await runAll(scheduler, all)
    await runAll(scheduler, all.toReversed())
    for (const i of all) await runAll(scheduler, [i])
    const { cachedTokens, promptTokens, widened } = scheduler.stats.counters
    if (isShared) assert.ok(cachedTokens > promptTokens / 2, 'beginnings were shared')
    assert.equal(widened > 0, !isShared)
  })

  for (const maxRows of firstOf(2, [2, 5, 1])) {
    test(`in any order and at any time, ${maxRows} together`, async () => {
      const rng = new Rng(maxRows)
      const scheduler = runs.scheduler({ maxRows })
      const order = all.concat(all).sort(() => rng.uniform() - 0.5)
      await runAll(scheduler, order, async () => {
        for (let i = rng.integer(6); i > 0; i--) await new Promise(setImmediate)
      })
    })
  }

  test('where forms of some are late, which sit steps out', async () => {
    const rng = new Rng(1)
    // The last one is more than a jump waits for.
    const lateMs = () => [0, 0, 0, 0, 12, 25, 80][rng.integer(7)]!
    await runAll(runs.scheduler({ maxRows: 5 }), all, async () => {}, lateMs)
  })

  for (const maxRows of firstOf(2, [2, 16, 5])) {
    test(`where short ones go before long ones, ${maxRows} together`, async () => {
      const rng = new Rng(maxRows)
      const scheduler = runs.scheduler({ maxRows, turnMs: 0 })
      const turns = (count: number) => async () => {
        for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
      }
      for (let round = 0; round < 3; round++) {
        const order = all.toSorted(() => rng.uniform() - 0.5)
        await runAll(scheduler, order, turns(round * 20))
      }
    })
  }

  for (const turnMs of [undefined, 0]) {
    const name = `where memory is short${turnMs === 0 ? ' and turns too' : ''}`
    test(`${name}: what is kept goes, and rows give way`, async () => {
      const kvBytes = sequenceBytes(CONFIG, form, 1100)
      const scheduler = runs.scheduler({ kvBytes, ...(turnMs === 0 && { turnMs }) })
      let most = 0
      const watch = async () => {
        most = Math.max(most, scheduler.stats.kvBytes)
        await new Promise(setImmediate)
      }
      await runAll(scheduler, all, watch)
      await runAll(scheduler, all.toReversed(), watch)
      if (isShared) assert.ok(scheduler.stats.counters.evictedTokens > 0)
      // Slots of rows that were longer once may take a quarter more for a while.
      assert.ok(most <= 1.25 * kvBytes, `${most / kvBytes} of the budget`)
    })
  }

  test('answers that get longer than expected begin again and go on', async () => {
    // Two rows fit as long as they are expected to get, not as long as they may.
    const kvBytes = 2 * sequenceBytes(CONFIG, form, 285)
    const scheduler = runs.scheduler({ kvBytes, prefixCache: false })
    const prompts = [drawIds(20, 1), drawIds(30, 2)]
    const requests = prompts.map((ids) => asked(ids, 330))
    await Promise.all(requests.map((request) => scheduler.submit(request).done))
    const { preempted, prefilledTokens, completionTokens } = scheduler.stats.counters
    // The prompt is read again; what was answered comes back as it came, and counts once.
    assert.deepEqual([preempted, prefilledTokens, completionTokens], [1, 20 + 30 + 30, 2 * 330])
    assert.equal(scheduler.stats.counters.jumps > 0, free < 8)
    for (const [i, ids] of prompts.entries()) {
      const request = asked(ids, 330)
      await runs.scheduler({ maxRows: 1 }).submit(request).done
      assertSame(requests[i]!.trace, request.trace)
    }
  })

  test('a prompt that holds an earlier answer is what it is to a stranger', async () => {
    const scheduler = runs.scheduler()
    for (const length of [9, 40, 200]) {
      const question = drawIds(length, length)
      const first = asked(question, 30)
      await scheduler.submit(first).done
      const ids = [...question, ...first.trace.tokens, ...drawIds(12, 3)]
      const [warm, cold] = [asked(ids, 6), asked(ids, 6)]
      await scheduler.submit(warm).done
      await runs.scheduler({ maxRows: 1, prefixCache: false }).submit(cold).done
      const kept = isShared ? length : 0
      assert.equal(warm.trace.cachedLength, kept, 'what came one by one has other numbers')
      assertSame(warm.trace, cold.trace)
    }
  })
}

// A form that was late for a moment changed where an answer was read at once, and its log-probabilities by 1e-6.
for (const free of [1, 2]) {
  describe(`with ${free} free tokens between forced texts`, () => {
    const LATE_MS = [0, 0, 0, 0, 12, 25, 80]

    /** Answers whose forms are late at random are what they are alone, where nothing is late. */
    async function assertUndisturbed(
      scheduler: Scheduler,
      parts: {
        readonly prompts: readonly (readonly number[])[]
        readonly count: number
        readonly lateMs: readonly number[]
        readonly beside?: (isOver: () => boolean) => Promise<void>
      },
    ): Promise<void> {
      const { prompts, count, beside } = parts
      const rng = new Rng(free)
      const late = () => parts.lateMs[rng.integer(parts.lateMs.length)]!
      const requests = prompts.map((ids) =>
        runs.greedy(ids, count, { free, lateMs: late, aheadMs: late }),
      )
      let isOver = false
      const done = Promise.all(requests.map((request) => scheduler.submit(request).done))
      void done.finally(() => (isOver = true))
      await beside?.(() => isOver)
      await done
      for (const [i, { trace }] of requests.entries()) {
        const alone = runs.greedy(prompts[i]!, count, { free })
        await runs.scheduler({ maxRows: 1, prefixCache: false }).submit(alone).done
        assertSame(trace, alone.trace)
      }
    }

    test('late forms and prompts that come between change no number', async () => {
      const scheduler = runs.scheduler({ maxRows: 5, prefixCache: false })
      const prompts = [20, 33, 64, 7, 100].map((length) => drawIds(length, length))
      const beside = async (isOver: () => boolean) => {
        for (let seed = 1000; !isOver(); seed++) {
          await scheduler.submit(runs.greedy(drawIds(100, seed), 1)).done
          await new Promise(setImmediate)
        }
      }
      await assertUndisturbed(scheduler, { prompts, count: 40, lateMs: LATE_MS, beside })
      assert.ok(scheduler.stats.counters.jumps > 0)
    })

    test('nor does it that a row gives way and comes back', async () => {
      const kvBytes = 2 * sequenceBytes(CONFIG, 'f32', 285)
      const prompts = [drawIds(20, 1), drawIds(30, 2)]
      const lateMs = [...Array<number>(40).fill(0), 8, 12]
      // One gives way where both are long at the same time; on a busy machine one may be over before.
      let preempted = 0
      for (let i = 0; i < 8 && preempted === 0; i++) {
        const scheduler = runs.scheduler({ kvBytes, prefixCache: false })
        await assertUndisturbed(scheduler, { prompts, count: 330, lateMs })
        preempted = scheduler.stats.counters.preempted
      }
      assert.ok(preempted > 0)
    })
  })
}

test('a row that jumps at once where a jump ended makes no step between, and the others do', async () => {
  const scheduler = runs.scheduler()
  const alone = await runs.record(
    async () => scheduler.submit(runs.greedy(drawIds(9, 1), 17, { free: 1 })).done,
  )
  // The prompt gives the free token, and each run the next, with the seven before it.
  assert.deepEqual(alone, [[9], [8], [8]])
  const beside = await runs.record(async () => {
    const both = [runs.greedy(drawIds(9, 1), 17, { free: 1 }), runs.greedy(drawIds(12, 2), 3)]
    await Promise.all(both.map((request) => scheduler.submit(request).done))
  })
  assert.deepEqual(beside, [[9, 12], [8], 'step 2', [8], 'step 1'])
})
