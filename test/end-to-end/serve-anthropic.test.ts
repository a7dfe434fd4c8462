/** Anthropic's client, SGLang's route, and the plain routes, against a real server with a real, tiny model. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import { loadModel, type Model } from '../../src/index.ts'
import { PICTURE, PICTURE_URL, startServer, type TestServer } from './serve-setup.ts'

let model: Model
let server: TestServer
let client: Anthropic

before(async () => {
  model = await loadModel('fixtures/inference/mini-vit-crop', { precision: 'f32' })
  server = await startServer({ model })
  const { url: baseURL, fetch } = server
  client = new Anthropic({ baseURL, apiKey: 'none', maxRetries: 0, fetch })
})
after(async () => {
  await server.close()
  await model.dispose()
})

const data = Buffer.from(PICTURE).toString('base64')
const question: Anthropic.MessageParam[] = [
  {
    role: 'user',
    content: [
      { type: 'image', source: { type: 'base64', media_type: 'image/jpeg', data } },
      { type: 'text', text: 'What is it?' },
    ],
  },
]

async function expected(maxTokens: number) {
  const content = [
    { type: 'image', image: PICTURE } as const,
    { type: 'text', text: 'What is it?' } as const,
  ]
  const messages = [
    { role: 'system', content: 'Be kind.' } as const,
    { role: 'user', content } as const,
  ]
  return model.generate({ messages, maxTokens })
}

test("Anthropic's client gets JSON by its schema", async () => {
  const schema = {
    type: 'object',
    properties: { share: { type: 'number', minimum: 0, maximum: 1 } },
    required: ['share'],
    additionalProperties: false,
  }
  const output = { output_config: { format: { type: 'json_schema' as const, schema } } }
  const create = { model: server.id, messages: question, max_tokens: 200 }
  const { content } = await client.messages.create({ ...create, ...output })
  const [block] = content
  assert.ok(block?.type === 'text')
  const { share } = JSON.parse(block.text) as { share: number }
  assert.ok(share >= 0 && share <= 1)
  const broken = { format: { type: 'json_schema', schema: { type: 'object', not: {} } } }
  const { status, body } = await server.post('/v1/messages', { ...create, output_config: broken })
  assert.equal(status, 400)
  assert.match(body.error.message, /^output_config: .*#\/not is not enforced/)
})

test("Anthropic's client gets what the library gives, whole and streamed", async () => {
  const create = { model: server.id, system: 'Be kind.', messages: question, max_tokens: 20 }
  const { text, usage } = await expected(20)
  const whole = await client.messages.create(create)
  assert.match(whole._request_id ?? '', /^[\da-f]{32}$/)
  assert.deepEqual(whole.content, [{ type: 'text', text }])
  assert.equal(whole.stop_reason, 'max_tokens')
  const input = whole.usage.input_tokens + (whole.usage.cache_read_input_tokens ?? 0)
  assert.equal(input, usage.promptTokens)
  const stream = client.messages.stream(create)
  assert.equal(await stream.finalText(), text)
  const final = await stream.finalMessage()
  assert.equal(final.usage.output_tokens, usage.completionTokens)
  const counted = await client.messages.countTokens({
    model: server.id,
    system: 'Be kind.',
    messages: question,
  })
  assert.equal(counted.input_tokens, usage.promptTokens)
  const cached = { messages: question, system: 'Be kind.', cache_control: { type: 'ephemeral' } }
  const { body } = await server.post('/v1/messages/count_tokens', cached)
  assert.equal(body.input_tokens, usage.promptTokens)
})

test('the stop sequence that ended an answer is told', async () => {
  const { text } = await expected(20)
  const create = { model: server.id, system: 'Be kind.', messages: question, max_tokens: 20 }
  // At the beginning, where an answer is left without a word, and behind some.
  for (const stop of [text.slice(0, 3), text.slice(5, 8)]) {
    const answer = await client.messages.create({ ...create, stop_sequences: ['~~~', stop] })
    assert.equal(answer.stop_reason, 'stop_sequence')
    assert.equal(answer.stop_sequence, stop)
  }
})

test("errors of /v1/messages are in Anthropic's words", async () => {
  await assert.rejects(
    client.messages.create({ model: 'other', messages: question, max_tokens: 2 }),
    (error) => error instanceof Anthropic.NotFoundError && error.type === 'not_found_error',
  )
  await assert.rejects(
    client.messages.create({ model: server.id, messages: question, max_tokens: 5000 }),
    Anthropic.BadRequestError,
  )
})

test("SGLang's route continues a prompt with a picture, whole and streamed", async () => {
  const text = 'USER: <image>\nWhat is it? ASSISTANT:'
  const sampling_params = { max_new_tokens: 12, temperature: 0, top_k: -1 }
  const body = { text, image_data: PICTURE_URL, sampling_params, return_logprob: true }
  const answer = await model.generate({ prompt: text, images: [PICTURE], maxTokens: 12 })
  const { status, body: whole } = await server.post('/generate', body)
  assert.equal(status, 200)
  assert.equal(whole.text, answer.text)
  assert.deepEqual(whole.meta_info.finish_reason, { type: 'length', length: 12 })
  assert.equal(whole.meta_info.output_token_logprobs.length, 12)
  const response = await server.fetch(`${server.url}/generate`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, stream: true }),
  })
  const events = (await response.text()).trim().split('\n\n')
  assert.equal(events.pop(), 'data: [DONE]')
  const last = JSON.parse((events.pop() as string).slice('data: '.length)) as { text: string }
  assert.equal(last.text, answer.text)
})

const ABOUT = (text: string) => `USER: <image>\n${text} ASSISTANT:`

test("SGLang's route takes lists: each prompt gets what it gets alone, in order, n of each", async () => {
  const other = 'fixtures/pictures/photo-480x640.png'
  const otherUrl = `data:image/png;base64,${readFileSync(other).toString('base64')}`
  const text = [ABOUT('What is it?'), ABOUT('Why?'), 'USER: Hello ASSISTANT:']
  const sampling_params = [5, 9, 7].map((max_new_tokens, i) => ({
    max_new_tokens,
    n: 2,
    temperature: i,
    sampling_seed: 3,
  }))
  const image_data = [[PICTURE_URL], [otherUrl], []]
  const alone = async (i: number, seed: number) => {
    const images = [[PICTURE], [other], []][i] as (Uint8Array | string)[]
    const options = { maxTokens: [5, 9, 7][i] ?? 0, temperature: i, seed }
    return (await model.generate({ prompt: text[i] as string, images, ...options })).text
  }
  const wanted = await Promise.all([0, 0, 1, 1, 2, 2].map((i, at) => alone(i, 3 + (at % 2))))
  const asked = { text, image_data, sampling_params, return_logprob: [false, true, false] }
  const { status, body } = await server.post('/generate', asked)
  assert.equal(status, 200, JSON.stringify(body))
  type Shown = { text: string; index: number; meta_info: Record<string, unknown> }
  assert.deepEqual(
    body.map((one: Shown) => one.text),
    wanted,
  )
  const hasLogprobs = body.map((one: Shown) => 'output_token_logprobs' in one.meta_info)
  assert.deepEqual(hasLogprobs, [false, false, true, true, false, false])
  assert.equal(new Set(body.map((one: Shown) => one.meta_info['id'])).size, 6)
  const streamed = await server.fetch(`${server.url}/generate`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...asked, stream: true }),
  })
  const last: string[] = []
  for (const event of (await streamed.text()).trim().split('\n\n').slice(0, -1)) {
    const { index, text: soFar } = JSON.parse(event.slice('data: '.length)) as Shown
    assert.ok(soFar.startsWith(last[index] ?? ''))
    last[index] = soFar
  }
  assert.deepEqual(last, wanted)
})

test("SGLang's route takes lists of ids, a list of one, and one picture for all", async () => {
  const ids = model.tokenizer.encode('Hello')
  const { text } = await model.generate({ inputIds: ids, maxTokens: 6 })
  const sampling_params = { max_new_tokens: 6 }
  const { body: listed } = await server.post('/generate', { input_ids: [ids], sampling_params })
  assert.deepEqual(
    listed.map((one: { text: string }) => one.text),
    [text],
  )
  const { body: alone } = await server.post('/generate', { input_ids: ids, sampling_params })
  assert.equal(alone.text, text)
  const shared = { image_data: PICTURE_URL, sampling_params }
  const { body: both } = await server.post('/generate', {
    text: [ABOUT('What?'), ABOUT('Why?')],
    ...shared,
  })
  const { body: second } = await server.post('/generate', { text: ABOUT('Why?'), ...shared })
  assert.equal(both[1].text, second.text)
})

test('lists of different lengths, and lists for a prompt that is none, are refused with what fits', async () => {
  const text = ['a', 'b']
  const cases: readonly [object, RegExp][] = [
    [{ text, image_data: ['x'] }, /image_data should have one for each of 2 prompts, 1 came/],
    [{ text, sampling_params: [{}] }, /sampling_params should have one for each of 2/],
    [{ text, sampling_params: [{ n: 1 }, { n: 2 }] }, /n should be the same for all prompts/],
    [{ text: 'a', sampling_params: [{}] }, /may be a list of one for each where text is a list/],
    [{ text: 'a', image_data: [['x']] }, /image_data may be a list of one for each/],
    [{ text: Array(9).fill('a') }, /prompts times n should be at most 8, 9 came/],
    [{ text: ['a', 1] }, /text\[1\] should be a text of at least 1 character, 1 came/],
    [{ text, input_ids: [[1], [2]] }, /exactly one of text, input_ids/],
  ]
  for (const [body, message] of cases) {
    const { status, body: told } = await server.post('/generate', body)
    assert.equal(status, 400)
    assert.match(told.error.message, message)
  }
})

test("SGLang's route tells which stop string matched", async () => {
  const prompt = 'Hello'
  const { text } = await model.generate({ prompt, maxTokens: 6 })
  const stop = text.slice(2, 4)
  const body = { text: prompt, sampling_params: { max_new_tokens: 6, stop: ['never', stop] } }
  const { body: told } = await server.post('/generate', body)
  assert.deepEqual(told.meta_info.finish_reason, { type: 'stop', matched: stop })
  assert.equal(told.text, text.slice(0, text.indexOf(stop)))
})

test('tokenize and detokenize are each other turned round', async () => {
  const { body } = await server.post('/tokenize', {
    prompt: 'Hello world',
    add_special_tokens: false,
  })
  assert.equal(body.count, body.tokens.length)
  const back = await server.post('/detokenize', { tokens: body.tokens })
  assert.equal(back.body.prompt, 'Hello world')
  const image_url = { url: PICTURE_URL }
  const content = [{ type: 'image_url', image_url }]
  const chat = await server.post('/tokenize', { messages: [{ role: 'user', content }] })
  const prepared = await model.prepare({
    messages: [{ role: 'user', content: [{ type: 'image', image: PICTURE }] }],
  })
  assert.deepEqual(chat.body.tokens, prepared.inputIds)
})

test('health, readiness and metrics are told', async () => {
  for (const path of ['/health', '/ready']) {
    const response = await server.fetch(`${server.url}${path}`)
    assert.deepEqual(await response.json(), { status: 'ok' })
  }
  const text = await (await server.fetch(`${server.url}/metrics`)).text()
  assert.match(text, /^llava_tokens_total\{kind="image"\} [1-9]/m)
  assert.match(text, /^llava_answers_total\{finish_reason="length"\} [1-9]/m)
  assert.match(text, /^llava_phase_seconds_count\{phase="prefill"\} [1-9]/m)
  assert.match(text, /^llava_engine\{model="tiny",name="counters.finished"\} [1-9]/m)
  assert.match(text, /^llava_answers_running 0$/m)
})

test('a route that is not there is told, and the methods of one that is', async () => {
  const { status, body } = await server.post('/v1/nothing', {})
  assert.equal(status, 404)
  assert.equal(body.error.code, 'INPUT_ROUTE')
  const cases: readonly [string, string, number, string][] = [
    ['PUT', '/v1/chat/completions', 405, 'POST, OPTIONS'],
    ['GET', '/v1/messages', 405, 'POST, OPTIONS'],
    ['POST', '/v1/models/a/b', 405, 'GET, HEAD, OPTIONS'],
    ['OPTIONS', '/generate', 204, 'POST, OPTIONS'],
  ]
  for (const [method, path, expected, allow] of cases) {
    const response = await server.fetch(`${server.url}${path}`, { method })
    assert.equal(response.status, expected, `${method} ${path}`)
    assert.equal(response.headers.get('allow'), allow)
    if (expected !== 405) continue
    const { error, type } = (await response.json()) as {
      error: { code: string; type: string }
      type?: string
    }
    assert.equal(error.code, 'INPUT_METHOD')
    assert.equal(type, path === '/v1/messages' ? 'error' : undefined)
  }
  assert.equal((await server.fetch(`${server.url}/health`, { method: 'HEAD' })).status, 200)
})
