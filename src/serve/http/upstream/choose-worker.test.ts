import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseWorker } from './choose-worker.ts'

const worker = (name: string, running: number, matched: number, cached: number) => ({
  name,
  running,
  matched,
  cached,
})
const choose = (length: number, ...candidates: ReturnType<typeof worker>[]) =>
  chooseWorker(candidates, length).name

test('a prompt goes where most of it is cached, though that worker is a little busier', () => {
  assert.equal(choose(100, worker('idle', 0, 10, 10), worker('knows', 5, 80, 900)), 'knows')
})

test('a beginning that is only a small part of the prompt does not decide', () => {
  assert.equal(choose(1000, worker('idle', 0, 0, 500), worker('knows', 3, 80, 900)), 'idle')
  assert.equal(choose(1000, worker('full', 1, 80, 900), worker('empty', 1, 0, 20)), 'empty')
})

test('a worker that is much busier than another gets nothing, whatever it has cached', () => {
  assert.equal(choose(100, worker('knows', 20, 100, 900), worker('idle', 2, 0, 10)), 'idle')
  assert.equal(choose(100, worker('knows', 20, 100, 900), worker('as busy', 14, 0, 10)), 'knows')
})

test('of workers that know as much, the idlest, then the first', () => {
  assert.equal(choose(10, worker('a', 3, 10, 10), worker('b', 1, 10, 10)), 'b')
  assert.equal(choose(10, worker('a', 1, 10, 10), worker('b', 1, 10, 10)), 'a')
})
