import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharedWork } from './shared-work.ts'

/** Work that is done when it is told to, and counts how often it began. */
function work<T>() {
  const begun: { signal: AbortSignal; end: (value: T) => void; fail: (error: Error) => void }[] = []
  const run = (signal: AbortSignal | undefined) =>
    new Promise<T>((end, fail) => begun.push({ signal: signal as AbortSignal, end, fail }))
  return { begun, run }
}

test('what several want at the same time is done once, and anew when it is wanted later', async () => {
  const shared = new SharedWork<number>()
  const { begun, run } = work<number>()
  const all = [1, 2, 3].map(() => shared.do('a', undefined, run))
  const other = shared.do('b', undefined, run)
  assert.equal(begun.length, 2)
  begun[0]!.end(7)
  begun[1]!.end(8)
  assert.deepEqual(await Promise.all([...all, other]), [7, 7, 7, 8])
  void shared.do('a', undefined, run)
  assert.equal(begun.length, 3)
})

test('who stops wanting it is let go at once, and the others get it', async () => {
  const shared = new SharedWork<number>()
  const { begun, run } = work<number>()
  const leaves = new AbortController()
  const first = shared.do('a', leaves.signal, run)
  const second = shared.do('a', new AbortController().signal, run)
  leaves.abort(new Error('gone'))
  await assert.rejects(first, /gone/)
  assert.equal(begun[0]!.signal.aborted, false)
  begun[0]!.end(7)
  assert.equal(await second, 7)
  assert.equal(begun.length, 1)
})

test('it is stopped when nobody wants it any more; who comes then begins anew', async () => {
  const shared = new SharedWork<number>()
  const { begun, run } = work<number>()
  const stops = [new AbortController(), new AbortController()]
  const all = stops.map(({ signal }) => shared.do('a', signal, run))
  for (const stop of stops) stop.abort(new Error('gone'))
  for (const one of all) await assert.rejects(one, /gone/)
  assert.equal(begun[0]!.signal.aborted, true)
  const next = shared.do('a', undefined, run)
  begun[0]!.fail(new Error('stopped'))
  begun[1]!.end(9)
  assert.equal(await next, 9)
})

test('all hear of a failure, and nothing of it is left', async () => {
  const shared = new SharedWork<number>()
  const { begun, run } = work<number>()
  const all = [1, 2].map(() => shared.do('a', undefined, run))
  begun[0]!.fail(new Error('broken'))
  for (const one of all) await assert.rejects(one, /broken/)
  const again = shared.do('a', undefined, run)
  begun[1]!.end(1)
  assert.equal(await again, 1)
})

test('without a key nothing is shared, and who comes with an aborted signal begins nothing', async () => {
  const shared = new SharedWork<number>()
  const { begun, run } = work<number>()
  const all = [1, 2].map(() => shared.do(null, undefined, run))
  begun.forEach(({ end }, i) => end(i))
  assert.deepEqual(await Promise.all(all), [0, 1])
  const aborted = AbortSignal.abort(new Error('too late'))
  await assert.rejects(shared.do('a', aborted, run), /too late/)
  assert.equal(begun.length, 2)
})
