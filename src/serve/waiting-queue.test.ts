import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { WaitingQueue } from './waiting-queue.ts'

type Item = { readonly priority: number; readonly arrival: number }

test('the highest priority is first, equal ones in order of arrival, whoever leaves', () => {
  const script = fc.array(
    fc.record({ priority: fc.integer({ min: -2, max: 2 }), leaves: fc.nat() }),
  )
  fc.assert(
    fc.property(script, (steps) => {
      const queue = new WaitingQueue<Item>(({ priority }) => priority)
      let model: Item[] = []
      for (const [arrival, { priority, leaves }] of steps.entries()) {
        const item = { priority, arrival }
        queue.add(item)
        model.push(item)
        const gone = leaves % 3 === 0 ? model[leaves % model.length]! : null
        if (gone) queue.remove(gone)
        model = model.filter((other) => other !== gone)
        model.sort((a, b) => b.priority - a.priority || a.arrival - b.arrival)
        assert.equal(queue.first, model[0])
      }
      assert.deepEqual(
        queue.takeWhere(() => true, Infinity),
        model,
      )
      assert.equal(queue.size, 0)
    }),
  )
})

test('one that comes back is before its equals', () => {
  const queue = new WaitingQueue<Item>(({ priority }) => priority)
  const [a, b, c] = [1, 1, 2].map((priority, arrival) => ({ priority, arrival }))
  for (const item of [b!, c!]) queue.add(item)
  queue.addFirst(a!)
  assert.deepEqual(
    queue.takeWhere(() => true, Infinity),
    [c, a, b],
  )
})

test('no more are taken than asked for', () => {
  const queue = new WaitingQueue<number>(() => 0)
  for (const item of [1, 2, 3, 4, 5]) queue.add(item)
  assert.deepEqual(
    queue.takeWhere((item) => item % 2 === 1, 2),
    [1, 3],
  )
  assert.equal(queue.size, 3)
})
