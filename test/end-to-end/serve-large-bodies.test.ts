/** Bodies of very much of one thing: what a request costs before anybody knows whether it can be answered. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { loadModel, type Model } from '../../src/index.ts'
import { loadPromptSide } from '../../src/load-prompt-side.ts'
import { SERVER_DEFAULTS } from '../../src/serve/http/server-config.ts'
import { startServer, type TestServer } from './serve-setup.ts'
import { startFront } from './upstream-setup.ts'

const FOLDER = 'fixtures/inference/mini-vit-crop'
const CHAT = '/v1/chat/completions'

let model: Model
let server: TestServer

before(async () => {
  model = await loadModel(FOLDER, { precision: 'f32' })
  server = await startServer({ model })
})
after(async () => {
  await server.close()
  await model.dispose()
})

/** Runs with a server of its own, whose model has another template. */
async function withTemplate(
  template: string,
  use: (own: TestServer) => Promise<void>,
): Promise<void> {
  await using own = await loadModel(FOLDER, { precision: 'f32', template })
  const other = await startServer({ model: own })
  try {
    await use(other)
  } finally {
    await other.close()
  }
}

/** So many of one thing in JSON. */
function listOf(count: number, item: unknown): string {
  return `[${Array.from({ length: count }, () => JSON.stringify(item)).join(',')}]`
}

test('a body of too many values is refused on every route before it is read', async () => {
  const count = SERVER_DEFAULTS.maxJsonValues
  const bodies = {
    '/v1/completions': `{"prompt":${listOf(count, 1)}}`,
    '/detokenize': `{"tokens":${listOf(count, 5)}}`,
    '/generate': `{"input_ids":${listOf(count, 7)}}`,
    [CHAT]: `{"messages":${listOf(count, {})}}`,
    '/v1/messages': `{"messages":${listOf(count, {})}}`,
    '/v1/responses': `{"input":${listOf(count, {})}}`,
    '/tokenize': `{"messages":${listOf(count, {})}}`,
  }
  for (const [path, json] of Object.entries(bodies)) {
    const { status, body } = await server.post(path, json)
    assert.deepEqual([status, body.error.code], [413, 'INPUT_BODY_VALUES'], path)
  }
})

test('as many ids as a context of 128k has are read, and pictures count by their number', async () => {
  const ids = listOf(128 << 10, 5)
  const { status } = await server.post('/detokenize', `{"tokens":${ids}}`)
  assert.equal(status, 200)
  const { body } = await server.post('/v1/completions', `{"prompt":${ids}}`)
  assert.equal(body.error.code, 'INPUT_CONTEXT')
  const url = `data:image/png;base64,${'A'.repeat(4 << 20)}`
  const content = [{ type: 'image_url', image_url: { url } }]
  const { body: told } = await server.post(CHAT, { messages: [{ role: 'user', content }] })
  assert.match(told.error.code, /^INPUT_IMAGE/)
})

test('a conversation of too many parts is refused on every route, in one message or in several', async () => {
  const { maxParts } = SERVER_DEFAULTS
  const of = (type: string, roles: readonly string[]) =>
    roles.map((role) => ({
      role,
      content: Array.from({ length: maxParts / 2 + 1 }, () => ({ type, text: 'a' })),
    }))
  const messages = of('text', ['user', 'user'])
  const result = { type: 'tool_result', tool_use_id: 'a', content: 'b' }
  const results = [{ role: 'user', content: Array.from({ length: maxParts + 1 }, () => result) }]
  const bodies: readonly (readonly [path: string, body: object])[] = [
    [CHAT, { messages }],
    ['/tokenize', { messages }],
    ['/v1/media/tokens', { messages }],
    ['/v1/messages', { messages, max_tokens: 1 }],
    ['/v1/messages', { messages: results, max_tokens: 1 }],
    ['/v1/messages/count_tokens', { messages }],
    ['/v1/responses', { input: of('input_text', ['user', 'user']) }],
  ]
  for (const [path, asked] of bodies) {
    const { status, body } = await server.post(path, asked)
    assert.equal(status, 400, path)
    assert.match(body.error.message, /^(messages|input): all messages together may have 2048 parts/)
  }
  const { status } = await server.post('/tokenize', { messages: messages.slice(0, 1) })
  assert.equal(status, 200)
})

test('what a template cannot write within its limits is a fault of the messages that came', async () => {
  const template = `{% for message in messages %}{% for i in range(2000) %}{% for j in range(2000) %}{% endfor %}{% endfor %}{% endfor %}`
  await withTemplate(template, async (own) => {
    const { status, body } = await own.post(CHAT, { messages: [{ role: 'user', content: 'a' }] })
    const { code, param, message } = body.error
    assert.deepEqual([status, code, param], [400, 'CONFIG_TEMPLATE_LIMIT', 'messages'])
    assert.match(message, /send fewer or shorter messages and parts/)
  })
})

test('a text that no context holds is refused before it is tokenised, by a front as by its worker', async () => {
  const side = await loadPromptSide(FOLDER)
  const front = await startFront([server.url], { side, id: server.id })
  const content = 'x'.repeat(2 << 20)
  const messages = [{ role: 'user', content }]
  const bodies: readonly (readonly [path: string, body: object])[] = [
    [CHAT, { messages }],
    ['/v1/completions', { prompt: content }],
    ['/tokenize', { prompt: content }],
    ['/tokenize', { messages }],
    ['/v1/messages', { messages, max_tokens: 1 }],
    ['/v1/messages/count_tokens', { messages }],
    ['/v1/responses', { input: content }],
    ['/generate', { text: content }],
  ]
  try {
    for (const [path, asked] of bodies) {
      const { status, body } = await server.post(path, asked)
      assert.deepEqual([status, body.error.code], [400, 'INPUT_CONTEXT'], path)
      assert.match(body.error.message, /its 2097\d+ characters are at least \d+ tokens/)
      const behind = await front.post(path, asked)
      assert.deepEqual([behind.status, behind.body], [status, body], path)
    }
  } finally {
    await front.close()
    await side.dispose()
  }
})
