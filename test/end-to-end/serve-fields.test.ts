/** Each field of sampling on each route that has it means what it means in the library. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { loadModel, type GenerateOptions, type Model } from '../../src/index.ts'
import { PICTURE, PICTURE_URL, startServer, type TestServer } from './serve-setup.ts'

let model: Model
let server: TestServer

before(async () => {
  model = await loadModel('fixtures/inference/mini-vit-crop', { precision: 'f32' })
  server = await startServer({ model })
})
after(async () => {
  await server.close()
  await model.dispose()
})

const TEXT = 'Tell me a story.'
const messages = [{ role: 'user', content: TEXT } as const]
const MAX = 14
const DRAWN = { temperature: 1, seed: 5 }

type Field = { readonly http: Record<string, unknown>; readonly library: GenerateOptions }

/** Beside them every request is drawn, so that each of them changes something. */
const FIELDS: Readonly<Record<string, Field>> = {
  temperature: { http: { temperature: 0.4 }, library: { temperature: 0.4 } },
  top_p: { http: { top_p: 0.5 }, library: { topP: 0.5 } },
  top_k: { http: { top_k: 3 }, library: { topK: 3 } },
  min_p: { http: { min_p: 0.2 }, library: { minP: 0.2 } },
  seed: { http: { seed: 9 }, library: { seed: 9 } },
  presence_penalty: { http: { presence_penalty: 1.5 }, library: { presencePenalty: 1.5 } },
  frequency_penalty: { http: { frequency_penalty: -1 }, library: { frequencyPenalty: -1 } },
  repetition_penalty: { http: { repetition_penalty: 1.6 }, library: { repetitionPenalty: 1.6 } },
  logit_bias: { http: { logit_bias: { 65: 30 } }, library: { logitBias: { 65: 30 } } },
  ignore_eos: { http: { ignore_eos: true }, library: { ignoreEos: true } },
  skip_special_tokens: {
    http: { skip_special_tokens: false },
    library: { skipSpecialTokens: false },
  },
  regex: {
    http: { regex: '[a-f]{3}-[0-9]{2}' },
    library: { responseFormat: { type: 'regex', pattern: '[a-f]{3}-[0-9]{2}' } },
  },
  choice: {
    http: { choice: ['left', 'right'] },
    library: { responseFormat: { type: 'choice', choices: ['left', 'right'] } },
  },
  ebnf: {
    http: { ebnf: 'root ::= "a" root | "b"' },
    library: { responseFormat: { type: 'ebnf', grammar: 'root ::= "a" root | "b"' } },
  },
  json_schema: {
    http: { json_schema: { enum: ['x', 'y'] } },
    library: { responseFormat: { type: 'json_schema', schema: { enum: ['x', 'y'] } } },
  },
  response_format: {
    http: { response_format: { type: 'json_schema', json_schema: { schema: { enum: [1, 2] } } } },
    library: { responseFormat: { type: 'json_schema', schema: { enum: [1, 2] } } },
  },
}

type RouteCase = {
  readonly path: string
  readonly body: (fields: Record<string, unknown>) => object
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly textOf: (body: any) => string
  readonly isRaw: boolean
  /** Those that the route has, where it has not all. */
  readonly fields?: readonly string[]
}

const ROUTES: readonly RouteCase[] = [
  {
    path: '/v1/chat/completions',
    body: (fields) => ({ messages, max_completion_tokens: MAX, ...fields }),
    textOf: (body) => body.choices[0].message.content,
    isRaw: false,
  },
  {
    path: '/v1/completions',
    body: (fields) => ({ prompt: TEXT, max_tokens: MAX, ...fields }),
    textOf: (body) => body.choices[0].text,
    isRaw: true,
  },
  {
    path: '/v1/responses',
    body: (fields) => ({ input: TEXT, max_output_tokens: MAX, ...fields }),
    textOf: (body) => body.output[0].content[0].text,
    isRaw: false,
  },
  {
    path: '/generate',
    body: ({ seed, ...fields }) => ({
      text: TEXT,
      sampling_params: { max_new_tokens: MAX, sampling_seed: seed, ...fields },
    }),
    textOf: (body) => body.text,
    isRaw: true,
  },
  {
    path: '/v1/messages',
    body: ({ temperature, top_p, top_k }) => ({
      messages,
      max_tokens: MAX,
      temperature,
      top_p,
      top_k,
    }),
    textOf: (body) => body.content[0].text,
    isRaw: false,
    fields: ['temperature', 'top_p', 'top_k'],
  },
]

