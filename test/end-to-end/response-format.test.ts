/** Answers in a form: random weights must still write valid JSON, from the library and over HTTP. */
import assert from 'node:assert/strict'
import { isIPv4, isIPv6 } from 'node:net'
import { after, before, test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import OpenAI from 'openai'
import { loadModel, type GenerateOptions, type Model } from '../../src/index.ts'
import { startServer, type TestServer } from './serve-setup.ts'
import { firstOf } from '../thorough.ts'

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

const SCHEMA = {
  $defs: {
    box: {
      type: 'array',
      prefixItems: [{ type: 'integer', minimum: 0, maximum: 9 }, { type: 'boolean' }],
      minItems: 2,
      items: false,
    },
  },
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 6 },
    kind: { enum: ['cat', 'dog "big"', 3, null] },
    score: { type: 'integer', minimum: -5, maximum: 120 },
    code: { type: 'string', pattern: '^[A-Z]{2}.\\d$' },
    day: { type: 'string', format: 'date' },
    box: { $ref: '#/$defs/box' },
    tags: {
      type: 'array',
      items: { anyOf: [{ type: 'boolean' }, { type: 'null' }] },
      minItems: 1,
      maxItems: 3,
    },
  },
  required: ['name', 'kind', 'score', 'code', 'day', 'box', 'tags'],
  additionalProperties: false,
} as const

/** What Pydantic writes of `pet: Union[Cat, Dog] = Field(discriminator='kind')`. */
const PETS = {
  $defs: {
    Cat: {
      properties: { kind: { const: 'cat', title: 'Kind', type: 'string' } },
      required: ['kind'],
      title: 'Cat',
      type: 'object',
    },
    Dog: {
      properties: { kind: { const: 'dog', title: 'Kind', type: 'string' } },
      required: ['kind'],
      title: 'Dog',
      type: 'object',
    },
  },
  properties: {
    pet: {
      discriminator: {
        mapping: { cat: '#/$defs/Cat', dog: '#/$defs/Dog' },
        propertyName: 'kind',
      },
      oneOf: [{ $ref: '#/$defs/Cat' }, { $ref: '#/$defs/Dog' }],
      title: 'Pet',
    },
  },
  required: ['pet'],
  title: 'Owner',
  type: 'object',
}

const messages = [{ role: 'user', content: 'Describe it.' } as const]

function ask(responseFormat: GenerateOptions['responseFormat'], options: GenerateOptions = {}) {
  return model.generate({ messages, maxTokens: 400, responseFormat, ...options })
}

const isValid = new Ajv2020({ strict: false, validateFormats: false }).compile(SCHEMA)

test('an answer by a schema is valid whatever the weights say, greedy or drawn', async () => {
  const format = { type: 'json_schema', schema: SCHEMA } as const
  const texts = new Set<string>()
  for (const options of [{}, ...[1, 2, 3, 4].map((seed) => ({ temperature: 1.5, seed }))]) {
    const { text, finishReason } = await ask(format, options)
    assert.equal(finishReason, 'stop', text)
    assert.ok(isValid(JSON.parse(text)), text)
    texts.add(text)
  }
  assert.ok(texts.size >= 4)
})

test('bounds of numbers and formats hold whatever is drawn', async () => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  const isDate = (text: string) => new Date(`${text}T00:00:00Z`).toISOString().startsWith(text)
  const isTime = (text: string) => !Number.isNaN(Date.parse(`2000-01-01T${text}`))
  const isHost = (text: string) => text.split('.').every((label) => /^[a-z0-9-]{1,63}$/.test(label))
  const cases: readonly [schema: object, isRight?: (value: string) => boolean][] = [
    [{ type: 'number', minimum: 0, maximum: 1 }],
    [{ type: 'number', minimum: 0.5, maximum: 0.75 }],
    [{ type: 'number', exclusiveMinimum: 0, maximum: 100 }],
    [{ type: ['number', 'null'], minimum: -2.5, exclusiveMaximum: -1.5 }],
    [{ type: 'integer', minimum: -5 }],
    [{ type: 'array', items: { type: 'number', maximum: -1 }, maxItems: 3 }],
    [{ type: 'string', format: 'ipv4' }, isIPv4],
    [{ type: 'string', format: 'ipv6' }, isIPv6],
    [{ type: 'string', format: 'hostname' }, isHost],
    [{ type: 'string', format: 'date' }, isDate],
    [{ type: 'string', format: 'time' }, isTime],
    [{ type: 'string', format: 'date-time' }, (text) => !Number.isNaN(Date.parse(text))],
  ]
  for (const [schema, isRight = () => true] of cases) {
    const isOfSchema = ajv.compile(schema)
    const format = { type: 'json_schema', schema } as const
    const answers = await Promise.all(
      firstOf(3, [1, 2, 3, 4, 5, 6, 7, 8]).map((seed) =>
        ask(format, { temperature: 2, seed, maxTokens: 120 }),
      ),
    )
    for (const { text, finishReason } of answers) {
      if (finishReason === 'length') continue
      const value: unknown = JSON.parse(text)
      const told = `${text} by ${JSON.stringify(schema)}`
      assert.ok(isOfSchema(value) && isRight(String(value)), told)
    }
    assert.ok(answers.some(({ finishReason }) => finishReason === 'stop'))
  }
})

