import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseGenerationConfig } from '../../generation-config.ts'
import { parseGenerateRequest, type GenerateRequest } from '../../request.ts'
import { wireRequest } from './wire-request.ts'
import type { WorkerKind } from './worker.ts'

const HELLO = { messages: [{ role: 'user', content: 'Hello' }] } as const

function sent(kind: WorkerKind, asked: GenerateRequest, config: object = {}) {
  const { prompt, options } = parseGenerateRequest(asked, parseGenerationConfig(config))
  return wireRequest({ kind, model: 'M', prompt, asked, options })
}

test('a server of OpenAI’s words is sent no others', () => {
  const { body } = sent('openai', { ...HELLO, temperature: 0.5, topP: 0.9, seed: 3, stop: 'END' })
  assert.deepEqual(Object.keys(body).sort(), [
    'frequency_penalty',
    'max_tokens',
    'messages',
    'model',
    'presence_penalty',
    'seed',
    'stop',
    'stream',
    'stream_options',
    'temperature',
    'top_p',
  ])
  const refused: readonly [object, RegExp][] = [
    [{ temperature: 1, topK: 5, minP: 0.1 }, /top_k and min_p came/],
    [{ repetitionPenalty: 1.2, ignoreEos: true }, /repetition_penalty and ignore_eos came/],
    [
      { responseFormat: { type: 'regex', pattern: 'a' } },
      /responseFormat with a form other than JSON came/,
    ],
  ]
  for (const [options, message] of refused) {
    assert.throws(() => sent('openai', { ...HELLO, ...options }), message)
  }
  assert.throws(
    () => sent('openai', { prompt: 'x', images: [new Uint8Array(1)] }),
    /raw prompt came/,
  )
})

test('a server of ours is sent what was asked and completes the rest itself', () => {
  const { body } = sent('llava-ts', { ...HELLO, topK: 7 }, { do_sample: true, temperature: 0.2 })
  assert.deepEqual(Object.keys(body).sort(), [
    'max_tokens',
    'messages',
    'model',
    'stream',
    'stream_options',
    'top_k',
  ])
})

test('others are told what the checkpoint says of drawing and the request does not', () => {
  const config = { do_sample: true, temperature: 0.2, top_p: 0.7, repetition_penalty: 1.1 }
  for (const kind of ['vllm', 'sglang'] as const) {
    const { body } = sent(kind, HELLO, config)
    assert.equal(body['temperature'], 0.2)
    assert.equal(body['top_p'], 0.7)
    assert.equal(body['repetition_penalty'], 1.1)
    assert.equal(sent(kind, { ...HELLO, temperature: 0 }, config).body['top_p'], undefined)
  }
})

test('a worker is sent a schema that it can read, not what stands in for rules of ours', () => {
  const bounded = { type: 'integer', minimum: 3 }
  const open = { type: 'object', properties: { a: { type: 'null' } }, additionalProperties: true }
  for (const schema of [bounded, open]) {
    const responseFormat = { type: 'json_schema', schema } as const
    for (const kind of ['openai', 'vllm', 'sglang'] as const) {
      for (const prompt of [HELLO, { prompt: 'x' }]) {
        const body = JSON.stringify(sent(kind, { ...prompt, responseFormat }).body)
        const told = JSON.stringify(schema)
        assert.ok(body.includes(told) || body.includes(JSON.stringify(told).slice(1, -1)), body)
      }
    }
  }
})

test('a raw prompt names the model wherever there is a field for it, which /generate of SGLang has not', () => {
  const named = (['llava-ts', 'vllm', 'openai', 'sglang'] as const).map((kind) => {
    const { path, body } = sent(kind, { prompt: 'x' })
    return [path, body['model']]
  })
  assert.deepEqual(named, [
    ['/generate', 'M'],
    ['/v1/completions', 'M'],
    ['/v1/completions', 'M'],
    ['/generate', undefined],
  ])
})
