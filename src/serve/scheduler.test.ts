/** Sequences that come and go: none keeps the others waiting, none takes them down, and beginnings are shared. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CapacityError } from '../core/errors.ts'
import { assertSame, CONFIG, SchedulerRuns, type Trace } from '../../test/scheduler-runs.ts'
import { drawIds } from '../../test/tiny-decoder.ts'
import { sequenceBytes } from './kv-cache.ts'

const runs = new SchedulerRuns()

describe('nobody waits long', () => {
  test('a long prompt is read in pieces between the steps of a running answer', async () => {
    const scheduler = runs.scheduler({ turnMs: 0 })
    const events = await runs.record(async () => {
      let long: Promise<void> | undefined
      const first = runs.greedy(drawIds(10, 1), 60, {
        onToken: ({ length }) => {
          if (length === 5) long = scheduler.submit(runs.greedy(drawIds(2000, 2), 2)).done
        },
      })
      await scheduler.submit(first).done
      await long
    })
    const pieces = events.flatMap((event) => (typeof event === 'string' ? [] : event))
    assert.equal(
      pieces.reduce((a, b) => a + b, 0),
      2010,
    )
    for (const [i, event] of events.entries()) {
      if (typeof event === 'string' || i === 0) continue
      // The first before it is known how long they take.
      assert.ok(event.length === 1 && event[0]! <= (i < 10 ? 256 : 64), `a run of ${event}`)
      assert.equal(typeof events[i - 1], 'string', 'two pieces without a step between them')
    }
  })

  test('short prompts do not wait for the end of long ones, nor long ones for that of short ones', async () => {
    const scheduler = runs.scheduler({ turnMs: 0, maxRows: 4 })
    const ends: string[] = []
    const began = (name: string, ids: readonly number[]) =>
      runs.greedy(ids, 3, { onToken: ({ length }) => length === 1 && ends.push(name) })
    const events = await runs.record(async () => {
      const long = [1, 2].map(
        (seed) => scheduler.submit(began(`long ${seed}`, drawIds(3000, seed))).done,
      )
      const short = [3, 4, 5].map(
        (seed) => scheduler.submit(began(`short ${seed}`, drawIds(20, seed))).done,
      )
      await Promise.all([...long, ...short])
    })
    assert.deepEqual(ends, ['short 3', 'short 4', 'short 5', 'long 1', 'long 2'])
    // The last of four rows is kept for the long one that came before.
    assert.deepEqual(events.slice(0, 2), [[750], [20, 20]])
    let passed = 0
    const busy = runs.scheduler({ turnMs: 0, maxRows: 4 })
    const running = busy.submit(runs.greedy(drawIds(5, 9), 1000))
    const long = busy.submit(runs.greedy(drawIds(3000, 1), 1)).done
    let isRead = false
    void long.then(() => (isRead = true))
    for (let seed = 10; !isRead && seed < 200; seed++) {
      await busy.submit(runs.greedy(drawIds(60, seed), 1)).done
      passed++
    }
    await long
    running.cancel()
    await running.done
    // About one in every other of its 47 turns.
    assert.ok(passed > 15 && passed < 60, `${passed} short ones before a long one`)
  })

  test('alone, a prompt is read in long runs; short ones are read together', async () => {
    const scheduler = runs.scheduler()
    assert.deepEqual(
      await runs.record(async () => scheduler.submit(runs.greedy(drawIds(2000, 2), 1)).done),
      [[667], [667], [666]],
    )
    const requests = [11, 12, 13, 14, 15].map((seed) => runs.greedy(drawIds(20, seed), 3))
    const events = await runs.record(async () => {
      await Promise.all(requests.map((request) => scheduler.submit(request).done))
    })
    assert.deepEqual(events, [[20, 20, 20, 20], [20], 'step 5', 'step 5'])
  })

  test('what several prompts have in common is read first, and once', async () => {
    const scheduler = runs.scheduler()
    const common = drawIds(60, 21)
    const requests = [1, 2, 3].map((seed) =>
      runs.greedy([...common, ...drawIds(9 + seed, seed)], 2),
    )
    const events = await runs.record(async () => {
      await Promise.all(requests.map((request) => scheduler.submit(request).done))
    })
    assert.deepEqual(events, [[70], [11, 12], 'step 3'])
  })

  test('rows that nobody reads along are filled before they go on, and their answers are the same', async () => {
    const run = async (isHeard: boolean) => {
      const scheduler = runs.scheduler()
      const all = Array.from({ length: 8 }, (_, i) =>
        runs.greedy(drawIds(200, 90 + i), 3, { isHeard }),
      )
      await Promise.all(all.map((request) => scheduler.submit(request).done))
      const answers = all.map(({ trace }) => trace.tokens)
      return { answers, steps: scheduler.stats.counters.steps }
    }
    const [heard, unheard] = [await run(true), await run(false)]
    assert.equal(unheard.steps, 2)
    assert.ok(heard.steps > unheard.steps)
    assert.deepEqual(unheard.answers, heard.answers)
  })

  test('a job runs between two steps, the lowest rank first, and its failure is its own', async () => {
    const scheduler = runs.scheduler()
    const jobs: Promise<unknown>[] = []
    const order: string[] = []
    const request = runs.greedy(drawIds(10, 1), 8, {
      onToken: ({ length }) => {
        order.push('token')
        if (length !== 3) return
        for (const name of ['b', 'a']) {
          jobs.push(scheduler.turn(async () => order.push(name), name === 'a' ? 1 : 2))
        }
        jobs.push(assert.rejects(scheduler.turn(() => Promise.reject(new Error('no')), 3)))
      },
    })
    await scheduler.submit(request).done
    await Promise.all(jobs)
    assert.deepEqual(order.slice(2, 7), ['token', 'a', 'token', 'b', 'token'])
    assert.equal(await scheduler.turn(async () => 7, 0), 7)
  })

  test('the highest priority goes first, equal ones in order of arrival', async () => {
    const scheduler = runs.scheduler({ maxRows: 1 })
    const order: number[] = []
    const submit = (name: number, priority: number) =>
      scheduler.submit(
        runs.greedy(drawIds(5, name), 1, { priority, onToken: () => order.push(name) }),
      ).done
    await Promise.all([submit(1, 0), submit(2, 5), submit(3, 5), submit(4, -1), submit(5, 9)])
    assert.deepEqual(order, [5, 2, 3, 1, 4])
  })
})

for (const late of ['lateMs', 'aheadMs']) {
  test(`one whose form is late does not hold the others up: ${late}`, async () => {
    const scheduler = runs.scheduler()
    const slow = runs.greedy(drawIds(40, 1), 3, { [late]: () => 1000 })
    const quick = runs.greedy(drawIds(40, 2), 50)
    const slowDone = scheduler.submit(slow).done
    await scheduler.submit(quick).done
    assert.ok(slow.trace.tokens.length < 3, 'the other one was done before')
    await slowDone
    assert.equal(slow.trace.tokens.length, 3)
  })
}

describe('an end of one is no end of the others', () => {
  test('a sequence that is stopped leaves within one step, one that waits at once', async () => {
    const scheduler = runs.scheduler({ maxRows: 2 })
    const stop = new AbortController()
    const other = runs.greedy(drawIds(10, 1), 40)
    const stopped = runs.greedy(drawIds(12, 2), 1000, {
      signal: stop.signal,
      onToken: ({ length }) => length === 7 && stop.abort(),
    })
    const waiting = runs.greedy(drawIds(14, 3), 3, { signal: stop.signal })
    const handles = [other, stopped, waiting].map((request) => scheduler.submit(request))
    await handles[2]!.done
    assert.equal(waiting.trace.cachedLength, -1)
    await Promise.all(handles.map(({ done }) => done))
    assert.ok(stopped.trace.tokens.length <= 8, `${stopped.trace.tokens.length} tokens`)
    assert.equal(other.trace.tokens.length, 40)
    const alone = runs.greedy(drawIds(10, 1), 40)
    await runs.scheduler().submit(alone).done
    assertSame(other.trace, alone.trace)
    assert.deepEqual([scheduler.stats.running, scheduler.stats.counters.aborted], [0, 2])
  })

  test('so does one that is cancelled while its prompt is read, and what was read is kept', async () => {
    const scheduler = runs.scheduler()
    const ids = drawIds(3000, 5)
    const handle = scheduler.submit(runs.greedy(ids, 5))
    while (scheduler.stats.counters.prefilledTokens < 700) await new Promise(setImmediate)
    handle.cancel()
    await handle.done
    const again = runs.greedy(ids, 3)
    await scheduler.submit(again).done
    assert.ok(again.trace.cachedLength >= 700, `${again.trace.cachedLength} were kept`)
  })

  test('a fault of whoever chooses tokens is that sequence’s alone', async () => {
    const scheduler = runs.scheduler()
    const good = runs.greedy(drawIds(10, 1), 20)
    const bad = runs.greedy(drawIds(10, 2), 20, {
      onToken: ({ length }) => {
        if (length === 4) throw new Error('wrong')
      },
    })
    const handles = [good, bad].map((request) => scheduler.submit(request))
    await assert.rejects(handles[1]!.done, /wrong/)
    await handles[0]!.done
    assert.equal(good.trace.tokens.length, 20)
    const { finished, failed, sequences } = scheduler.stats.counters
    assert.deepEqual([sequences, finished, failed], [2, 1, 1])
  })

  test('a step that fails is the end of those in it, and later ones are answered', async () => {
    const scheduler = runs.scheduler()
    const { runner } = runs.decoder
    const { stepper } = runner
    let steps = 0
    runner.stepper = (cache, count) => {
      const made = stepper.call(runner, cache, count)
      const step = made.step.bind(made)
      made.step = async (...args) => {
        if (++steps === 3) throw new Error('broken')
        return step(...args)
      }
      return made
    }
    try {
      const handles = [1, 2].map((seed) => scheduler.submit(runs.greedy(drawIds(10, seed), 9)))
      for (const { done } of handles) await assert.rejects(done, /broken/)
    } finally {
      runner.stepper = stepper
    }
    const later = runs.greedy(drawIds(10, 1), 5)
    await scheduler.submit(later).done
    assert.equal(later.trace.cachedLength, 0, 'nothing of a failed row is trusted')
  })

  describe('of several prompts that are read together', () => {
    const prompts = [30, 31, 32, 33].map((seed) => drawIds(20 + seed, seed))

    async function assertAnswersOf(all: readonly { readonly trace: Trace }[]): Promise<void> {
      for (const [i, { trace }] of all.entries()) {
        if (trace.tokens.length === 0) continue
        const alone = runs.greedy(prompts[i]!, 6)
        await runs.scheduler({ maxRows: 1, prefixCache: false }).submit(alone).done
        assertSame(trace, alone.trace)
      }
    }

    test('one is stopped meanwhile', async () => {
      const scheduler = runs.scheduler()
      const { runner } = runs.decoder
      const { prefillTogether } = runner
      const stop = new AbortController()
      runner.prefillTogether = (requests, options) => {
        assert.equal(requests.length, 4)
        stop.abort()
        return prefillTogether.call(runner, requests, options)
      }
      const all = prompts.map((ids, i) =>
        runs.greedy(ids, 6, i === 1 ? { signal: stop.signal } : undefined),
      )
      try {
        await Promise.all(all.map((request) => scheduler.submit(request).done))
      } finally {
        runner.prefillTogether = prefillTogether
      }
      assert.deepEqual(
        all.map(({ trace }) => trace.tokens.length),
        [6, 0, 6, 6],
      )
      await assertAnswersOf(all)
      const again = runs.greedy(prompts[1]!, 2)
      await scheduler.submit(again).done
      assert.equal(again.trace.cachedLength, 49, 'what was read of it is kept')
    })

    test('one whose embeddings fail fails alone', async () => {
      const scheduler = runs.scheduler()
      const all = prompts.map((ids) => runs.greedy(ids, 6))
      const keys = prompts[2]!
      const bad = { prompt: { keys, embeddings: () => Promise.reject(new Error('no rows')) } }
      const requests = all.map((request, i) => (i === 2 ? { ...request, ...bad } : request))
      const ends = requests.map((request) => scheduler.submit(request).done)
      await assert.rejects(ends[2]!, /no rows/)
      await Promise.all(ends.filter((_, i) => i !== 2))
      await assertAnswersOf(all)
    })

    test('a run that fails is the end of all in it, and later ones are answered', async () => {
      const scheduler = runs.scheduler()
      const { runner } = runs.decoder
      const { prefillTogether } = runner
      runner.prefillTogether = () => Promise.reject(new Error('broken'))
      try {
        const ends = prompts.map((ids) => scheduler.submit(runs.greedy(ids, 6)).done)
        for (const end of ends) await assert.rejects(end, /broken/)
      } finally {
        runner.prefillTogether = prefillTogether
      }
      const all = prompts.map((ids) => runs.greedy(ids, 6))
      await Promise.all(all.map((request) => scheduler.submit(request).done))
      await assertAnswersOf(all)
    })

    test('equal ones among them become rows without being read', async () => {
      const scheduler = runs.scheduler()
      const order = [0, 1, 1, 2, 0, 3, 3]
      const all = order.map((i) => ({ i, request: runs.greedy(prompts[i]!, 6) }))
      await Promise.all(all.map(({ request }) => scheduler.submit(request).done))
      const positions = prompts.reduce((sum, ids) => sum + ids.length, 0)
      assert.ok(scheduler.stats.counters.prefilledTokens <= positions + 2 * 3)
      for (const { i, request } of all) {
        const alone = runs.greedy(prompts[i]!, 6)
        await runs.scheduler({ maxRows: 1, prefixCache: false }).submit(alone).done
        assertSame(request.trace, alone.trace)
      }
    })

    test('only so many are let in as there is memory for', async () => {
      const kvBytes = sequenceBytes(CONFIG, 'f32', 2 * (52 + 6))
      const scheduler = runs.scheduler({ kvBytes, prefixCache: false })
      const all = prompts.map((ids) => runs.greedy(ids, 6))
      const events = await runs.record(async () => {
        await Promise.all(all.map((request) => scheduler.submit(request).done))
      })
      const together = events.flatMap((event) => (typeof event === 'string' ? [] : [event.length]))
      assert.equal(Math.max(...together), 2)
      await assertAnswersOf(all)
    })
  })

  test('a prompt that no memory holds fails alone', async () => {
    const free = sequenceBytes(CONFIG, 'f32', 500)
    const scheduler = runs.scheduler({ freeBytes: () => free })
    const handles = [drawIds(100, 1), drawIds(900, 2), drawIds(90, 3)].map((ids) =>
      scheduler.submit(runs.greedy(ids, 3)),
    )
    await assert.rejects(handles[1]!.done, CapacityError)
    await Promise.all([handles[0]!.done, handles[2]!.done])
  })
})

describe('beginnings are shared', () => {
  test('a common beginning is read once, however many come together or later', async () => {
    const scheduler = runs.scheduler()
    const common = drawIds(1000, 1)
    const requests = [1, 2, 3, 4, 5, 6, 7, 8].map((seed) =>
      runs.greedy([...common, ...drawIds(20, seed)], 4),
    )
    await Promise.all(requests.map((request) => scheduler.submit(request).done))
    assert.equal(scheduler.stats.counters.prefilledTokens, 1000 + 8 * 20)
    for (let seed = 20; seed < 40; seed++) {
      await scheduler.submit(runs.greedy(drawIds(600, seed), 2)).done
    }
    const later = runs.greedy([...common, ...drawIds(10, 50)], 2)
    await scheduler.submit(later).done
    assert.equal(later.trace.cachedLength, 1000)
  })

  test('equal prompts are read once', async () => {
    const scheduler = runs.scheduler({ maxRows: 3 })
    const requests = Array.from({ length: 7 }, () => runs.greedy(drawIds(50, 1), 5))
    await Promise.all(requests.map((request) => scheduler.submit(request).done))
    // Those that come when a row is free again compute two positions each.
    assert.ok(scheduler.stats.counters.prefilledTokens <= 50 + 2 * 4)
    for (const { trace } of requests) assertSame(trace, requests[0]!.trace)
  })

  test('only by requests with the same salt', async () => {
    const scheduler = runs.scheduler()
    const ids = drawIds(200, 1)
    const ask = async (salt: string) => {
      const request = runs.greedy(ids, 2, { salt })
      await scheduler.submit(request).done
      return request.trace.cachedLength
    }
    assert.equal(await ask('a'), 0)
    assert.equal(await ask('b'), 0)
    assert.equal(await ask(''), 0)
    assert.equal(await ask('a'), 198)
    const together = [runs.greedy(ids, 20, { salt: 'c' }), runs.greedy(ids, 20, { salt: 'd' })]
    await Promise.all(together.map((request) => scheduler.submit(request).done))
    assert.deepEqual(
      together.map(({ trace }) => trace.cachedLength),
      [0, 0],
    )
  })

  test('nothing is kept where nothing is to be kept', async () => {
    const scheduler = runs.scheduler({ prefixCache: false })
    const ids = drawIds(200, 1)
    for (let i = 0; i < 3; i++) {
      const request = runs.greedy(ids, 2)
      await scheduler.submit(request).done
      assert.equal(request.trace.cachedLength, 0)
    }
  })
})
