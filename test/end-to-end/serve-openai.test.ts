/** The official OpenAI client against a real server with a real, tiny model. Every response is held against /openapi.json. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import OpenAI from 'openai'
import { loadModel, type Model } from '../../src/index.ts'
import { PICTURE, PICTURE_URL, startServer, type TestServer } from './serve-setup.ts'

let model: Model
let server: TestServer
let client: OpenAI

before(async () => {
  model = await loadModel('fixtures/inference/mini-vit-crop', { precision: 'f32' })
  server = await startServer({ model })
  const baseURL = `${server.url}/v1`
  client = new OpenAI({ baseURL, apiKey: 'none', maxRetries: 0, fetch: server.fetch })
})
after(async () => {
  await server.close()
  await model.dispose()
})

function messages(text: string): OpenAI.ChatCompletionMessageParam[] {
  const image_url = { url: PICTURE_URL, detail: 'high' as const }
  return [
    {
      role: 'user',
      content: [
        { type: 'image_url', image_url },
        { type: 'text', text },
      ],
    },
  ]
}

/** Of a prompt read as a whole and one read on from what was cached. */
const ROUNDING = 1e-4

const TEXT: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Tell me a story.' }]

async function local(text: string, options: object) {
  const content = [{ type: 'image', image: PICTURE } as const, { type: 'text', text } as const]
  return model.generate({ messages: [{ role: 'user', content }], ...options })
}

test('two streams about a picture at once give what the library gives', async () => {
  const ask = async (text: string, maxTokens: number) => {
    const stream = await client.chat.completions.create({
      model: server.id,
      messages: messages(text),
      max_completion_tokens: maxTokens,
      stream: true,
      stream_options: { include_usage: true },
    })
    let answer = ''
    let usage: OpenAI.CompletionUsage | null | undefined
    for await (const chunk of stream) {
      answer += chunk.choices[0]?.delta.content ?? ''
      usage = chunk.usage
    }
    assert.ok(usage && usage.completion_tokens <= maxTokens)
    return answer
  }
  const answers = await Promise.all([ask('What is it?', 24), ask('Why is it blue?', 30)])
  const expected = [
    await local('What is it?', { maxTokens: 24 }),
    await local('Why is it blue?', { maxTokens: 30 }),
  ]
  assert.deepEqual(
    answers,
    expected.map(({ text }) => text),
  )
})

test('an answer in one piece tells its image tokens and those it found', async () => {
  const ask = () =>
    client.chat.completions.create({
      model: server.id,
      messages: messages('What is it?'),
      max_tokens: 8,
    })
  await ask()
  const { choices, usage } = await ask()
  assert.equal(choices[0]?.message.content, (await local('What is it?', { maxTokens: 8 })).text)
  assert.equal(choices[0]?.finish_reason, 'length')
  const details = usage?.prompt_tokens_details as { image_tokens: number; cached_tokens: number }
  assert.equal(details.image_tokens, 196)
  assert.ok(details.cached_tokens > 196, String(details.cached_tokens))
})

test('options mean what they mean in the library', async () => {
  const extensions = { top_k: 40, min_p: 0.001, repetition_penalty: 1.1, ignore_eos: true }
  const answer = await client.chat.completions.create({
    model: server.id,
    messages: TEXT,
    max_tokens: 20,
    temperature: 0.9,
    top_p: 0.8,
    seed: 7,
    presence_penalty: 0.5,
    frequency_penalty: 0.25,
    logit_bias: { 300: 4 },
    logprobs: true,
    top_logprobs: 2,
    ...extensions,
  })
  const expected = await model.generate({
    messages: [{ role: 'user', content: 'Tell me a story.' }],
    maxTokens: 20,
    temperature: 0.9,
    topP: 0.8,
    seed: 7,
    presencePenalty: 0.5,
    frequencyPenalty: 0.25,
    logitBias: { 300: 4 },
    topLogprobs: 2,
    topK: 40,
    minP: 0.001,
    repetitionPenalty: 1.1,
    ignoreEos: true,
  })
  const [choice] = answer.choices
  assert.equal(choice?.message.content, expected.text)
  const content = choice?.logprobs?.content ?? []
  assert.equal(content.length, expected.logprobs?.length)
  for (const [i, { logprob, top_logprobs }] of content.entries()) {
    const wanted = expected.logprobs?.[i]?.logprob ?? NaN
    assert.ok(Math.abs(logprob - wanted) < ROUNDING, `${logprob} ${wanted}`)
    assert.equal(top_logprobs.length, 2)
  }
})