for (const { path, body, textOf, isRaw, fields } of ROUTES) {
  if (fields) continue
  test(`${path}: every field means what it means in the library`, async () => {
    for (const [name, { http, library }] of Object.entries(FIELDS)) {
      const prompt = isRaw ? { prompt: TEXT } : { messages }
      const expected = await model.generate({ ...prompt, maxTokens: MAX, ...DRAWN, ...library })
      const { status, body: answer } = await server.post(path, body({ ...DRAWN, ...http }))
      assert.equal(status, 200, `${name}: ${JSON.stringify(answer)}`)
      assert.equal(textOf(answer), expected.text, name)
    }
  })
}

test("/v1/messages, which has no seed: each field that leaves the best token alone gives the library's answer", async () => {
  const { text } = await model.generate({ messages, maxTokens: MAX })
  for (const field of [{ temperature: 0 }, { top_p: 0.000001 }, { top_k: 1 }]) {
    const request = { messages, max_tokens: MAX, temperature: 1, ...field }
    const { body: answer } = await server.post('/v1/messages', request)
    assert.equal(answer.content[0].text, text, JSON.stringify(field))
  }
})

test('without a seed every request is a draw of its own, every choice and every one of a list too', async () => {
  for (const { path, body, textOf } of ROUTES) {
    const texts = new Set<string>()
    for (let i = 0; i < 4; i++) {
      texts.add(textOf((await server.post(path, body({ temperature: 1 }))).body))
    }
    assert.ok(texts.size > 1, `${path}: ${[...texts].join()}`)
  }
  const several = { prompt: TEXT, max_tokens: MAX, temperature: 1, n: 4 }
  const { body: choices } = await server.post('/v1/completions', several)
  assert.ok(new Set(choices.choices.map(({ text }: { text: string }) => text)).size > 1)
  const list = { text: [TEXT, TEXT, TEXT], sampling_params: { temperature: 1 } }
  const { body: answers } = await server.post('/generate', list)
  assert.ok(new Set(answers.map(({ text }: { text: string }) => text)).size > 1)
})

test('stop ends an answer on every route, and is not part of it', async () => {
  for (const { path, body, textOf, isRaw, fields } of ROUTES) {
    const prompt = isRaw ? { prompt: TEXT } : { messages }
    const { text } = await model.generate({ ...prompt, maxTokens: MAX })
    const stop = text.slice(3, 6)
    const own = fields ? { stop_sequences: [stop] } : { stop: [stop] }
    const asked = fields ? { ...body({}), ...own } : body(own)
    const { body: answer } = await server.post(path, asked)
    assert.equal(textOf(answer), text.slice(0, text.indexOf(stop)), path)
  }
})

test('choice i has seed + i wherever there are several', async () => {
  const third = await model.generate({ prompt: TEXT, maxTokens: MAX, temperature: 1, seed: 7 })
  const completions = await server.post('/v1/completions', {
    prompt: TEXT,
    max_tokens: MAX,
    n: 3,
    ...DRAWN,
  })
  assert.equal(completions.body.choices[2].text, third.text)
  const generate = await server.post('/generate', {
    text: TEXT,
    sampling_params: { max_new_tokens: MAX, n: 3, temperature: 1, sampling_seed: 5 },
  })
  assert.equal(generate.body[2].text, third.text)
})

