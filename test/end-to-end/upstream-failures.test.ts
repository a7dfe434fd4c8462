/** Workers that die, hang, drain or are slow, and clients that leave: each on a wire that is cut at the right moment. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import { loadModel, type Model } from '../../src/index.ts'
import { loadPromptSide } from '../../src/load-prompt-side.ts'
import { parseApiKeys, type LocalModel } from '../../src/serve/http/index.ts'
import { HEALTH_DEFAULTS } from '../../src/serve/http/upstream/worker.ts'
import { startServer, type TestServer } from './serve-setup.ts'
import { PATIENT, startFront, startWire, type Front, type Wire } from './upstream-setup.ts'

const FOLDER = 'fixtures/inference/mini-vit-crop'
const LONG = 'An essay about a garden, a bench and the light of an evening. '.repeat(5)

let models: Model[]
let workers: TestServer[]
let wires: Wire[]
let front: Front
before(async () => {
  models = await Promise.all([1, 2].map(() => loadModel(FOLDER, { precision: 'f32' })))
  workers = await Promise.all(models.map((model) => startServer({ model, listen: PATIENT })))
  wires = await Promise.all(workers.map(({ port }) => startWire(port)))
})
after(async () => {
  await front.close()
  await Promise.all(wires.map((wire) => wire.close()))
  await Promise.all(workers.map((worker) => worker.close()))
  await Promise.all(models.map((model) => model.dispose()))
})
/** Each test has a server of its own, which knows nothing of what was cached, and whole wires. */
beforeEach(async () => {
  await front?.close()
  for (const wire of wires) wire.mend()
  for (const wire of wires) wire.onReply = () => {}
  front = await startFront(wires.map(({ url }) => url))
})

const ask = (content: string, more: object = {}) => ({
  messages: [{ role: 'user', content }],
  max_tokens: 6,
  ignore_eos: true,
  ...more,
})
const chat = (body: object) => front.post('/v1/chat/completions', body)
const stats = () => front.upstreams.models[0]!.workers!()
const counts = (name: string) => stats().map((one) => one[name])
const states = () => stats().map(({ state }) => state)

function openStream(body: object, signal?: AbortSignal): Promise<Response> {
  return fetch(`${front.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, stream: true }),
    ...(signal && { signal }),
  })
}

test('prompts that begin alike go to one worker, which finds their beginning in its cache', async () => {
  const cached: number[] = []
  for (const essay of ['First', 'Second']) {
    for (let i = 0; i < 3; i++) {
      const { body } = await chat(ask(`${essay}: ${LONG} Question ${i}`))
      cached.push(body.usage.prompt_tokens_details.cached_tokens)
    }
  }
  assert.ok(cached[1]! > 100 && cached[2]! > 100 && cached[4]! > 100, String(cached))
  assert.deepEqual(counts('requests'), [3, 3])
})

test('a worker that is much busier than another gets nothing, though it has the beginning', async () => {
  await front.close()
  const routing = { balanceAbove: 2 }
  front = await startFront(
    wires.map(({ url }) => url),
    { routing },
  )
  await Promise.all(Array.from({ length: 12 }, (_, i) => chat(ask(`${LONG} Question ${i}`))))
  const [first, second] = counts('requests') as [number, number]
  assert.ok(Math.min(first, second) >= 3, `${first} and ${second}`)
})

test('a worker that cannot be reached: another one answers, and after some failures nobody asks it', async () => {
  wires[0]!.cut()
  for (let i = 0; i < 6; i++) {
    const { status } = await chat(ask(`${'abcdef'[i]} is asked with words of its own`))
    assert.equal(status, 200)
  }
  assert.deepEqual(states(), ['down', 'up'])
  const asked = counts('requests')[0]
  assert.equal(asked, 3)
  await chat(ask('Another'))
  assert.equal(counts('requests')[0], asked)
  assert.equal(counts('ejections')[0], 1)
})

test('answers that break off are told as failures, and take no worker from others', async () => {
  const [wire] = wires as [Wire, Wire]
  const own = await startFront([wire.url])
  try {
    wire.onReply = (text) => {
      if (!/"content":"[^"]/.test(text)) return
      wire.cut()
      wire.mend()
    }
    for (const question of ['One', 'Two', 'Three', 'Four']) {
      const { status, body } = await own.post('/v1/chat/completions', ask(question))
      assert.deepEqual([status, body.error.code], [503, 'CAPACITY_UPSTREAM'])
    }
    wire.onReply = () => {}
    assert.equal((await own.post('/v1/chat/completions', ask('Five'))).status, 200)
    const [{ state, failures, ejections } = {} as never] = own.upstreams.pool.list()
    assert.deepEqual({ state, failures, ejections }, { state: 'up', failures: 4, ejections: 0 })
    wire.cut()
    const { status } = await own.post('/v1/chat/completions', ask('Six'))
    assert.equal(status, 503)
    assert.equal(own.upstreams.pool.list()[0]?.state, 'up', 'one question is one failure')
  } finally {
    await own.close()
  }
})

test('a redirect is a failure of the answer, and is not followed', async () => {
  const asked: (string | undefined)[] = []
  const moved = createServer(({ url, method }, response) => {
    asked.push(url)
    if (method === 'POST') response.writeHead(307, { location: '/elsewhere' }).end()
    else response.end(JSON.stringify({ object: 'list', data: [{ id: 'tiny', object: 'model' }] }))
  })
  moved.listen(0, '127.0.0.1')
  await once(moved, 'listening')
  const { port } = moved.address() as AddressInfo
  const own = await startFront([`http://127.0.0.1:${port}/v1`])
  try {
    const { messages } = ask('Hi')
    for (let i = 0; i < 4; i++) {
      assert.equal((await own.post('/v1/chat/completions', { messages })).status, 503)
    }
    assert.equal(own.upstreams.pool.list()[0]?.state, 'up')
    assert.equal(asked.includes('/elsewhere'), false)
    assert.match(JSON.stringify(own.logged), /HTTP 307/)
  } finally {
    await own.close()
    moved.close()
  }
})

