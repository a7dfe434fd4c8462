/** What every work queue keeps to: each item is done once, whoever works on it, dies, or comes back too late. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ItemResult } from './item-result.ts'
import type { LabelItem } from './item.ts'
import type { QueueOptions } from './sql-queue.ts'
import type { WorkQueue } from './work-queue.ts'

export type TestClock = { now: number }

/** Opens a queue on the same database each time; `clock` is its time. */
export type OpenTestQueue = (options: QueueOptions, clock: TestClock) => Promise<WorkQueue>

const LEASE_MS = 1000
const RECIPE = { models: ['m'], prompts: ['p'] }
let runs = 0

export function workQueueCases(open: OpenTestQueue): void {
  const newRun = () => `run-${process.pid}-${runs++}`
  const options = (run: string, owner: string, more: Partial<QueueOptions> = {}): QueueOptions => ({
    run,
    owner,
    recipe: RECIPE,
    overwrite: false,
    leaseMs: LEASE_MS,
    isAlive: () => true,
    ...more,
  })
  const fresh = async (count: number) => {
    const clock = { now: 1_000_000 }
    const run = newRun()
    const queue = await open(options(run, 'a'), clock)
    assert.equal(await queue.takeListing(), true)
    await queue.add(Array.from({ length: count }, (_, i) => item(i)))
    await queue.endListing(3)
    return { clock, run, queue }
  }

  test('items come largest first, those of one file together, and results in the order of the input', async () => {
    const { queue } = await fresh(0)
    const all = [item(0, 5, 'b'), item(1, 9, ''), item(2, 5, 'a'), item(3, 5, 'b'), item(4, 5, 'a')]
    assert.equal(await queue.add(all), 5)
    const claimed = [...(await queue.claim(2)), ...(await queue.claim(9))]
    assert.deepEqual(
      claimed.map(({ id }) => id),
      ['i1', 'i2', 'i4', 'i0', 'i3'],
    )
    assert.deepEqual(claimed[1]!.source, item(2).source)
    await queue.complete(claimed.map(({ place, id }) => ({ place, result: answer(id) })))
    const results: string[] = []
    for await (const { id, result } of queue.results()) {
      assert.deepEqual(result, answer(id))
      results.push(id)
    }
    assert.deepEqual(results, ['i0', 'i1', 'i2', 'i3', 'i4'])
    await queue.close()
  })

  test('listing again adds nothing, and two items with one id are refused by name', async () => {
    const { queue } = await fresh(3)
    assert.equal(await queue.add([item(0), item(1), item(3)]), 1)
    const twice = { ...item(4), id: 'i0' }
    await assert.rejects(queue.add([twice]), { code: 'INPUT_LABEL_ID', message: /"i0"/ })
    await assert.rejects(queue.add([item(5), { ...item(6), id: 'i5' }]), { code: 'INPUT_LABEL_ID' })
    assert.equal(await queue.skipped(), 3)
    await queue.close()
  })

  test('one lists at a time; who stops living loses the place', async () => {
    const clock = { now: 5000 }
    const run = newRun()
    const first = await open(options(run, 'a'), clock)
    const second = await open(options(run, 'b'), clock)
    assert.deepEqual([await first.takeListing(), await second.takeListing()], [true, false])
    clock.now += LEASE_MS / 2
    await first.heartbeat()
    clock.now += LEASE_MS - 1
    assert.equal(await second.takeListing(), false)
    clock.now += 2
    assert.equal(await second.takeListing(), true)
    await second.endListing(0)
    assert.deepEqual([await first.isListed(), await first.takeListing()], [true, false])
    await first.close()
    await second.close()
  })

  test('a dead process of this machine loses its items at once, another one with its lease', async () => {
    const { queue, run, clock } = await fresh(3)
    await queue.claim(2)
    const other = await open(options(run, 'b', { isAlive: (owner) => owner !== 'a' }), clock)
    assert.equal((await other.claim(9)).length, 3)
    const third = await open(options(run, 'c'), clock)
    assert.deepEqual(await third.claim(9), [])
    clock.now += LEASE_MS + 1
    await third.reclaim()
    assert.equal((await third.claim(9)).length, 3)
    await queue.close()
    await other.close()
    // What is not done when its holder leaves is open again.
    assert.equal((await third.counts()).leased, 3)
    await third.close()
  })

  test('a run goes on with what it began with, and begins anew when asked', async () => {
    const { queue, run, clock } = await fresh(1)
    await queue.close()
    const other = { models: ['m'], prompts: ['q'] }
    await assert.rejects(open(options(run, 'b', { recipe: other }), clock), {
      code: 'INPUT_LABEL_RUN',
      message: /another prompts \(\["p"\], now \["q"\]\)/,
    })
    const models = { ...RECIPE, models: ['m', 'n'] }
    await assert.rejects(open(options(run, 'b', { recipe: models }), clock), /models/)
    const anew = await open(options(run, 'b', { recipe: other, overwrite: true }), clock)
    assert.deepEqual(await anew.counts(), { items: 0, done: 0, failed: 0, leased: 0 })
    await anew.close()
  })

  test('a run that nobody lists yet is taken over once, and its first owner told', async () => {
    const clock = { now: 1_000_000 }
    const run = newRun()
    const first = await open(options(run, 'a'), clock)
    const second = await open(options(run, 'b', { recipe: { ...RECIPE, prompts: ['q'] } }), clock)
    await assert.rejects(first.takeListing(), { code: 'INPUT_LABEL_RUN' })
    await first.close()
    assert.equal(await second.takeListing(), true)
    await assert.rejects(open(options(run, 'a'), clock), { code: 'INPUT_LABEL_RUN' })
    await second.close()
  })

  test('whose run was taken over has none of its items, whoever lists them', async () => {
    // The first owner answered the items of the second with its own question.
    const clock = { now: 1_000_000 }
    const run = newRun()
    const first = await open(options(run, 'a'), clock)
    const other = { ...RECIPE, prompts: ['q'] }
    const second = await open(options(run, 'b', { recipe: other }), clock)
    assert.equal(await second.takeListing(), true)
    const refused = { code: 'INPUT_LABEL_RUN' }
    await assert.rejects(first.takeListing(), refused)
    await second.add([item(0)])
    await assert.rejects(first.claim(5), refused)
    await second.endListing(0)
    await assert.rejects(first.isListed(), refused)
    await assert.rejects(first.claim(5), refused)
    assert.equal((await second.claim(5)).length, 1)
    const anew = await open(options(run, 'c', { overwrite: true }), clock)
    await assert.rejects(second.claim(5), refused)
    for (const queue of [first, second, anew]) await queue.close()
  })

  test('a run that is begun anew takes nothing from whoever still works on the one before', async () => {
    // A command that listed went on listing its own items into the other's run, and ended the other's listing.
    for (const recipe of [RECIPE, { ...RECIPE, prompts: ['q'] }]) {
      const clock = { now: 1_000_000 }
      const run = newRun()
      const first = await open(options(run, 'a'), clock)
      assert.equal(await first.takeListing(), true)
      await first.add([item(0), item(1)])
      const [mine] = await first.claim(1)
      const anew = await open(options(run, 'b', { recipe, overwrite: true }), clock)
      const refused = { code: 'INPUT_LABEL_RUN', message: /begun it anew/ }
      await assert.rejects(first.add([item(2)]), refused)
      await assert.rejects(first.endListing(3), refused)
      assert.equal(await first.complete([{ place: mine!.place, result: answer('x') }]), 0)
      await assert.rejects(first.counts(), refused)
      await assert.rejects(first.left(), refused)
      await assert.rejects(first.skipped(), refused)
      await assert.rejects(first.results().next(), refused)
      await first.reopen()
      await first.close()
      assert.deepEqual(await anew.counts(), { items: 0, done: 0, failed: 0, leased: 0 })
      assert.deepEqual([await anew.isListed(), await anew.takeListing()], [false, true])
      await anew.add([item(3)])
      await anew.endListing(0)
      assert.deepEqual([(await anew.claim(9)).length, await anew.skipped()], [1, 0])
      await anew.close()
    }
  })

  test('runs that are begun anew at one moment have numbers of their own', async () => {
    const clock = { now: 1_000_000 }
    const queues = await Promise.all(
      Array.from({ length: 6 }, () => open(options(newRun(), 'a', { overwrite: true }), clock)),
    )
    for (const [i, queue] of queues.entries()) await queue.add([item(i)])
    for (const [i, queue] of queues.entries()) {
      assert.deepEqual(
        (await queue.claim(9)).map(({ id }) => id),
        [`i${i}`],
      )
      await queue.close()
    }
  })

  test('who died before anything was found is no hindrance, nor who has lost his lease', async () => {
    // Until --overwrite, every other question was told that the run had begun.
    for (const [isAlive, waitMs] of [
      [(owner: string) => owner !== 'a', 0],
      [() => true, LEASE_MS + 1],
    ] as const) {
      const clock = { now: 1_000_000 }
      const run = newRun()
      const first = await open(options(run, 'a'), clock)
      assert.equal(await first.takeListing(), true)
      const recipe = { ...RECIPE, prompts: ['q'] }
      await assert.rejects(open(options(run, 'b', { recipe }), clock), { code: 'INPUT_LABEL_RUN' })
      clock.now += waitMs
      const second = await open(options(run, 'b', { recipe, isAlive }), clock)
      assert.equal(await second.takeListing(), true)
      await assert.rejects(first.add([item(0)]), { code: 'INPUT_LABEL_RUN' })
      await first.close()
      await second.close()
    }
  })

  test('an empty run that another one takes over is still of those whose recipe fits', async () => {
    const clock = { now: 1_000_000 }
    const run = newRun()
    const first = await open(options(run, 'a'), clock)
    const models = { ...RECIPE, models: ['m', 'n'] }
    const second = await open(options(run, 'b', { recipe: models }), clock)
    assert.deepEqual([await first.isListed(), await first.takeListing()], [false, true])
    await first.add([item(0)])
    assert.equal((await second.claim(1)).length, 1)
    await first.close()
    await second.close()
  })

  test('a run in which nothing was listed is listed again by whoever comes next', async () => {
    const { queue, run, clock } = await fresh(0)
    assert.equal(await queue.isListed(), true)
    await queue.close()
    const again = await open(options(run, 'b'), clock)
    assert.deepEqual([await again.isListed(), await again.takeListing()], [false, true])
    await again.close()
  })

  test('a lease may last part of a millisecond', async () => {
    const run = newRun()
    const queue = await open(options(run, 'a', { leaseMs: LEASE_MS + 0.5 }), { now: 5000 })
    assert.equal(await queue.takeListing(), true)
    await queue.close()
  })

  test('what failed is asked again only when it is wished, with what there was', async () => {
    const { queue, run, clock } = await fresh(2)
    const [one, two] = await queue.claim(2)
    const failed: ItemResult = [{ error: { code: 'X', message: 'x' } }]
    await queue.complete([
      { place: one!.place, result: failed },
      { place: two!.place, result: answer('i1') },
    ])
    assert.deepEqual(await queue.counts(), { items: 2, done: 1, failed: 1, leased: 0 })
    assert.deepEqual(await queue.claim(9), [])
    await queue.reopen()
    const again = await queue.claim(9)
    assert.deepEqual(
      again.map(({ id, before }) => [id, before]),
      [['i0', failed]],
    )
    await queue.release([again[0]!.place], { isFault: true })
    assert.equal((await queue.claim(1))[0]!.faults, 1)
    await queue.close()
    assert.equal(await (await open(options(run, 'z'), clock)).isListed(), false)
  })

  test('workers that claim, finish, give back, die and come back too late do each item once', async () => {
    const worker = fc.constantFrom('a', 'b', 'c')
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('claim' as const),
        worker,
        most: fc.integer({ min: 1, max: 4 }),
      }),
      fc.record({ kind: fc.constant('complete' as const), worker }),
      fc.record({ kind: fc.constant('release' as const), worker }),
      fc.record({ kind: fc.constant('beat' as const), worker }),
      fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 900 }) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const { queue, run, clock } = await fresh(8)
        const queues = new Map([['a', queue]])
        for (const name of ['b', 'c']) queues.set(name, await open(options(run, name), clock))
        // What each believes to hold, in vain where its lease has ended since.
        const held = new Map([...queues.keys()].map((name) => [name, [] as string[]]))
        const written = new Map<string, string>()
        const complete = async (name: string) => {
          for (const place of held.get(name)!.splice(0)) {
            const by = await queues.get(name)!.complete([{ place, result: answer(name) }])
            if (by === 0) continue
            assert.ok(!written.has(place), `${place} was done twice`)
            written.set(place, name)
          }
        }
        for (const one of steps) {
          if (one.kind === 'wait') clock.now += one.ms
          else if (one.kind === 'beat') await queues.get(one.worker)!.heartbeat()
          else if (one.kind === 'complete') await complete(one.worker)
          else if (one.kind === 'release') {
            const places = held.get(one.worker)!.splice(0)
            await queues.get(one.worker)!.release(places, { isFault: false })
          } else {
            await queues.get(one.worker)!.reclaim()
            const items = await queues.get(one.worker)!.claim(one.most)
            for (const { place } of items) {
              assert.ok(!written.has(place), `${place} was given out after it was done`)
              held.get(one.worker)!.push(place)
            }
          }
        }
        clock.now += 2 * LEASE_MS
        await queue.reclaim()
        held.set('a', [])
        for (const { place } of await queue.claim(99)) held.get('a')!.push(place)
        await complete('a')
        const by: string[] = []
        for await (const { result } of queue.results())
          by.push((result[0] as { text: string }).text)
        assert.deepEqual(
          by,
          [...written].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, name]) => name),
        )
        assert.equal(by.length, 8)
        for (const one of queues.values()) await one.close()
      }),
      { numRuns: 25 },
    )
  })
}

function item(i: number, size = 1, prefix = ''): LabelItem {
  const source = { input: 0, kind: 'row', row: i } as const
  return { place: `0000000/${String(i).padStart(12, '0')}`, id: `i${i}`, size, prefix, source }
}

function answer(text: string): ItemResult {
  return [{ text, finishReason: 'stop', model: 'm' }]
}