test("log-probabilities are the model's on every route that tells them", async () => {
  const expected = await model.generate({ messages, maxTokens: 6, topLogprobs: 2 })
  const wanted = expected.logprobs?.map(({ logprob }) => logprob) ?? []
  const isNear = (told: readonly number[], path: string) => {
    assert.equal(told.length, wanted.length, path)
    told.forEach((one, i) => assert.ok(Math.abs(one - (wanted[i] ?? NaN)) < 1e-4, path))
  }
  const tokens = (list: readonly { logprob: number; top_logprobs: unknown[] }[]) => {
    assert.ok(list.every(({ top_logprobs }) => top_logprobs.length === 2))
    return list.map(({ logprob }) => logprob)
  }
  const chat = { messages, max_tokens: 6, logprobs: true, top_logprobs: 2 }
  const { body: chatted } = await server.post('/v1/chat/completions', chat)
  isNear(tokens(chatted.choices[0].logprobs.content), 'chat')
  const include = ['message.output_text.logprobs']
  const responses = { input: TEXT, max_output_tokens: 6, include, top_logprobs: 2 }
  const { body: response } = await server.post('/v1/responses', responses)
  isNear(tokens(response.output[0].content[0].logprobs), 'responses')
  const { body: without } = await server.post('/v1/responses', { ...responses, include: null })
  isNear(tokens(without.output[0].content[0].logprobs), 'responses without include')
  const raw = await model.generate({ prompt: TEXT, maxTokens: 6, topLogprobs: 1 })
  const { body: completed } = await server.post('/v1/completions', {
    prompt: TEXT,
    max_tokens: 6,
    logprobs: 1,
  })
  const told = completed.choices[0].logprobs.token_logprobs as number[]
  told.forEach((one, i) => {
    assert.ok(Math.abs(one - (raw.logprobs?.[i]?.logprob ?? NaN)) < 1e-4, 'completions')
  })
})

test('a response has one form, whichever field names it', async () => {
  const ask = (fields: object) =>
    server.post('/v1/responses', { input: TEXT, max_output_tokens: 20, ...fields })
  const schema = { enum: ['x'] }
  const response_format = { type: 'json_schema', json_schema: { schema } }
  const format = { type: 'json_schema', schema }
  for (const fields of [
    { response_format },
    { response_format, text: { format: { type: 'text' } } },
    { response_format: { type: 'text' }, text: { format } },
    { text: { format } },
  ]) {
    const { body } = await ask(fields)
    assert.equal(body.output[0].content[0].text, '"x"', JSON.stringify(fields))
  }
  const { status, body } = await ask({ response_format, text: { format } })
  assert.deepEqual([status, body.error.code], [400, 'INPUT_OPTION'])
  assert.match(body.error.message, /text\.format and response_format came/)
})

test('what may be null may be null, characters are counted and seeds go round', async () => {
  const item = { type: null, role: 'user', content: TEXT }
  const path = '/v1/responses'
  assert.equal((await server.post(path, { input: [item], max_output_tokens: 2 })).status, 200)
  const chat = { messages, max_tokens: 4, temperature: 1 }
  const emoji = (count: number) => '😀'.repeat(count)
  for (const fields of [{ stop: emoji(256) }, { cache_salt: emoji(256) }]) {
    const { status } = await server.post('/v1/chat/completions', { ...chat, ...fields })
    assert.equal(status, 200, JSON.stringify(fields))
  }
  const { status } = await server.post('/v1/chat/completions', { ...chat, stop: emoji(257) })
  assert.equal(status, 400)
  const textsOf = async (fields: object): Promise<string[]> => {
    const { body } = await server.post('/v1/chat/completions', { ...chat, ...fields })
    const choices = body.choices as { message: { content: string } }[]
    return choices.map(({ message }) => message.content)
  }
  const [, second] = await textsOf({ seed: Number.MAX_SAFE_INTEGER, n: 2 })
  assert.deepEqual([second], await textsOf({ seed: Number.MIN_SAFE_INTEGER }))
})