test('it is asked again when its checks are well, and starts with an empty cache', async () => {
  const { pool } = front.upstreams
  wires[0]!.cut()
  for (let i = 0; i < 3; i++) await pool.check()
  assert.deepEqual(states(), ['down', 'up'])
  wires[0]!.mend()
  await pool.check()
  assert.equal(states()[0], 'down', 'one good check is not enough')
  await pool.check()
  assert.deepEqual(states(), ['up', 'up'])
})

test('where all are gone the client is told so, with a time to come back', async () => {
  for (const wire of wires) wire.cut()
  const { status, headers, body } = await chat(ask('Hello'))
  assert.equal(status, 503)
  assert.equal(body.error.code, 'CAPACITY_UPSTREAM')
  assert.equal(headers.get('retry-after'), '1')
  assert.doesNotMatch(body.error.message, /127\.0\.0\.1|http/, 'no address of ours')
})

test('after the first word an answer that breaks off is not asked for again', async () => {
  const whole = ask('Tell it at length', { max_tokens: 200 })
  for (const wire of wires) {
    wire.onReply = (text) => {
      if (/"content":"[^"]/.test(text)) wire.cut()
    }
  }
  const text = await (await openStream(whole)).text()
  const events = text.split('\n\n').flatMap((one) => /^data: (.*)$/m.exec(one)?.[1] ?? [])
  const last = JSON.parse(events.findLast((one) => one !== '[DONE]')!)
  assert.equal(last.error.code, 'CAPACITY_UPSTREAM')
  assert.equal(events.includes('[DONE]'), false)
  const [first, second] = counts('requests') as [number, number]
  assert.equal(first + second, 1)
})

test('an answer that is told whole is asked of another worker after its first word as well', async () => {
  const whole = ask('Tell it at length', { max_tokens: 60, temperature: 0 })
  const { body: undisturbed } = await chat(whole)
  let cuts = 0
  for (const wire of wires) {
    wire.onReply = (text) => {
      if (cuts === 0 && /"content":"[^"]/.test(text)) {
        cuts++
        wire.cut()
      }
    }
  }
  const paths = ['/v1/chat/completions', '/v1/responses']
  const { messages, max_tokens: max_output_tokens } = whole
  const bodies = [whole, { input: messages, max_output_tokens, temperature: 0 }]
  for (const [i, path] of paths.entries()) {
    cuts = 0
    for (const wire of wires) wire.mend()
    const { status, body } = await front.post(path, bodies[i] as object)
    assert.equal(status, 200, JSON.stringify(body))
    assert.equal(cuts, 1)
    if (i > 0) continue
    assert.equal(body.choices[0].message.content, undisturbed.choices[0].message.content)
    assert.equal(body.usage.completion_tokens, 60)
  }
  const failures = counts('failures') as number[]
  assert.equal(failures[0]! + failures[1]!, 2)
  const told = counts('completionTokens') as number[]
  assert.ok(told[0]! + told[1]! <= 180, 'what broke off is not counted')
})