test('what keys of an object may have holds whatever is drawn', async () => {
  const ajv = new Ajv2020({ strict: false })
  const one = { type: 'integer', minimum: 0, maximum: 9 } as const
  const cases = [
    { type: 'object', properties: { a: one, b: one }, additionalProperties: true },
    {
      type: 'object',
      properties: { a: one },
      required: ['a'],
      additionalProperties: { const: 'x' },
    },
    { type: 'object', patternProperties: { '^a': one, '^b': { const: 'x' } } },
    { type: 'object', propertyNames: { maxLength: 1 }, additionalProperties: one },
    { type: 'array', items: { type: 'object', properties: { a: one }, additionalProperties: {} } },
  ]
  for (const schema of cases) {
    const isOfSchema = ajv.compile(schema)
    const format = { type: 'json_schema', schema } as const
    // As an examiner did: what writes the named key again is likely.
    const likely = ['"a', '"', 'a', ',', '":'].flatMap((text) => {
      const ids = model.tokenizer.encode(text, { addBos: false })
      return ids.length === 1 ? [[ids[0], 8]] : []
    })
    const logitBias = Object.fromEntries(likely) as Record<string, number>
    const answers = await Promise.all(
      firstOf(2, [1, 2, 3, 4, 5, 6]).map((seed) =>
        ask(format, { temperature: 2, seed, maxTokens: 80, logitBias }),
      ),
    )
    for (const { text, finishReason } of answers) {
      if (finishReason === 'length') continue
      assert.ok(isOfSchema(JSON.parse(text)), `${text} by ${JSON.stringify(schema)}`)
    }
  }
})

test('answers side by side do not disturb each other, and n answers are all valid', async () => {
  const format = { type: 'json_schema', schema: SCHEMA } as const
  const alone = [
    await ask(format, { temperature: 1, seed: 9 }),
    await ask(undefined, { maxTokens: 40 }),
  ]
  const together = await Promise.all([
    ask(format, { temperature: 1, seed: 9 }),
    ask(undefined, { maxTokens: 40 }),
    ask(format, { temperature: 1, seed: 10, n: 2 }),
  ])
  assert.deepEqual(
    together.slice(0, 2).map(({ text }) => text),
    alone.map(({ text }) => text),
  )
  assert.ok(together[2]?.sequences?.every(({ text }) => isValid(JSON.parse(text))))
})

test('regex, choice and grammar hold', async () => {
  assert.match(
    (await ask({ type: 'regex', pattern: '(19|20)\\d\\d-[01]\\d' })).text,
    /^(19|20)\d\d-[01]\d$/,
  )
  const choices = ['yes', 'no', 'maybe so']
  assert.ok(choices.includes((await ask({ type: 'choice', choices })).text))
  const grammar = 'root ::= term ([-+*/] term){1,3}\nterm ::= [0-9]{1,2}'
  assert.match((await ask({ type: 'ebnf', grammar })).text, /^\d{1,2}([-+*/]\d{1,2}){1,3}$/)
})

test("the constraint changes nothing about an answer's log-probabilities, which are the model's own", async () => {
  const { logprobs, tokens } = await ask({ type: 'choice', choices: ['yes'] }, { topLogprobs: 1 })
  assert.equal(logprobs?.length, tokens.length)
  assert.ok(logprobs?.every(({ logprob, top }) => logprob <= (top[0]?.logprob ?? 0)))
})

