import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RunQueue } from './run-queue.ts'
import type { Priority } from './runtime.ts'

const PRIORITIES: readonly Priority[] = ['decode', 'prefill', 'training']

/** A job that starts when the queue says so and ends when the test says so. */
type Job = { id: number; priority: Priority; controller: AbortController; promise: Promise<number> }

const commands = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ add: fc.constantFrom(...PRIORITIES) }) },
    { weight: 2, arbitrary: fc.record({ end: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ abort: fc.nat() }) },
  ),
  { maxLength: 60 },
)

test('jobs start one at a time, highest priority first, equal ones in order; aborted ones never', async () => {
  await fc.assert(
    fc.asyncProperty(commands, async (script) => {
      const queue = new RunQueue(setImmediate)
      const started: number[] = []
      const jobs: Job[] = []
      /** What the queue should hold: the model. */
      let waiting: Job[] = []
      let running: Job | undefined
      const expected: number[] = []
      const endings = new Map<number, () => void>()

      const startNext = () => {
        running = PRIORITIES.flatMap((p) => waiting.filter((job) => job.priority === p))[0]
        waiting = waiting.filter((job) => job !== running)
        if (running) expected.push(running.id)
      }
      for (const command of script) {
        if ('add' in command) {
          const id = jobs.length
          const controller = new AbortController()
          const promise = queue.run(
            () => {
              started.push(id)
              return new Promise<number>((resolve) => endings.set(id, () => resolve(id)))
            },
            { priority: command.add, signal: controller.signal },
          )
          promise.catch(() => undefined)
          const job = { id, priority: command.add, controller, promise }
          jobs.push(job)
          waiting.push(job)
          if (!running) startNext()
        } else if ('end' in command && running) {
          endings.get(running.id)!()
          assert.equal(await running.promise, running.id)
          await new Promise(setImmediate)
          startNext()
        } else if ('abort' in command && waiting.length > 0) {
          const job = waiting[command.abort % waiting.length]!
          waiting = waiting.filter((other) => other !== job)
          job.controller.abort(new Error(`stop ${job.id}`))
          await assert.rejects(job.promise, { message: `stop ${job.id}` })
        }
        assert.deepEqual(started, expected)
      }
    }),
    { numRuns: 200 },
  )
})

test('a loop that awaits its job puts the next one in before a lower priority starts', async () => {
  const queue = new RunQueue(setImmediate)
  const order: string[] = []
  const job = (name: string) => async () => void order.push(name)
  async function decodeLoop() {
    for (let step = 0; step < 3; step++)
      await queue.run(job(`decode ${step}`), { priority: 'decode' })
  }
  const loop = decodeLoop()
  const prefill = queue.run(job('prefill'), { priority: 'prefill' })
  await Promise.all([loop, prefill])
  assert.deepEqual(order, ['decode 0', 'decode 1', 'decode 2', 'prefill'])
})

test('a job that throws rejects alone and the next one runs', async () => {
  const queue = new RunQueue(setImmediate)
  const broken = queue.run(() => {
    throw new Error('broken')
  })
  const fine = queue.run(async () => 1)
  await assert.rejects(broken, { message: 'broken' })
  assert.equal(await fine, 1)
  assert.equal(await queue.run(async () => 2), 2)
})

test('a signal that is aborted already rejects with its reason and starts nothing', async () => {
  const queue = new RunQueue(setImmediate)
  const reason = new Error('no')
  const run = queue.run(() => assert.fail('started'), { signal: AbortSignal.abort(reason) })
  await assert.rejects(run, reason)
})

test('an abort after the start is left to the job', async () => {
  const queue = new RunQueue(setImmediate)
  const controller = new AbortController()
  const run = queue.run(
    async () => {
      controller.abort()
      return 'done'
    },
    { signal: controller.signal },
  )
  assert.equal(await run, 'done')
})

test('fifty jobs that wait with one signal do not look like a leak, and all leave at once', async () => {
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  const queue = new RunQueue(setImmediate)
  const controller = new AbortController()
  let finish = () => {}
  const first = queue.run(() => new Promise<void>((resolve) => (finish = resolve)))
  const { signal } = controller
  const waiting = Array.from({ length: 50 }, () => queue.run(() => assert.fail(), { signal }))
  controller.abort(new Error('all'))
  const results = await Promise.allSettled(waiting)
  assert.ok(results.every((r) => r.status === 'rejected' && r.reason.message === 'all'))
  finish()
  await first
  await new Promise(setImmediate)
  process.off('warning', onWarning)
  assert.deepEqual(warnings, [])
})