test('a worker that hangs loses what nobody heard a word of to another one', async () => {
  wires[0]!.hold()
  const answer = chat(ask('Hello'))
  while (counts('running')[0] === 0) await new Promise(setImmediate)
  await front.upstreams.pool.check().catch(() => {})
  wires[0]!.cut()
  assert.equal((await answer).status, 200)
  assert.equal(counts('requests')[1], 1)
})

test(
  'a worker that hangs is asked no more, though clients leave it before a word',
  { timeout: 20_000 },
  async () => {
    // Each that left counted as an answer that succeeded: it stayed up as long as somebody asked.
    await front.close()
    const health = { everySeconds: 3600, timeoutSeconds: 0.05, failures: 3 }
    front = await startFront([wires[0]!.url], { health })
    wires[0]!.hold()
    for (let left = 1; left < health.failures; left++) {
      await front.upstreams.pool.check()
      const leave = new AbortController()
      const asked = openStream(ask('Hello'), leave.signal).catch(() => {})
      while (counts('running')[0] === 0) await new Promise(setImmediate)
      leave.abort()
      await asked
      while (counts('running')[0] !== 0) await new Promise(setImmediate)
    }
    await front.upstreams.pool.check()
    assert.deepEqual(states(), ['down'])
  },
)

test('a draining worker finishes its answers and gets no new ones', async () => {
  const { pool } = front.upstreams
  const [first] = wires as [Wire, Wire]
  const stream = await openStream(ask('Tell it at length', { max_tokens: 100 }))
  assert.equal(counts('running')[0], 1)
  let isDrained = false
  const drained = pool.drain(first.url).then(() => (isDrained = true))
  assert.deepEqual(states(), ['draining', 'up'])
  for (let i = 0; i < 3; i++) await chat(ask(`Question ${i}`))
  assert.equal(counts('requests')[0], 1)
  assert.equal(isDrained || counts('running')[0] === 1, true)
  assert.match(await stream.text(), /\[DONE\]/)
  await drained
  pool.resume(first.url)
  assert.deepEqual(states(), ['up', 'up'])
})

test('an operator drains a worker and takes it back; a client may not, and nobody where there is no such key', async () => {
  const [client, operator] = ['key-of-a-client-123', 'key-of-an-operator-1']
  const { pool, models: served } = front.upstreams
  const [first] = wires as [Wire, Wire]
  const app = {
    models: served,
    workers: pool,
    keys: await parseApiKeys(client),
    operatorKeys: await parseApiKeys(operator),
  }
  const own = await startServer({ model: models[0]!, app, listen: PATIENT })
  const as = (key: string) => ({ authorization: `Bearer ${key}` })
  try {
    const listed = await own.fetch(`${own.url}/workers`, { headers: as(operator) })
    const { workers } = (await listed.json()) as { workers: { worker: string; state: string }[] }
    assert.deepEqual(
      workers.map(({ worker, state }) => [worker, state]),
      wires.map(({ url }) => [url, 'up']),
    )
    const refused = await own.post('/workers/drain', { worker: first.url }, as(client))
    assert.equal(refused.status, 401)
    assert.equal((await own.post('/v1/chat/completions', ask('Hi'), as(operator))).status, 401)
    const drained = await own.post('/workers/drain', { worker: `${first.url}/v1/` }, as(operator))
    assert.deepEqual([drained.status, drained.body.workers[0].state], [200, 'draining'])
    assert.equal((await own.post('/v1/chat/completions', ask('Hi'), as(client))).status, 200)
    assert.equal(counts('requests')[0], 0)
    const unknown = await own.post('/workers/drain', { worker: 'http://a' }, as(operator))
    assert.deepEqual([unknown.status, unknown.body.error.code], [400, 'INPUT_WORKER'])
    const resumed = await own.post('/workers/resume', { worker: first.url }, as(operator))
    assert.equal(resumed.body.workers[0].state, 'up')
  } finally {
    await own.close()
  }
  assert.equal((await front.post('/workers/drain', { worker: first.url })).status, 404)
})

test('it is ready as long as a worker can be asked', async () => {
  const { pool } = front.upstreams
  const ready = async () => {
    const response = await front.fetch(`${front.url}/ready`)
    return [response.status, await response.json()]
  }
  assert.deepEqual(await ready(), [200, { status: 'ok' }])
  void pool.drain(wires[0]!.url)
  assert.deepEqual(await ready(), [200, { status: 'ok' }])
  wires[1]!.cut()
  for (let i = 0; i < 3; i++) await pool.check()
  assert.deepEqual(states(), ['draining', 'down'])
  assert.deepEqual(await ready(), [503, { status: 'no-worker' }])
  pool.resume(wires[0]!.url)
  assert.deepEqual(await ready(), [200, { status: 'ok' }])
})

