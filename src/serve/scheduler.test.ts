/** Sequences that come and go in any order: each gets what it gets alone, and none keeps the others waiting. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { CapacityError } from '../core/errors.ts'
import { Rng } from '../core/rng.ts'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { drawIds, TINY, TinyDecoder } from '../../test/tiny-decoder.ts'
import type { CacheForm } from './decoder-graph.ts'
import { sequenceBytes } from './kv-cache.ts'
import type { SequenceRequest } from './scheduled-sequence.ts'
import { Scheduler, type SchedulerParts } from './scheduler.ts'
import { firstOf } from '../../test/thorough.ts'

const CONFIG = { ...TINY, maxPositions: 4096 }
const PLENTY = 1 << 30

let runtime: Runtime
let decoder: TinyDecoder
before(async () => {
  runtime = await createRuntime()
  decoder = await TinyDecoder.create(runtime, 'f32', { config: CONFIG })
  await decoder.runner.prepareTogether()
})
after(async () => {
  await decoder.dispose()
  await runtime.dispose()
})

const opened: Scheduler[] = []
afterEach(async () => {
  for (const scheduler of opened.splice(0)) await scheduler.dispose()
})

function newScheduler(parts: Partial<SchedulerParts> = {}): Scheduler {
  const limits = { maxRows: 16, kvBytes: PLENTY, keptBytes: PLENTY, prefixCache: true }
  const { runner, table } = decoder
  const freeBytes = () => PLENTY
  const scheduler = new Scheduler({ runner, table, freeBytes, ...limits, ...parts })
  opened.push(scheduler)
  return scheduler
}

type Trace = { tokens: number[]; logits: Float32Array[]; cachedLength: number }

/** A greedy sequence of `count` tokens, and where its trace will be. */
function greedy(
  ids: readonly number[],
  count: number,
  more: Partial<SequenceRequest> & {
    onToken?: (tokens: readonly number[]) => void
    /** Of eight tokens of its answer, how many its form leaves a choice. */
    free?: number
    /** How long its form takes for what may follow a token, and for what must. */
    lateMs?: () => number
    aheadMs?: () => number
  } = {},
): SequenceRequest & { readonly trace: Trace } {
  const trace: Trace = { tokens: [], logits: [], cachedLength: -1 }
  let late: Promise<void> | null = null
  return {
    ready: () => late,
    prompt: decoder.prompt(ids),
    maxTokens: count,
    onPrefilled: (length) => (trace.cachedLength = length),
    next(logits) {
      assert.equal(late, null)
      const ms = more.lateMs?.() ?? 0
      if (ms > 0) {
        late = new Promise((resolve) => {
          setTimeout(() => resolve((late = null) as never), ms)
        })
      }
      trace.logits.push(logits.slice())
      const best = forcedToken(trace.tokens.length, more) ?? logits.indexOf(Math.max(...logits))
      trace.tokens.push(best)
      more.onToken?.(trace.tokens)
      return trace.tokens.length < count ? best : null
    },
    async ahead() {
      const ids: number[] = []
      const ms = more.aheadMs?.() ?? 0
      if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms))
      for (let i = trace.tokens.length; ; i++) {
        const id = forcedToken(i, more)
        if (id === null) return ids
        ids.push(id)
      }
    },
    trace,
    ...more,
  }
}

/** As a form would leave no choice. */
function forcedToken(index: number, { free = 8 }: { free?: number }): number | null {
  return index % 8 >= free ? (index * 5) % TINY.vocabSize : null
}

