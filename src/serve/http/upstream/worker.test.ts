import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WorkerFailure, type FailureKind } from './upstream-error.ts'
import { HEALTH_DEFAULTS, Worker } from './worker.ts'
import { WorkerApi } from './worker-api.ts'

/** One of vLLM whose health is as `isWell` says. */
async function workerOf(
  isWell: () => boolean,
  ids: () => readonly string[] = () => ['llava'],
): Promise<Worker> {
  const fetch = async (url: string | URL | Request) => {
    if (String(url).endsWith('/v1/models')) {
      return Response.json({ data: ids().map((id) => ({ id, owned_by: 'vllm' })) })
    }
    return new Response(null, { status: isWell() ? 200 : 500 })
  }
  const api = new WorkerApi({ url: 'http://127.0.0.1:9', fetch: fetch as typeof globalThis.fetch })
  const worker = new Worker(api, { health: HEALTH_DEFAULTS, log: () => {}, accept: () => {} })
  await worker.meet(new AbortController().signal)
  return worker
}

/** Three checks that fail, each behind a call that ends like this. */
async function stateAfter(end: FailureKind | 'answered' | 'untold'): Promise<string> {
  const worker = await workerOf(() => false)
  for (let i = 0; i < HEALTH_DEFAULTS.failures; i++) {
    const isTold = end === 'answered' || end === 'untold'
    worker.begin().end(isTold ? end : new WorkerFailure(end, 'it failed'))
    await worker.check(new AbortController().signal)
  }
  return worker.state
}

test('a worker that fails its checks is asked no more, unless an answer succeeds meanwhile', async () => {
  assert.equal(await stateAfter('failed'), 'down')
  assert.equal(await stateAfter('busy'), 'down')
  assert.equal(await stateAfter('answered'), 'up')
  // A client that left was an answer that succeeded: a worker that hung stayed up as long as clients left.
  assert.equal(await stateAfter('untold'), 'down')
})

test('answers that fail take a worker that is well from nobody, those that do not reach it do', async () => {
  for (const [kind, state] of [
    ['failed', 'up'],
    ['gone', 'down'],
  ] as const) {
    const worker = await workerOf(() => true)
    for (let i = 0; i < 9; i++) worker.begin().end(new WorkerFailure(kind, 'it failed'))
    assert.equal(worker.state, state, kind)
  }
})

test('a list without a model is a check that fails: what it served before holds until it is down', async () => {
  let ids = ['llava']
  const worker = await workerOf(
    () => true,
    () => ids,
  )
  const served = () => worker.models.map(({ id }) => id)
  ids = []
  for (let left = HEALTH_DEFAULTS.failures; left > 0; left--) {
    assert.deepEqual([worker.state, served()], ['up', ['llava']])
    await worker.check(new AbortController().signal)
  }
  assert.equal(worker.state, 'down')
  ids = ['llava', 'other']
  for (let i = 0; i < HEALTH_DEFAULTS.successes; i++) {
    await worker.check(new AbortController().signal)
  }
  assert.deepEqual([worker.state, served()], ['up', ['llava', 'other']])
})
