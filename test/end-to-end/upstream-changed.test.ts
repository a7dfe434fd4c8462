/** Workers that come back as others between two checks: each test finds out by asking, not by a check. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadModel } from '../../src/index.ts'
import { withServer, type Handler } from '../scripted-server.ts'
import { startServer } from './serve-setup.ts'
import { PATIENT, startFront } from './upstream-setup.ts'

/** Serves one model, in OpenAI's words, as vLLM does: any other is not found. */
function workerOf(first: string) {
  const worker = { serves: first, asked: 0, handler: handle as Handler }
  function handle(...[body, response, { url }]: Parameters<Handler>): void {
    if (url === '/v1/models') {
      response.end(JSON.stringify({ data: [{ id: worker.serves, owned_by: 'vllm' }] }))
      return
    }
    if (url === '/health') return void response.end()
    worker.asked++
    if (url !== '/v1/chat/completions') {
      return void response.writeHead(404).end('{"detail":"Not Found"}')
    }
    if (body['model'] !== worker.serves) {
      const message = `The model \`${String(body['model'])}\` does not exist.`
      const error = { message, type: 'NotFoundError', param: 'model', code: 404 }
      return void response.writeHead(404).end(JSON.stringify({ error }))
    }
    const choices = [{ index: 0, delta: { content: worker.serves }, finish_reason: 'stop' }]
    const usage = { prompt_tokens: 3, completion_tokens: 1 }
    response.end(`data: ${JSON.stringify({ choices, usage })}\n\ndata: [DONE]\n\n`)
  }
  return worker
}

const ASKED = { messages: [{ role: 'user', content: 'Hi' }], max_tokens: 4 }
const CHAT = '/v1/chat/completions'

test('a worker that came back with another model: another one answers, or it does by its new name', async () => {
  // Every question that went to it was told that its model is not served, whoever else served it.
  const [first, second] = [workerOf('m1'), workerOf('m1')]
  await withServer([first.handler], (one) =>
    withServer([second.handler], async (two) => {
      const plain = await startFront([one, two])
      const named = await startFront([one, two], { id: 'public' })
      first.serves = 'm2'
      try {
        for (const front of [plain, named]) {
          for (let i = 0; i < 4; i++) {
            const messages = [{ role: 'user', content: `${i} is asked` }]
            const { status, body } = await front.post(CHAT, { ...ASKED, messages })
            assert.equal(status, 200, JSON.stringify(body))
          }
        }
        const states = [plain, named].map(({ upstreams }) => upstreams.pool.list()[0]!.state)
        assert.deepEqual(states, ['down', 'up'])
        assert.match(JSON.stringify(plain.logged), /worker-down.*should serve m1, .* it serves m2/)
      } finally {
        await plain.close()
        await named.close()
      }
    }),
  )
})

test('the only worker is asked by its new name where the front has one of its own, and else nobody is', async () => {
  const worker = workerOf('m1')
  await withServer([worker.handler], async (url) => {
    const named = await startFront([url], { id: 'public' })
    const plain = await startFront([url])
    worker.serves = 'm2'
    try {
      const { status, body } = await named.post(CHAT, ASKED)
      assert.deepEqual([status, body.choices?.[0].message.content], [200, 'm2'])
      assert.equal(worker.asked, 2)
      for (let i = 0; i < 2; i++) {
        const refused = await plain.post(CHAT, ASKED)
        assert.deepEqual([refused.status, refused.body.error.code], [503, 'CAPACITY_UPSTREAM'])
        assert.doesNotMatch(refused.body.error.message, /m2/)
      }
      assert.equal(worker.asked, 3)
    } finally {
      await named.close()
      await plain.close()
    }
  })
})

test('a route that a worker does not have is asked of another one, and told where none has it', async () => {
  const bare = workerOf('m1')
  const whole: Handler = (body, response, request) => {
    if (request.url === '/tokenize') response.end('{"tokens":[1,2]}')
    else workerOf('m1').handler(body, response, request)
  }
  await withServer([bare.handler], (one) =>
    withServer([whole], async (two) => {
      const both = await startFront([one, two])
      const alone = await startFront([one])
      try {
        for (let i = 0; i < 3; i++) {
          assert.equal((await both.post('/tokenize', { prompt: 'Hi' })).status, 200)
        }
        const { status, body } = await alone.post('/tokenize', { prompt: 'Hi' })
        assert.deepEqual([status, body.error.code], [404, 'INPUT_UPSTREAM'])
        assert.match(body.error.message, /should have the route \/tokenize, none has; .*--model/)
        const states = [both, alone].map(({ upstreams }) => upstreams.pool.list()[0]!.state)
        assert.deepEqual(states, ['up', 'up'], 'which is no fault of it')
      } finally {
        await both.close()
        await alone.close()
      }
    }),
  )
})

test('a model that its only worker lists and does not have is told in the words of the worker', async () => {
  // They were lost behind the advice for /tokenize, which is of no use to a chat.
  const worker = workerOf('m1')
  const stale: Handler = (body, response, request) =>
    worker.handler({ ...body, model: 'gone' }, response, request)
  await withServer([stale], async (url) => {
    const front = await startFront([url])
    try {
      const { status, body } = await front.post(CHAT, ASKED)
      const { code, message } = body.error
      assert.deepEqual([status, code], [404, 'INPUT_UPSTREAM'])
      assert.equal(message, 'model: The model `gone` does not exist.')
    } finally {
      await front.close()
    }
  })
})

test('a worker of ours that came back with another model answers no raw prompt under the old name', async () => {
  // /generate named no model there: what the new one wrote came as an answer of the old one.
  const model = await loadModel('fixtures/inference/mini-vit-crop', { precision: 'f32' })
  const first = await startServer({ model, id: 'alpha', listen: PATIENT })
  const { port, url } = first
  const plain = await startFront([url])
  const named = await startFront([url], { id: 'public' })
  const wrong = await first.post('/generate', { model: 'beta', text: 'Hi' })
  assert.deepEqual([wrong.status, wrong.body.error.code], [404, 'INPUT_MODEL'])
  await first.close()
  const second = await startServer({ model, id: 'beta', listen: { ...PATIENT, port } })
  const questions = [
    ['/v1/completions', { prompt: 'Hi', max_tokens: 2 }],
    ['/v1/completions', { prompt: [5, 6], max_tokens: 2 }],
    ['/generate', { text: 'Hi', sampling_params: { max_new_tokens: 2 } }],
  ] as const
  try {
    for (const [path, body] of questions) {
      const refused = await plain.post(path, body)
      assert.deepEqual([refused.status, refused.body.error.code], [503, 'CAPACITY_UPSTREAM'])
      assert.equal((await named.post(path, body)).status, 200)
    }
  } finally {
    await plain.close()
    await named.close()
    await second.close()
    await model.dispose()
  }
})