test('over HTTP: the words of OpenAI, vLLM and SGLang', async () => {
  const create = { model: server.id, messages: [...messages], max_tokens: 400 }
  const whole = await client.chat.completions.create({
    ...create,
    response_format: {
      type: 'json_schema',
      json_schema: { name: 'thing', strict: true, schema: SCHEMA },
    },
  })
  const text = whole.choices[0]?.message.content ?? ''
  assert.ok(isValid(JSON.parse(text)))
  assert.equal(text, (await ask({ type: 'json_schema', schema: SCHEMA })).text)
  const response = await client.responses.create({
    model: server.id,
    input: 'Describe it.',
    max_output_tokens: 400,
    text: { format: { type: 'json_schema', name: 'thing', schema: SCHEMA } },
  })
  assert.ok(isValid(JSON.parse(response.output_text)))
  const post = async (path: string, fields: object) => {
    const { status, body } = await server.post(path, fields)
    assert.equal(status, 200, JSON.stringify(body))
    return (body.choices?.[0]?.message?.content ?? body.text) as string
  }
  const chat = (fields: object) => post('/v1/chat/completions', { messages, ...fields })
  const choices = ['red', 'blue']
  for (const fields of [
    { choice: choices },
    { guided_choice: choices },
    { structured_outputs: { choice: choices } },
  ]) {
    assert.ok(choices.includes(await chat(fields)))
  }
  assert.match(await chat({ guided_regex: '[a-f]{3}' }), /^[a-f]{3}$/)
  assert.match(await chat({ ebnf: 'root ::= "x" [0-9]' }), /^x\d$/)
  assert.ok(isValid(JSON.parse(await chat({ guided_json: JSON.stringify(SCHEMA) }))))
  const pets = JSON.parse(await chat({ guided_json: PETS, max_tokens: 200 })) as unknown
  assert.ok(new Ajv2020({ strict: false }).compile(PETS)(pets))
  const sampling_params = { json_schema: JSON.stringify(SCHEMA), max_new_tokens: 400 }
  assert.ok(isValid(JSON.parse(await post('/generate', { text: 'Hello', sampling_params }))))
})

test('over HTTP: what cannot be enforced is refused, and hostile forms hurt nobody', async () => {
  const codeOf = async (fields: object) => {
    const { status, body } = await server.post('/v1/chat/completions', {
      messages,
      max_tokens: 8,
      ...fields,
    })
    assert.equal(status, 400, JSON.stringify(body))
    return body.error.code as string
  }
  assert.equal(await codeOf({ guided_json: { type: 'array', uniqueItems: true } }), 'INPUT_FORMAT')
  assert.equal(await codeOf({ guided_json: 'nonsense' }), 'INPUT_FORMAT')
  assert.equal(await codeOf({ regex: '(' }), 'INPUT_FORMAT')
  assert.equal(await codeOf({ ebnf: 'root ::= nothing' }), 'INPUT_FORMAT')
  assert.equal(await codeOf({ regex: 'a', choice: ['a'] }), 'INPUT_OPTION')
  assert.equal(
    await codeOf({
      guided_json: { anyOf: [{ type: 'array', items: { type: 'null', enum: [1] } }] },
    }),
    'INPUT_FORMAT',
  )
  const { text } = await ask(undefined, { maxTokens: 6 })
  const { body } = await server.post('/v1/chat/completions', { messages, max_tokens: 6 })
  assert.equal(body.choices[0].message.content, text)
})

// A ninth form at a time was refused.
test('requests with more forms than threads wait their turn, several answers to each', async () => {
  const formOf = (i: number) => ({ type: 'choice', choices: [`one ${i}`, `two ${i}`] }) as const
  const requests = Array.from({ length: 12 }, (_, i) => ({
    messages,
    maxTokens: 12,
    responseFormat: formOf(i),
    n: 1 + (i % 2),
    temperature: 1,
    seed: i,
  }))
  for (const [i, answer] of (await model.generateBatch(requests)).entries()) {
    const texts = (answer.sequences ?? [answer]).map(({ text }) => text)
    assert.ok(texts.every((text) => text === `one ${i}` || text === `two ${i}`))
  }
})