function assertSame(actual: Trace, expected: Trace): void {
  assert.deepEqual([actual.tokens, actual.logits], [expected.tokens, expected.logits])
}

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
      usual = decoder
      decoder = await TinyDecoder.create(runtime, form, { config: CONFIG, weights, scale })
      await decoder.runner.prepareTogether()
    })
    after(async () => {
      await decoder.dispose()
      decoder = usual
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
    greedy(ids, count, { free, lateMs })
  const lengthOf = (i: number) => LENGTHS[i % LENGTHS.length]!
  const alone: Trace[] = []
  before(async () => {
    for (const [i, ids] of prompts.entries()) {
      const scheduler = newScheduler({ prefixCache: false, maxRows: 1 })
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
    const runs: { readonly i: number; readonly trace: Trace; readonly done: Promise<void> }[] = []
    for (const i of order) {
      const request = asked(prompts[i]!, lengthOf(i), lateMs)
      runs.push({ i, trace: request.trace, done: scheduler.submit(request).done })
      await pause()
    }
    await Promise.all(runs.map(({ done }) => done))
    for (const { i, trace } of runs) assertSame(trace, alone[i]!)
  }

  const all = prompts.map((_, i) => i)

  test('all at once, again when all is kept, and one by one then', async () => {
    const scheduler = newScheduler()
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
      const scheduler = newScheduler({ maxRows })
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
    await runAll(newScheduler({ maxRows: 5 }), all, async () => {}, lateMs)
  })

  for (const maxRows of firstOf(2, [2, 16, 5])) {
    test(`where short ones go before long ones, ${maxRows} together`, async () => {
      const rng = new Rng(maxRows)
      const scheduler = newScheduler({ maxRows, turnMs: 0 })
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
      const scheduler = newScheduler({ kvBytes, ...(turnMs === 0 && { turnMs }) })
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
    const scheduler = newScheduler({ kvBytes, prefixCache: false })
    const prompts = [drawIds(20, 1), drawIds(30, 2)]
    const requests = prompts.map((ids) => asked(ids, 330))
    await Promise.all(requests.map((request) => scheduler.submit(request).done))
    const { preempted, prefilledTokens, completionTokens } = scheduler.stats.counters
    // The prompt is read again; what was answered comes back as it came, and counts once.
    assert.deepEqual([preempted, prefilledTokens, completionTokens], [1, 20 + 30 + 30, 2 * 330])
    assert.equal(scheduler.stats.counters.jumps > 0, free < 8)
    for (const [i, ids] of prompts.entries()) {
      const request = asked(ids, 330)
      await newScheduler({ maxRows: 1 }).submit(request).done
      assertSame(requests[i]!.trace, request.trace)
    }
  })

  test('a prompt that holds an earlier answer is what it is to a stranger', async () => {
    const scheduler = newScheduler()
    for (const length of [9, 40, 200]) {
      const question = drawIds(length, length)
      const first = asked(question, 30)
      await scheduler.submit(first).done
      const ids = [...question, ...first.trace.tokens, ...drawIds(12, 3)]
      const [warm, cold] = [asked(ids, 6), asked(ids, 6)]
      await scheduler.submit(warm).done
      await newScheduler({ maxRows: 1, prefixCache: false }).submit(cold).done
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
        greedy(ids, count, { free, lateMs: late, aheadMs: late }),
      )
      let isOver = false
      const done = Promise.all(requests.map((request) => scheduler.submit(request).done))
      void done.finally(() => (isOver = true))
      await beside?.(() => isOver)
      await done
      for (const [i, { trace }] of requests.entries()) {
        const alone = greedy(prompts[i]!, count, { free })
        await newScheduler({ maxRows: 1, prefixCache: false }).submit(alone).done
        assertSame(trace, alone.trace)
      }
    }

    test('late forms and prompts that come between change no number', async () => {
      const scheduler = newScheduler({ maxRows: 5, prefixCache: false })
      const prompts = [20, 33, 64, 7, 100].map((length) => drawIds(length, length))
      const beside = async (isOver: () => boolean) => {
        for (let seed = 1000; !isOver(); seed++) {
          await scheduler.submit(greedy(drawIds(100, seed), 1)).done
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
        const scheduler = newScheduler({ kvBytes, prefixCache: false })
        await assertUndisturbed(scheduler, { prompts, count: 330, lateMs })
        preempted = scheduler.stats.counters.preempted
      }
      assert.ok(preempted > 0)
    })
  })
}

test('a row that jumps at once where a jump ended makes no step between, and the others do', async () => {
  const scheduler = newScheduler()
  const alone = await record(
    async () => scheduler.submit(greedy(drawIds(9, 1), 17, { free: 1 })).done,
  )
  // The prompt gives the free token, and each run the next, with the seven before it.
  assert.deepEqual(alone, [[9], [8], [8]])
  const beside = await record(async () => {
    const both = [greedy(drawIds(9, 1), 17, { free: 1 }), greedy(drawIds(12, 2), 3)]
    await Promise.all(both.map((request) => scheduler.submit(request).done))
  })
  assert.deepEqual(beside, [[9, 12], [8], 'step 2', [8], 'step 1'])
})

/** What the runner does, in order: positions that are read in a run, of each prompt, or a step of so many rows. */
async function record(run: () => Promise<void>): Promise<(number[] | string)[]> {
  const events: (number[] | string)[] = []
  const { runner } = decoder
  const { prefillTogether, stepper } = runner
  runner.prefillTogether = (requests, options) => {
    events.push(requests.map(({ embeddings }) => embeddings.length / CONFIG.hiddenSize))
    return prefillTogether.call(runner, requests, options)
  }
  runner.stepper = (cache, count) => {
    const made = stepper.call(runner, cache, count)
    const step = made.step.bind(made)
    made.step = (...args) => (events.push(`step ${count}`), step(...args))
    return made
  }
  try {
    await run()
  } finally {
    Object.assign(runner, { prefillTogether, stepper })
  }
  return events
}

describe('nobody waits long', () => {
  test('a long prompt is read in pieces between the steps of a running answer', async () => {
    const scheduler = newScheduler({ turnMs: 0 })
    const events = await record(async () => {
      let long: Promise<void> | undefined
      const first = greedy(drawIds(10, 1), 60, {
        onToken: ({ length }) => {
          if (length === 5) long = scheduler.submit(greedy(drawIds(2000, 2), 2)).done
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
    const scheduler = newScheduler({ turnMs: 0, maxRows: 4 })
    const ends: string[] = []
    const began = (name: string, ids: readonly number[]) =>
      greedy(ids, 3, { onToken: ({ length }) => length === 1 && ends.push(name) })
    const events = await record(async () => {
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
    const busy = newScheduler({ turnMs: 0, maxRows: 4 })
    const running = busy.submit(greedy(drawIds(5, 9), 1000))
    const long = busy.submit(greedy(drawIds(3000, 1), 1)).done
    let isRead = false
    void long.then(() => (isRead = true))
    for (let seed = 10; !isRead && seed < 200; seed++) {
      await busy.submit(greedy(drawIds(60, seed), 1)).done
      passed++
    }
    await long
    running.cancel()
    await running.done
    // About one in every other of its 47 turns.
    assert.ok(passed > 15 && passed < 60, `${passed} short ones before a long one`)
  })

  test('alone, a prompt is read in long runs; short ones are read together', async () => {
    const scheduler = newScheduler()
    assert.deepEqual(await record(async () => scheduler.submit(greedy(drawIds(2000, 2), 1)).done), [
      [667],
      [667],
      [666],
    ])
    const requests = [11, 12, 13, 14, 15].map((seed) => greedy(drawIds(20, seed), 3))
    const events = await record(async () => {
      await Promise.all(requests.map((request) => scheduler.submit(request).done))
    })
    assert.deepEqual(events, [[20, 20, 20, 20], [20], 'step 5', 'step 5'])
  })

  test('what several prompts have in common is read first, and once', async () => {
    const scheduler = newScheduler()
    const common = drawIds(60, 21)
    const requests = [1, 2, 3].map((seed) => greedy([...common, ...drawIds(9 + seed, seed)], 2))
    const events = await record(async () => {
      await Promise.all(requests.map((request) => scheduler.submit(request).done))
    })
    assert.deepEqual(events, [[70], [11, 12], 'step 3'])
  })

  test('rows that nobody reads along are filled before they go on, and their answers are the same', async () => {
    const run = async (isHeard: boolean) => {
      const scheduler = newScheduler()
      const all = Array.from({ length: 8 }, (_, i) => greedy(drawIds(200, 90 + i), 3, { isHeard }))
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
    const scheduler = newScheduler()
    const jobs: Promise<unknown>[] = []
    const order: string[] = []
    const request = greedy(drawIds(10, 1), 8, {
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
    const scheduler = newScheduler({ maxRows: 1 })
    const order: number[] = []
    const submit = (name: number, priority: number) =>
      scheduler.submit(greedy(drawIds(5, name), 1, { priority, onToken: () => order.push(name) }))
        .done
    await Promise.all([submit(1, 0), submit(2, 5), submit(3, 5), submit(4, -1), submit(5, 9)])
    assert.deepEqual(order, [5, 2, 3, 1, 4])
  })
})

for (const late of ['lateMs', 'aheadMs']) {
  test(`one whose form is late does not hold the others up: ${late}`, async () => {
    const scheduler = newScheduler()
    const slow = greedy(drawIds(40, 1), 3, { [late]: () => 1000 })
    const quick = greedy(drawIds(40, 2), 50)
    const slowDone = scheduler.submit(slow).done
    await scheduler.submit(quick).done
    assert.ok(slow.trace.tokens.length < 3, 'the other one was done before')
    await slowDone
    assert.equal(slow.trace.tokens.length, 3)
  })
}

describe('an end of one is no end of the others', () => {
  test('a sequence that is stopped leaves within one step, one that waits at once', async () => {
    const scheduler = newScheduler({ maxRows: 2 })
    const stop = new AbortController()
    const other = greedy(drawIds(10, 1), 40)
    const stopped = greedy(drawIds(12, 2), 1000, {
      signal: stop.signal,
      onToken: ({ length }) => length === 7 && stop.abort(),
    })
    const waiting = greedy(drawIds(14, 3), 3, { signal: stop.signal })
    const handles = [other, stopped, waiting].map((request) => scheduler.submit(request))
    await handles[2]!.done
    assert.equal(waiting.trace.cachedLength, -1)
    await Promise.all(handles.map(({ done }) => done))
    assert.ok(stopped.trace.tokens.length <= 8, `${stopped.trace.tokens.length} tokens`)
    assert.equal(other.trace.tokens.length, 40)
    const alone = greedy(drawIds(10, 1), 40)
    await newScheduler().submit(alone).done
    assertSame(other.trace, alone.trace)
    assert.deepEqual([scheduler.stats.running, scheduler.stats.counters.aborted], [0, 2])
  })

  test('so does one that is cancelled while its prompt is read, and what was read is kept', async () => {
    const scheduler = newScheduler()
    const ids = drawIds(3000, 5)
    const handle = scheduler.submit(greedy(ids, 5))
    while (scheduler.stats.counters.prefilledTokens < 700) await new Promise(setImmediate)
    handle.cancel()
    await handle.done
    const again = greedy(ids, 3)
    await scheduler.submit(again).done
    assert.ok(again.trace.cachedLength >= 700, `${again.trace.cachedLength} were kept`)
  })

  test('a fault of whoever chooses tokens is that sequence’s alone', async () => {
    const scheduler = newScheduler()
    const good = greedy(drawIds(10, 1), 20)
    const bad = greedy(drawIds(10, 2), 20, {
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
    const scheduler = newScheduler()
    const { runner } = decoder
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
      const handles = [1, 2].map((seed) => scheduler.submit(greedy(drawIds(10, seed), 9)))
      for (const { done } of handles) await assert.rejects(done, /broken/)
    } finally {
      runner.stepper = stepper
    }
    const later = greedy(drawIds(10, 1), 5)
    await scheduler.submit(later).done
    assert.equal(later.trace.cachedLength, 0, 'nothing of a failed row is trusted')
  })

  describe('of several prompts that are read together', () => {
    const prompts = [30, 31, 32, 33].map((seed) => drawIds(20 + seed, seed))

    async function assertAnswersOf(all: readonly ReturnType<typeof greedy>[]): Promise<void> {
      for (const [i, { trace }] of all.entries()) {
        if (trace.tokens.length === 0) continue
        const alone = greedy(prompts[i]!, 6)
        await newScheduler({ maxRows: 1, prefixCache: false }).submit(alone).done
        assertSame(trace, alone.trace)
      }
    }

    test('one is stopped meanwhile', async () => {
      const scheduler = newScheduler()
      const { runner } = decoder
      const { prefillTogether } = runner
      const stop = new AbortController()
      runner.prefillTogether = (requests, options) => {
        assert.equal(requests.length, 4)
        stop.abort()
        return prefillTogether.call(runner, requests, options)
      }
      const all = prompts.map((ids, i) =>
        greedy(ids, 6, i === 1 ? { signal: stop.signal } : undefined),
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
      const again = greedy(prompts[1]!, 2)
      await scheduler.submit(again).done
      assert.equal(again.trace.cachedLength, 49, 'what was read of it is kept')
    })

    test('one whose embeddings fail fails alone', async () => {
      const scheduler = newScheduler()
      const all = prompts.map((ids) => greedy(ids, 6))
      const keys = prompts[2]!
      const bad = { prompt: { keys, embeddings: () => Promise.reject(new Error('no rows')) } }
      const requests = all.map((request, i) => (i === 2 ? { ...request, ...bad } : request))
      const ends = requests.map((request) => scheduler.submit(request).done)
      await assert.rejects(ends[2]!, /no rows/)
      await Promise.all(ends.filter((_, i) => i !== 2))
      await assertAnswersOf(all)
    })

    test('a run that fails is the end of all in it, and later ones are answered', async () => {
      const scheduler = newScheduler()
      const { runner } = decoder
      const { prefillTogether } = runner
      runner.prefillTogether = () => Promise.reject(new Error('broken'))
      try {
        const ends = prompts.map((ids) => scheduler.submit(greedy(ids, 6)).done)
        for (const end of ends) await assert.rejects(end, /broken/)
      } finally {
        runner.prefillTogether = prefillTogether
      }
      const all = prompts.map((ids) => greedy(ids, 6))
      await Promise.all(all.map((request) => scheduler.submit(request).done))
      await assertAnswersOf(all)
    })

    test('equal ones among them become rows without being read', async () => {
      const scheduler = newScheduler()
      const order = [0, 1, 1, 2, 0, 3, 3]
      const all = order.map((i) => ({ i, request: greedy(prompts[i]!, 6) }))
      await Promise.all(all.map(({ request }) => scheduler.submit(request).done))
      const positions = prompts.reduce((sum, ids) => sum + ids.length, 0)
      assert.ok(scheduler.stats.counters.prefilledTokens <= positions + 2 * 3)
      for (const { i, request } of all) {
        const alone = greedy(prompts[i]!, 6)
        await newScheduler({ maxRows: 1, prefixCache: false }).submit(alone).done
        assertSame(request.trace, alone.trace)
      }
    })

    test('only so many are let in as there is memory for', async () => {
      const kvBytes = sequenceBytes(CONFIG, 'f32', 2 * (52 + 6))
      const scheduler = newScheduler({ kvBytes, prefixCache: false })
      const all = prompts.map((ids) => greedy(ids, 6))
      const events = await record(async () => {
        await Promise.all(all.map((request) => scheduler.submit(request).done))
      })
      const runs = events.flatMap((event) => (typeof event === 'string' ? [] : [event.length]))
      assert.equal(Math.max(...runs), 2)
      await assertAnswersOf(all)
    })
  })

  test('a prompt that no memory holds fails alone', async () => {
    const free = sequenceBytes(CONFIG, 'f32', 500)
    const scheduler = newScheduler({ freeBytes: () => free })
    const handles = [drawIds(100, 1), drawIds(900, 2), drawIds(90, 3)].map((ids) =>
      scheduler.submit(greedy(ids, 3)),
    )
    await assert.rejects(handles[1]!.done, CapacityError)
    await Promise.all([handles[0]!.done, handles[2]!.done])
  })
})

describe('beginnings are shared', () => {
  test('a common beginning is read once, however many come together or later', async () => {
    const scheduler = newScheduler()
    const common = drawIds(1000, 1)
    const requests = [1, 2, 3, 4, 5, 6, 7, 8].map((seed) =>
      greedy([...common, ...drawIds(20, seed)], 4),
    )
    await Promise.all(requests.map((request) => scheduler.submit(request).done))
    assert.equal(scheduler.stats.counters.prefilledTokens, 1000 + 8 * 20)
    for (let seed = 20; seed < 40; seed++) {
      await scheduler.submit(greedy(drawIds(600, seed), 2)).done
    }
    const later = greedy([...common, ...drawIds(10, 50)], 2)
    await scheduler.submit(later).done
    assert.equal(later.trace.cachedLength, 1000)
  })

  test('equal prompts are read once', async () => {
    const scheduler = newScheduler({ maxRows: 3 })
    const requests = Array.from({ length: 7 }, () => greedy(drawIds(50, 1), 5))
    await Promise.all(requests.map((request) => scheduler.submit(request).done))
    // Those that come when a row is free again compute two positions each.
    assert.ok(scheduler.stats.counters.prefilledTokens <= 50 + 2 * 4)
    for (const { trace } of requests) assertSame(trace, requests[0]!.trace)
  })

  test('only by requests with the same salt', async () => {
    const scheduler = newScheduler()
    const ids = drawIds(200, 1)
    const ask = async (salt: string) => {
      const request = greedy(ids, 2, { salt })
      await scheduler.submit(request).done
      return request.trace.cachedLength
    }
    assert.equal(await ask('a'), 0)
    assert.equal(await ask('b'), 0)
    assert.equal(await ask(''), 0)
    assert.equal(await ask('a'), 198)
    const together = [greedy(ids, 20, { salt: 'c' }), greedy(ids, 20, { salt: 'd' })]
    await Promise.all(together.map((request) => scheduler.submit(request).done))
    assert.deepEqual(
      together.map(({ trace }) => trace.cachedLength),
      [0, 0],
    )
  })

  test('nothing is kept where nothing is to be kept', async () => {
    const scheduler = newScheduler({ prefixCache: false })
    const ids = drawIds(200, 1)
    for (let i = 0; i < 3; i++) {
      const request = greedy(ids, 2)
      await scheduler.submit(request).done
      assert.equal(request.trace.cachedLength, 0)
    }
  })
})
