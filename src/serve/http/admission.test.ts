import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Admission } from './admission.ts'

const never = new AbortController().signal

function enter(admission: Admission, answers: number, signal: AbortSignal, priority = 0) {
  return admission.enter({ answers, priority }, signal)
}

test('places are given in the order of coming, and a large request is not overtaken for ever', async () => {
  const admission = new Admission({ maxRunning: 2, maxQueued: 8 })
  const free = [await enter(admission, 1, never), await enter(admission, 1, never)]
  const order: string[] = []
  const wait = (name: string, answers: number) =>
    enter(admission, answers, never).then((leave) => (order.push(name), leave))
  const waiting = [wait('two', 2), wait('one', 1)]
  free[0]?.()
  await Promise.resolve()
  assert.deepEqual([order, admission.running, admission.waiting], [[], 1, 2])
  free[1]?.()
  const leave = await waiting[0]
  assert.deepEqual([order, admission.running], [['two'], 2])
  leave?.()
  ;(await waiting[1])?.()
  assert.deepEqual([order, admission.running, admission.waiting], [['two', 'one'], 0, 0])
})

// Everybody waits here where as many run as the engine has rows, so its own queue had nothing to sort.
test('of those that wait the highest priority is let in first, equals in the order of coming', async () => {
  const admission = new Admission({ maxRunning: 2, maxQueued: 8 })
  const free = [await enter(admission, 1, never), await enter(admission, 1, never)]
  const order: string[] = []
  const wait = async (name: string, priority: number, answers = 1) => {
    const leave = await enter(admission, answers, never, priority)
    order.push(name)
    leave()
  }
  const waiting = [wait('low', -1), wait('a', 0, 2), wait('b', 0), wait('high', 5, 2)]
  free[0]?.()
  // There is a place for it, and nobody as urgent waits.
  await wait('urgent', 6)
  // There is a place for it too, but one that came for two has waited longer.
  waiting.push(wait('late', 5))
  free[1]?.()
  await Promise.all(waiting)
  assert.deepEqual(order, ['urgent', 'high', 'late', 'a', 'b', 'low'])
})

test('never more run than may, however many end and come at one moment', async () => {
  const admission = new Admission({ maxRunning: 3, maxQueued: 100 })
  let most = 0
  await Promise.all(
    Array.from({ length: 50 }, async (_, i) => {
      const free = await enter(admission, 1 + (i % 3), never)
      most = Math.max(most, admission.running)
      await Promise.resolve()
      free()
      free() // twice counts once
    }),
  )
  assert.deepEqual([most, admission.running], [3, 0])
})

test('who waits and leaves gives its place in the queue up; a full queue refuses', async () => {
  const admission = new Admission({ maxRunning: 1, maxQueued: 1 })
  const free = await enter(admission, 1, never)
  const left = new AbortController()
  const waiting = enter(admission, 1, left.signal)
  await assert.rejects(enter(admission, 1, never), { code: 'CAPACITY_QUEUE' })
  left.abort(new Error('gone'))
  await assert.rejects(waiting, /gone/)
  assert.equal(admission.waiting, 0)
  const idle = admission.idle()
  admission.close()
  await assert.rejects(enter(admission, 1, never), { code: 'CAPACITY_STOPPING' })
  free()
  await idle
})