test('choice i is the answer with seed + i, streamed or not', async () => {
  const create = { model: server.id, messages: TEXT, max_tokens: 12, temperature: 1, seed: 3 }
  const whole = await client.chat.completions.create({ ...create, n: 3 })
  const texts = ['', '', '']
  const stream = await client.chat.completions.create({ ...create, n: 3, stream: true })
  for await (const { choices } of stream) {
    for (const { index, delta } of choices) texts[index] += delta.content ?? ''
  }
  const third = await client.chat.completions.create({ ...create, seed: 5 })
  assert.deepEqual(
    whole.choices.map(({ message }) => message.content),
    texts,
  )
  assert.equal(third.choices[0]?.message.content, texts[2])
  assert.equal(new Set(texts).size, 3)
})

test('log-probabilities of a stream add up to those of the whole', async () => {
  const create = {
    model: server.id,
    messages: TEXT,
    max_tokens: 16,
    logprobs: true,
    top_logprobs: 1,
  }
  const whole = await client.chat.completions.create(create)
  const streamed: OpenAI.ChatCompletionTokenLogprob[] = []
  const stream = await client.chat.completions.create({ ...create, stream: true })
  for await (const { choices } of stream) streamed.push(...(choices[0]?.logprobs?.content ?? []))
  const content = whole.choices[0]?.logprobs?.content ?? []
  assert.deepEqual(
    streamed.map(({ token }) => token),
    content.map(({ token }) => token),
  )
  for (const [i, { logprob }] of streamed.entries()) {
    assert.ok(Math.abs(logprob - (content[i]?.logprob ?? NaN)) < ROUNDING)
  }
})

test('a stop text ends the answer before it', async () => {
  const { text } = await local('What is it?', { maxTokens: 24 })
  const stop = text.slice(6, 9)
  const answer = await client.chat.completions.create({
    model: server.id,
    messages: messages('What is it?'),
    max_tokens: 24,
    stop: [stop],
  })
  assert.equal(answer.choices[0]?.message.content, text.slice(0, text.indexOf(stop)))
  assert.equal(answer.choices[0]?.finish_reason, 'stop')
})

test('a file part is a picture, a text, or refused', async () => {
  const withFile = (file_data: string) =>
    client.chat.completions.create({
      model: server.id,
      max_tokens: 4,
      messages: [{ role: 'user', content: [{ type: 'file', file: { file_data } }] }],
    })
  const picture = await withFile(PICTURE_URL)
  const details = picture.usage?.prompt_tokens_details as { image_tokens: number } | undefined
  assert.equal(details?.image_tokens, 196)
  await withFile(`data:text/plain;base64,${Buffer.from('Hello there').toString('base64')}`)
  await assert.rejects(withFile('data:application/pdf;base64,JVBERg=='), {
    status: 400,
    code: 'INPUT_MEDIA_TYPE',
  })
})

test('completions continue texts and ids, streamed or not', async () => {
  const prompt = 'Once upon a time'
  const expected = await model.generate({ prompt, maxTokens: 10 })
  const ids = model.tokenizer.encode(prompt, { addBos: true })
  const create = { model: server.id, max_tokens: 10 }
  const several = await client.completions.create({
    ...create,
    prompt: [prompt, prompt],
    logprobs: 1,
  })
  assert.deepEqual(
    several.choices.map(({ text }) => text),
    [expected.text, expected.text],
  )
  assert.equal(several.choices[0]?.logprobs?.tokens?.length, expected.tokens.length)
  const fromIds = await client.completions.create({ ...create, prompt: ids })
  const direct = await model.generate({ inputIds: ids, maxTokens: 10 })
  assert.equal(fromIds.choices[0]?.text, direct.text)
  let text = ''
  const stream_options = {
    include_usage: true,
    include_obfuscation: false,
    continuous_usage_stats: false,
  } as const
  const options = { stream: true, stream_options } as const
  for await (const chunk of await client.completions.create({ ...create, prompt, ...options })) {
    text += chunk.choices[0]?.text ?? ''
  }
  assert.equal(text, expected.text)
})

