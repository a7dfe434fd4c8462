/** Workers that speak OpenAI's words and nothing else: no route for health, no usage in a stream. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { loadPromptSide, type LoadedPromptSide } from '../../src/load-prompt-side.ts'
import { TURNED_URL } from './serve-setup.ts'
import { startFront } from './upstream-setup.ts'

const WORDS = ['A red ', 'kite.']

let peer: Server
let url: string
let side: LoadedPromptSide
before(async () => {
  side = await loadPromptSide('fixtures/inference/mini-vit-crop', {})
  peer = createServer((request, response) => {
    if (request.url === '/v1/models') {
      response.end(JSON.stringify({ object: 'list', data: [{ id: 'plain', object: 'model' }] }))
    } else if (request.url === '/v1/chat/completions') {
      const chunk = (choice: object) =>
        response.write(`data: ${JSON.stringify({ choices: [{ index: 0, ...choice }] })}\n\n`)
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (const content of WORDS) chunk({ delta: { content }, finish_reason: null })
      chunk({ delta: {}, finish_reason: 'function_call' })
      response.end('data: [DONE]\n\n')
    } else response.writeHead(404).end()
  })
  peer.listen(0, '127.0.0.1')
  await once(peer, 'listening')
  url = `http://127.0.0.1:${(peer.address() as AddressInfo).port}`
})
after(async () => {
  peer.closeAllConnections()
  peer.close()
  await side.dispose()
})

const QUESTION = { messages: [{ role: 'user', content: 'What is it?' }], max_tokens: 20 }

test('it is well while it lists its models', async () => {
  const front = await startFront([url])
  for (let i = 0; i < 4; i++) await front.upstreams.pool.check()
  assert.deepEqual(
    front.upstreams.models[0]!.workers!().map(({ state }) => state),
    ['up'],
  )
  await front.close()
})

test('a context that it does not tell is null', async () => {
  const front = await startFront([url])
  const { data } = (await (await front.fetch(`${front.url}/v1/models`)).json()) as {
    data: { max_model_len: number | null }[]
  }
  assert.equal(data[0]!.max_model_len, null)
  await front.close()
})

test('what a picture asks for that it may not apply is said, since it does not tell', async () => {
  const front = await startFront([url], { side })
  const image = { type: 'image_url', image_url: { url: TURNED_URL } }
  const messages = [{ role: 'user', content: [image] }]
  const { status, headers } = await front.post('/v1/chat/completions', { messages })
  assert.equal(status, 200)
  assert.equal(
    headers.get('llava-note'),
    'messages[0].content[0].image_url: orientation 6 may not be applied by the worker',
  )
  const { body } = await front.post('/v1/media/tokens', { messages })
  assert.equal(body.media[0].orientation_ignored, null)
  await front.close()
})

test('forms that it does not offer are refused by the field of the request', async () => {
  // The library's word for them was told, and no field.
  const front = await startFront([url])
  const { messages } = QUESTION
  const cases: readonly [path: string, body: object, param: string][] = [
    ['/v1/chat/completions', { messages, regex: 'a+' }, 'regex'],
    [
      '/v1/chat/completions',
      { messages, structured_outputs: { regex: 'a+' } },
      'structured_outputs',
    ],
    ['/v1/responses', { input: 'Hi', choice: ['a', 'b'] }, 'choice'],
    ['/v1/completions', { prompt: 'Hi', guided_choice: ['a', 'b'] }, 'guided_choice'],
    [
      '/generate',
      { text: 'Hi', sampling_params: { ebnf: 'root ::= "a"' } },
      'sampling_params.ebnf',
    ],
  ]
  for (const [path, body, param] of cases) {
    const { status, body: told } = await front.post(path, body)
    assert.deepEqual([status, told.error.code, told.error.param], [400, 'INPUT_UPSTREAM', param])
    assert.ok(told.error.message.startsWith(`model: ${param} with a form other than JSON came, `))
  }
  await front.close()
})

test('what it does not count is counted here where the checkpoint is, and else said to be missing', async () => {
  const known = await startFront([url], { side })
  const { status, body } = await known.post('/v1/chat/completions', QUESTION)
  assert.equal(status, 200, JSON.stringify(body))
  assert.equal(body.choices[0].message.content, WORDS.join(''))
  const asked = side.countTokens({ messages: [{ role: 'user', content: 'What is it?' }] })
  assert.equal(body.usage.prompt_tokens, asked.text)
  const answer = side.tokenizer.encode(WORDS.join(''), { addBos: false })
  assert.equal(body.usage.completion_tokens, answer.length)
  await known.close()

  const unknown = await startFront([url])
  const refused = await unknown.post('/v1/chat/completions', QUESTION)
  assert.equal(refused.status, 503)
  assert.equal(refused.body.error.code, 'CAPACITY_UPSTREAM')
  await unknown.close()
})
