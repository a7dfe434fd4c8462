/** Jobs begun before they are asked for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Prefetch } from './prefetch.ts'

test('the next jobs are begun, each once, and none behind the end', async () => {
  const begun: number[] = []
  const queue = new Prefetch(
    (index) => {
      begun.push(index)
      return Promise.resolve(index * 10)
    },
    { end: 4, depth: 2 },
  )
  assert.equal(await queue.take(0), 0)
  assert.deepEqual(begun, [0, 1, 2])
  assert.equal(await queue.take(1), 10)
  assert.equal(await queue.take(2), 20)
  assert.equal(await queue.take(3), 30)
  assert.deepEqual(begun, [0, 1, 2, 3])
})

test('a job that fails ahead of its turn fails when it is taken', async () => {
  const queue = new Prefetch(
    (index) => (index === 1 ? Promise.reject(new Error('broken')) : Promise.resolve(index)),
    { end: 3, depth: 1 },
  )
  assert.equal(await queue.take(0), 0)
  await new Promise((resolve) => setImmediate(resolve))
  await assert.rejects(queue.take(1), /broken/)
})