test('with a checkpoint it starts before its workers, is not ready, and answers when one has come', async () => {
  for (const wire of wires) wire.cut()
  const side = await loadPromptSide(FOLDER)
  const waiting = await startFront([wires[0]!.url], { side, id: 'tiny' })
  try {
    const { status } = await waiting.fetch(`${waiting.url}/ready`)
    assert.equal(status, 503)
    assert.equal((await waiting.post('/v1/chat/completions', ask('Hi'))).status, 503)
    wires[0]!.mend()
    for (let i = 0; i < 2; i++) await waiting.upstreams.pool.check()
    assert.equal((await waiting.fetch(`${waiting.url}/ready`)).status, 200)
    assert.equal((await waiting.post('/v1/chat/completions', ask('Hi'))).status, 200)
    wires[0]!.cut()
    await assert.rejects(startFront([wires[0]!.url]), { code: 'CAPACITY_UPSTREAM' })
  } finally {
    await waiting.close()
    await side.dispose()
  }
})

/** The model, whose answers begin with `goOn`; `asked` says how many wait for it or were given. */
function held(model: Model) {
  let goOn = () => {}
  const going = new Promise<void>((resolve) => (goOn = resolve))
  let asked = 0
  const { config, generation, tokenizer, autoOrient } = model
  const slow: LocalModel = {
    config,
    autoOrient,
    generation,
    tokenizer,
    countTokens: (input) => model.countTokens(input),
    prepare: (input) => model.prepare(input),
    async *stream(request) {
      asked++
      await going
      yield* model.stream(request)
    },
  }
  return { slow, goOn, asked: () => asked }
}

test('one of ours that is told to stop is drained without being told', async () => {
  // It took no connection any more: its checks failed, and at the third what nobody had heard a word of was asked of another.
  const { slow, goOn, asked } = held(models[0]!)
  const stopping = await startServer({ model: slow, listen: PATIENT })
  const own = await startFront([stopping.url, wires[1]!.url])
  const { pool } = own.upstreams
  try {
    void pool.drain(wires[1]!.url)
    const answers = [false, true].map(async (stream) => {
      const body = JSON.stringify(ask('Tell it', { stream }))
      const headers = { 'content-type': 'application/json' }
      const path = '/v1/chat/completions'
      return (await fetch(`${own.url}${path}`, { method: 'POST', headers, body })).text()
    })
    while (asked() < answers.length) await new Promise(setImmediate)
    pool.resume(wires[1]!.url)
    const closed = stopping.close()
    for (let i = 0; i <= HEALTH_DEFAULTS.failures; i++) {
      await pool.check()
      assert.deepEqual(
        pool.list().map(({ state }) => state),
        ['draining', 'up'],
      )
      assert.equal((await own.post('/v1/chat/completions', ask(`Question ${i}`))).status, 200)
    }
    goOn()
    const [whole, streamed] = await Promise.all(answers)
    assert.match(whole!, /"finish_reason":"length"/)
    assert.match(streamed!, /"finish_reason":"length"[^]*\[DONE\]/)
    await closed
    // It is gone, which nobody finds out by asking it.
    await pool.check()
    const { state, requests, failures } = pool.list()[0]!
    assert.deepEqual({ state, requests, failures }, { state: 'draining', requests: 2, failures: 0 })
  } finally {
    goOn()
    await own.close()
  }
})

test('a client that leaves stops the answer at the worker', async () => {
  const leave = new AbortController()
  const stream = await openStream(ask('Tell it at length', { max_tokens: 2000 }), leave.signal)
  const reader = stream.body!.getReader()
  await reader.read()
  leave.abort()
  await reader.read().catch(() => {})
  const running = () => models.reduce((sum, model) => sum + model.stats().running, 0)
  for (let turn = 0; running() > 0 && turn < 2000; turn++)
    await new Promise((r) => setTimeout(r, 5))
  assert.equal(running(), 0)
  assert.deepEqual(counts('running'), [0, 0])
  assert.deepEqual(counts('failures'), [0, 0], 'which is no fault of the worker')
})

test('workers are in the metrics, with state and counts', async () => {
  await chat(ask('Hello'))
  const text = await (await front.fetch(`${front.url}/metrics`)).text()
  const [first] = wires as [Wire, Wire]
  assert.ok(text.includes(`llava_worker_state{worker="${first.url}",state="up"} 1`), text)
  assert.match(text, /llava_worker\{worker="[^"]+",name="requests"\} 1/)
  assert.match(text, /llava_worker\{worker="[^"]+",name="promptTokens"\} [1-9]/)
})