test("a stream of /v1/messages has Anthropic's events in their order", async () => {
  const response = await server.fetch(`${server.url}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ messages, max_tokens: 6, stream: true }),
  })
  const text = await response.text()
  const names = [...text.matchAll(/^event: (\w+)$/gm)].map(([, name]) => name)
  assert.deepEqual(
    names.filter((name, i) => name !== names[i - 1]),
    [
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ],
  )
  const types = [...text.matchAll(/^data: \{"type":"(\w+)"/gm)].map(([, type]) => type)
  assert.deepEqual(types, names)
})

test('the metrics tell queue, batch, tokens, cache hits, and times by phase', async () => {
  await server.post('/v1/chat/completions', { messages, max_tokens: 4 })
  await server.post('/v1/chat/completions', { messages, max_tokens: 4 })
  const text = await (await server.fetch(`${server.url}/metrics`)).text()
  for (const line of [
    /^llava_http_requests_total\{route="\/v1\/chat\/completions",status="200"\} [1-9]/m,
    /^llava_answers_running \d/m,
    /^llava_requests_waiting \d/m,
    /^llava_tokens_total\{kind="prompt"\} [1-9]/m,
    /^llava_tokens_total\{kind="cached"\} [1-9]/m,
    /^llava_tokens_total\{kind="completion"\} [1-9]/m,
    /^llava_queue_seconds_count [1-9]/m,
    /^llava_first_token_seconds_count [1-9]/m,
    /^llava_token_seconds_count [1-9]/m,
    ...['preprocess', 'vision', 'prefill', 'decode'].map(
      (phase) => new RegExp(`^llava_phase_seconds_count\\{phase="${phase}"\\} [1-9]`, 'm'),
    ),
    /^llava_engine\{model="tiny",name="counters.steps"\} [1-9]/m,
    /^llava_engine\{model="tiny",name="counters.steppedRows"\} [1-9]/m,
    /^llava_engine\{model="tiny",name="kvBytes"\} \d/m,
  ]) {
    assert.match(text, line)
  }
})

test('the metrics count the tokens that usage counts, a prompt of several answers once', async () => {
  const counted = async () => {
    const text = await (await server.fetch(`${server.url}/metrics`)).text()
    return ['prompt', 'image', 'cached', 'completion'].map((kind) =>
      Number(
        new RegExp(`^llava_tokens_total\\{kind="${kind}"\\} (\\d+)`, 'm').exec(text)?.[1] ?? 0,
      ),
    )
  }
  const picture = { type: 'image_url', image_url: { url: PICTURE_URL } }
  const content = [picture, { type: 'text', text: 'What?' }]
  const before_ = await counted()
  const body = { messages: [{ role: 'user', content }], n: 4, max_tokens: 5, temperature: 1 }
  const { usage } = (await server.post('/v1/chat/completions', body)).body
  const after_ = await counted()
  const { image_tokens: image, cached_tokens: cached } = usage.prompt_tokens_details
  assert.ok(image > 0)
  assert.deepEqual(
    after_.map((value, i) => value - before_[i]!),
    [usage.prompt_tokens, image, cached, usage.completion_tokens],
  )
})

test('what is wrong with a picture or clip says where in the body it stands', async () => {
  const film = readFileSync('fixtures/clips/420.y4m')
  const broken: readonly (readonly ['image_url' | 'video_url', string | Uint8Array])[] = [
    ['image_url', 'ftp://example.com/a.png'],
    ['image_url', 'https://example.com/a.png'],
    ['image_url', Buffer.from('no picture')],
    ['image_url', PICTURE.subarray(0, 3000)],
    ['video_url', 'file:///etc/hostname'],
    ['video_url', Buffer.from('GIF89a')],
    ['video_url', film.subarray(0, 100)],
  ]
  for (const [type, given] of broken) {
    const url =
      typeof given === 'string'
        ? given
        : `data:application/octet-stream;base64,${Buffer.from(given).toString('base64')}`
    const content = [
      { type: 'text', text: 'What?' },
      { type, [type]: { url } },
    ]
    const body = {
      messages: [...messages, { role: 'assistant', content: 'Hm.' }, { role: 'user', content }],
    }
    for (const path of ['/v1/chat/completions', '/v1/media/tokens']) {
      const { status, body: answer } = await server.post(path, body)
      if (path === '/v1/media/tokens' && status === 200) continue
      assert.equal(status, 400, JSON.stringify(answer))
      assert.equal(answer.error.param, `messages[2].content[1].${type}`, answer.error.message)
    }
  }
})

test('what a model finds wrong says which field it is about', async () => {
  const long = 'word '.repeat(20_000)
  const schema = { type: 'object', properties: { a: { type: 'string', format: 'no such' } } }
  const format = { type: 'json_schema', json_schema: { name: 'a', schema } }
  const tools = [{ type: 'function', function: { name: 'look' } }]
  const user = (content: string) => [{ role: 'user', content }]
  const broken: readonly (readonly [path: string, body: object, param: string])[] = [
    ['/v1/chat/completions', { messages: user(long) }, 'messages'],
    ['/v1/completions', { prompt: long }, 'prompt'],
    ['/v1/responses', { input: long }, 'input'],
    ['/v1/messages', { messages: user(long), max_tokens: 3 }, 'messages'],
    ['/generate', { text: long }, 'text'],
    ['/v1/chat/completions', { messages, response_format: format }, 'response_format'],
    ['/v1/chat/completions', { messages, regex: '(' }, 'regex'],
    ['/v1/completions', { prompt: 'a', guided_grammar: 'root ::= (' }, 'guided_grammar'],
    ['/v1/chat/completions', { messages, tools, ignore_eos: true }, 'tools'],
    ['/v1/chat/completions', { messages, tools: [], tool_choice: 'required' }, 'tool_choice'],
    ['/v1/chat/completions', { messages, seed: 2 ** 53 }, 'seed'],
    ['/v1/chat/completions', { messages, seed: 1, logit_bias: { 999999: 1 } }, 'logit_bias'],
    ['/v1/completions', { prompt: 'a', logit_bias: { x: 1 } }, 'logit_bias'],
    ['/v1/chat/completions', { messages, regex: 'a', ignore_eos: true }, 'ignore_eos'],
    ['/v1/chat/completions', { messages, choice: ['a'], regex: 'a' }, 'regex'],
    [
      '/generate',
      { text: 'a', sampling_params: { logit_bias: { x: 1 } } },
      'sampling_params.logit_bias',
    ],
    ...[{ regex: '(' }, { logit_bias: { x: 1 } }, { regex: 'a', choice: ['a'] }].map(
      (wrong): [string, object, string] => [
        '/generate',
        { text: ['a', 'b'], sampling_params: [{ regex: 'a', logit_bias: {} }, wrong] },
        `sampling_params[1].${Object.keys(wrong)[0]}`,
      ],
    ),
  ]
  for (const [path, body, param] of broken) {
    const { status, body: answer } = await server.post(path, body)
    assert.equal(status, 400, JSON.stringify(answer))
    // Anthropic's envelope has no place for it but the message.
    if (path === '/v1/messages') assert.match(answer.error.message, new RegExp(`^${param}: `))
    else assert.equal(answer.error.param, param, answer.error.message)
    assert.doesNotMatch(answer.error.message, /logitBias|ignoreEos|toolChoice|responseFormat/)
  }
})

test('a schema that is none is told by its place and what came', async () => {
  // `json_schema should be a JSON Schema or its text, it is neither.`
  for (const [path, fields, field] of [
    [
      '/generate',
      { text: 'a', sampling_params: { json_schema: '{bad' } },
      'sampling_params.json_schema',
    ],
    ['/v1/completions', { prompt: 'a', guided_json: '{bad' }, 'guided_json'],
    [
      '/v1/completions',
      { prompt: 'a', structured_outputs: { json: '{bad' } },
      'structured_outputs.json',
    ],
  ] as const) {
    const { status, body } = await server.post(path, fields)
    assert.deepEqual(
      [status, body.error.message],
      [400, `${field} should be a JSON Schema, an object, or the text of one, "{bad" came.`],
    )
  }
})

test('requests that fail at one grammar at the same time are told each its own place', async () => {
  // They wait for one compilation, and its error named whichever of them looked at it last.
  const bad = { ebnf: 'root ::= "a" nowhere' }
  const lists = [[bad, {}], [{}, bad], [{}, {}, bad], [{}, bad, bad], bad]
  const told = await Promise.all(
    lists.map((sampling) =>
      server.post('/generate', {
        text: Array.isArray(sampling) ? sampling.map(() => 'Hi') : 'Hi',
        sampling_params: sampling,
      }),
    ),
  )
  assert.deepEqual(
    told.map(({ body }) => body.error.param),
    [...[0, 1, 2, 1].map((i) => `sampling_params[${i}].ebnf`), 'sampling_params.ebnf'],
  )
})

test('ids that are none of the model are told in the words of the route', async () => {
  const cases: readonly [string, object, string][] = [
    ['/v1/completions', { prompt: [1, 9999999] }, 'prompt'],
    ['/v1/completions', { prompt: [[1], [2, 9999999]] }, 'prompt[1]'],
    ['/generate', { input_ids: [1, 9999999] }, 'input_ids'],
    ['/generate', { input_ids: [[1], [2, 9999999]] }, 'input_ids[1]'],
    ['/detokenize', { tokens: [1, 9999999] }, 'tokens'],
  ]
  for (const [path, fields, param] of cases) {
    const { status, body } = await server.post(path, fields)
    assert.equal(status, 400)
    assert.equal(body.error.param, param)
    assert.ok(body.error.message.startsWith(`${param}[1] should be a token id`), body.error.message)
  }
})
