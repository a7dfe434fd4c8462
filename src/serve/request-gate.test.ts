import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { CapacityError } from '../core/errors.ts'
import { countPixels, RequestGate } from './request-gate.ts'
import type { Prompt } from './request.ts'

const USUAL = { priority: 0 }

/** Requests that were let in so far, by number. */
function comers(gate: RequestGate) {
  const inside = new Map<number, () => void>()
  const enter = (name: number, pixels: number, options = USUAL) =>
    gate.enter(pixels, options).then((leave) => void inside.set(name, leave))
  const names = async () => {
    await new Promise(setImmediate)
    return [...inside.keys()]
  }
  return { enter, names, leave: (name: number) => inside.get(name)?.() }
}

test('so many pixels are on their way at a time; what is more than all comes in alone', async () => {
  const { enter, names, leave } = comers(new RequestGate({ maxWaiting: 99, maxPixels: 10 }))
  for (const [name, pixels] of [6, 4, 1, 50, 2].entries()) void enter(name, pixels)
  assert.deepEqual(await names(), [0, 1])
  leave(1)
  assert.deepEqual(await names(), [0, 1, 2])
  leave(0)
  leave(0) // twice is once
  assert.deepEqual(await names(), [0, 1, 2])
  leave(2)
  assert.deepEqual(await names(), [0, 1, 2, 3])
  leave(3)
  assert.deepEqual(await names(), [0, 1, 2, 3, 4])
})

test('the highest priority is let in first, and without pixels nobody waits', async () => {
  const { enter, names, leave } = comers(new RequestGate({ maxWaiting: 99, maxPixels: 10 }))
  void enter(0, 10)
  void enter(1, 5)
  void enter(2, 5, { priority: 3 })
  void enter(3, 0)
  assert.deepEqual((await names()).toSorted(), [0, 3])
  leave(0)
  assert.deepEqual((await names()).slice(2), [2, 1])
})

test('whoever is aborted leaves the queue and keeps nobody', async () => {
  const gate = new RequestGate({ maxWaiting: 3, maxPixels: 10 })
  const { enter, names } = comers(gate)
  const stop = new AbortController()
  void enter(0, 5)
  const large = gate.enter(9, { priority: 0, signal: stop.signal })
  void enter(2, 5)
  assert.deepEqual(await names(), [0])
  stop.abort(new Error('gone'))
  await assert.rejects(large, /gone/)
  assert.deepEqual(await names(), [0, 2])
  await assert.rejects(gate.enter(1, { priority: 0, signal: stop.signal }), /gone/)
  void enter(3, 1)
  assert.deepEqual(await names(), [0, 2], 'the places are all taken, and the signal took none')
})

test('more than may wait are refused, and counted', async () => {
  const gate = new RequestGate({ maxWaiting: 2, maxPixels: 10 })
  const leave = await gate.enter(0, USUAL)
  await gate.enter(0, USUAL)
  const isFull = (error: unknown) =>
    error instanceof CapacityError && error.code === 'CAPACITY_QUEUE'
  await assert.rejects(gate.enter(0, USUAL), isFull)
  leave()
  await gate.enter(0, USUAL)
  assert.equal(gate.refused, 1)
})

test('pixels are those of the headers; what has none at hand is taken for a large picture', () => {
  const bytes = new Uint8Array(readFileSync('fixtures/pictures/photo-100x100.png'))
  const pixels = { data: new Uint8Array(12), width: 2, height: 2 }
  const prompt = (images: Prompt['images'], videos: Prompt['videos'] = []) =>
    ({ kind: 'text', text: '', images, videos, media: [] }) satisfies Prompt
  assert.equal(countPixels(prompt([bytes, pixels])), 10_004)
  assert.equal(countPixels(prompt([])), 0)
  const unknown = countPixels(prompt(['a.png']))
  assert.ok(unknown >= 1e6)
  for (const image of [new Blob(), new Uint8Array(3), new URL('http://a/b')]) {
    assert.equal(countPixels(prompt([image])), unknown)
  }
  assert.ok(countPixels(prompt([], [{ type: 'video', video: 'a.mp4' }])) >= 1e6)
})

test('what a request waits for first holds no room, and counts as waiting', async () => {
  const gate = new RequestGate({ maxWaiting: 2, maxPixels: 100 })
  let ready = () => {}
  const first = gate.enter(100, { priority: 0 }, () => new Promise((resolve) => (ready = resolve)))
  const leave = await gate.enter(100, { priority: 0 })
  await assert.rejects(gate.enter(0, { priority: 0 }), { code: 'CAPACITY_QUEUE' })
  leave()
  ready()
  const next = await first
  next()
  const failed = gate.enter(1, { priority: 0 }, () => Promise.reject(new Error('refused')))
  await assert.rejects(failed, /refused/)
  const all = [await gate.enter(1, { priority: 0 }), await gate.enter(1, { priority: 0 })]
  all.forEach((one) => one())
})