test('responses answer texts and pictures, streamed or not', async () => {
  const input: OpenAI.Responses.ResponseInput = [
    {
      role: 'user',
      content: [
        { type: 'input_image', image_url: PICTURE_URL, detail: 'auto' },
        { type: 'input_text', text: 'What is it?' },
      ],
    },
  ]
  const create = { model: server.id, input, max_output_tokens: 20, store: false }
  const whole = await client.responses.create(create)
  assert.equal(whole.output_text, (await local('What is it?', { maxTokens: 20 })).text)
  assert.equal(whole.status, 'incomplete')
  const { input_tokens: asked, input_tokens_details: details } = whole.usage!
  assert.ok(details.cached_tokens < asked)
  assert.equal(details.cache_write_tokens, asked - details.cached_tokens)
  const events: string[] = []
  let text = ''
  for await (const event of await client.responses.create({ ...create, stream: true })) {
    events.push(event.type)
    if (event.type === 'response.output_text.delta') text += event.delta
  }
  assert.equal(text, whole.output_text)
  assert.deepEqual(
    events.filter((type) => type !== 'response.output_text.delta'),
    [
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.incomplete',
    ],
  )
  const plain = await client.responses.create({
    model: server.id,
    input: 'Hello',
    instructions: 'Be brief.',
    max_output_tokens: 4,
  })
  assert.equal(plain.instructions, 'Be brief.')
})

test('streamed log-probabilities of a completion are those of the whole, each with its place', async () => {
  const create = { model: server.id, prompt: 'Hello', max_tokens: 5, logprobs: 1 }
  const whole = (await client.completions.create(create)).choices[0]?.logprobs
  const pieces: OpenAI.CompletionChoice.Logprobs[] = []
  for await (const { choices } of await client.completions.create({ ...create, stream: true })) {
    if (choices[0]?.logprobs) pieces.push(choices[0].logprobs)
  }
  assert.ok(pieces.length > 1)
  assert.deepEqual(
    pieces.flatMap(({ text_offset }) => text_offset),
    whole?.text_offset,
  )
  assert.deepEqual(
    pieces.flatMap(({ token_logprobs }) => token_logprobs),
    whole?.token_logprobs,
  )
})

test('models are listed and told by name', async () => {
  const names: string[] = []
  for await (const { id } of client.models.list()) names.push(id)
  assert.deepEqual(names, ['tiny'])
  assert.equal((await client.models.retrieve('tiny')).id, 'tiny')
  await assert.rejects(client.models.retrieve('gpt-4'), { status: 404, code: 'INPUT_MODEL' })
})

test('what is not offered is refused by name, what is harmless is taken', async () => {
  const create = { model: server.id, messages: TEXT, max_tokens: 2 }
  await client.chat.completions.create({
    ...create,
    user: 'me',
    store: true,
    metadata: { a: 'b' },
    tools: [],
    tool_choice: 'none',
    temperature: null,
  })
  const tools: OpenAI.ChatCompletionTool[] = [{ type: 'function', function: { name: 'f' } }]
  const refused: readonly [object, RegExp][] = [
    [{ tools }, /tools: expected a model whose chat template shows tools/],
    [{ functions: [{ name: 'f' }] }, /functions is not supported: it is the older form; use tools/],
    [{ modalities: ['audio'] }, /modalities is not supported/],
    [{ max_token: 3 }, /max_token is not a known name; did you mean max_tokens/],
    [{ temperature: 3 }, /temperature should be a number from 0 up to 2, 3 came/],
    [{ min_tokens: 3 }, /min_tokens is not supported: an answer ends when the model ends it/],
    [{ structured_outputs: {} }, /structured_outputs should have one of json, regex, .* none came/],
    [{ n: 9 }, /n should be a whole number from 1 up to 8, 9 came/],
    [{ messages: [] }, /messages should be a list of 1 to 512 items, a list of 0 came/],
    [{ messages: [{ role: 'wizard', content: '' }] }, /messages\[0\].role should be/],
    [{ messages: [{ role: 'tool', content: '' }] }, /messages\[0\].tool_call_id is missing/],
    [
      { messages: [{ role: 'user', content: [{ type: 'input_audio' }] }] },
      /messages\[0\].content\[0\].type should be "text" or "image_url"/,
    ],
  ]
  for (const [fields, message] of refused) {
    await assert.rejects(client.chat.completions.create({ ...create, ...fields }), (error) => {
      assert.ok(error instanceof OpenAI.BadRequestError)
      assert.match(error.message, message)
      // The model's own refusals speak of no field of the body.
      if (!('tools' in fields)) assert.ok(error.message.includes(`${error.param} `), error.message)
      return true
    })
  }
  const { status, body } = await server.post('/v1/responses', { input: 'Hello', min_tokens: 3 })
  assert.equal(status, 400)
  assert.match(body.error.message, /min_tokens is not supported: an answer ends when the model/)
})

test('an input that the model refuses has its status also where a stream was asked for', async () => {
  const create = { model: server.id, messages: TEXT, stream: true, max_tokens: 1 } as const
  const long = [{ role: 'user', content: 'word '.repeat(20_000) }] as const
  await assert.rejects(client.chat.completions.create({ ...create, messages: [...long] }), {
    status: 400,
    code: 'INPUT_CONTEXT',
  })
})
