import assert from 'node:assert/strict'
import { EventEmitter, getEventListeners } from 'node:events'
import { test } from 'node:test'
import { ConfigError, InputError } from '../core/errors.ts'
import { packError, unpackError, type Job, type JobResult } from './worker-jobs.ts'
import { WorkerPool } from './worker-pool.ts'

const JOB: Job = { kind: 'read', source: new Uint8Array(), decode: {} }
const RESULT = { width: 1 } as unknown as JobResult

/** A worker that answers when the test says so. */
class FakeWorker extends EventEmitter {
  readonly jobs: number[] = []
  isHeld = false

  constructor() {
    super()
    // As with worker threads, whoever listens to messages holds the process.
    this.on('newListener', (event) => (this.isHeld ||= event === 'message'))
  }

  postMessage({ id }: { id: number }): void {
    this.jobs.push(id)
  }

  answer(): void {
    this.emit('message', { id: this.jobs.at(-1), result: RESULT })
  }

  ref(): void {
    this.isHeld = true
  }

  unref(): void {
    this.isHeld = false
  }

  async terminate(): Promise<void> {
    this.emit('exit')
  }
}

function fakePool(size: number): { pool: WorkerPool; workers: FakeWorker[] } {
  const workers: FakeWorker[] = []
  const pool = new WorkerPool(size, () => {
    const worker = new FakeWorker()
    workers.push(worker)
    return worker
  })
  return { pool, workers }
}

test('workers start one by one, each has one job, and only a busy one holds the process', async () => {
  const { pool, workers } = fakePool(2)
  assert.equal(workers.length, 0)
  pool.warm()
  assert.deepEqual(
    workers.map(({ isHeld }) => isHeld),
    [false],
  )
  const calls = [0, 1, 2].map(() => pool.run(JOB))
  assert.deepEqual(
    workers.map(({ jobs }) => jobs),
    [[0], [1]],
  )
  assert.ok(workers.every(({ isHeld }) => isHeld))
  workers[1]!.answer()
  assert.deepEqual(workers[1]!.jobs, [1, 2])
  for (const worker of workers) worker.answer()
  assert.deepEqual(await Promise.all(calls), [RESULT, RESULT, RESULT])
  assert.ok(workers.every(({ isHeld }) => !isHeld))
})

test('an aborted job rejects at once; running, its answer is dropped; waiting, it never runs', async () => {
  const { pool, workers } = fakePool(1)
  const [running, waiting] = [new AbortController(), new AbortController()]
  const calls = [pool.run(JOB, running.signal), pool.run(JOB, waiting.signal), pool.run(JOB)]
  running.abort(new Error('first'))
  waiting.abort(new Error('second'))
  await assert.rejects(calls[0]!, /first/)
  await assert.rejects(calls[1]!, /second/)
  workers[0]!.answer()
  assert.deepEqual(workers[0]!.jobs, [0, 2])
  workers[0]!.answer()
  assert.equal(await calls[2], RESULT)
})

test('a lost worker fails its own job and the next gets a new one', async () => {
  const { pool, workers } = fakePool(1)
  const calls = [pool.run(JOB), pool.run(JOB)]
  workers[0]!.emit('error', new Error('out of memory'))
  await assert.rejects(calls[0]!, { code: 'CAPACITY_PREPROCESS', message: /out of memory/ })
  workers[1]!.answer()
  assert.equal(await calls[1], RESULT)
})

test('dispose rejects what runs and what waits', async () => {
  const { pool } = fakePool(1)
  const calls = [pool.run(JOB), pool.run(JOB)]
  const refused = calls.map((call) => assert.rejects(call, { code: 'CAPACITY_DISPOSED' }))
  await pool.dispose()
  await Promise.all(refused)
  await assert.rejects(pool.run(JOB), { code: 'CAPACITY_DISPOSED' })
})

// The process ended in the middle of what waited for `dispose`.
test('an answer that comes while its worker is being ended does not let the process go', async () => {
  const { pool, workers } = fakePool(1)
  const refused = assert.rejects(pool.run(JOB), { code: 'CAPACITY_DISPOSED' })
  const [worker] = workers as [FakeWorker]
  worker.terminate = async () => {
    worker.ref() // As worker threads do.
    worker.answer()
    assert.ok(worker.isHeld)
    worker.emit('exit')
  }
  await pool.dispose()
  await refused
})

test('errors keep class, code and message between threads; others are our bug', () => {
  for (const error of [new InputError('INPUT_X', 'a: b.'), new ConfigError('CONFIG_Y', 'c: d.')]) {
    const back = unpackError(structuredClone(packError(error)))
    assert.ok(back instanceof error.constructor)
    assert.deepEqual({ ...back, message: back.message }, { ...error, message: error.message })
  }
  assert.match(unpackError(packError(new TypeError('oops'))).message, /^internal: .*oops/)
})

test('the pictures of one request share one listener to its signal', async () => {
  const { pool, workers } = fakePool(1)
  const { signal } = new AbortController()
  const runs = Array.from({ length: 20 }, () => pool.run(JOB, signal))
  assert.equal(getEventListeners(signal, 'abort').length, 1)
  for (const run of runs) {
    workers[0]?.answer()
    await run
  }
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})
