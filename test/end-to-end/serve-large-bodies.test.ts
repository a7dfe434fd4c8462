/** Bodies of very much of one thing: what a request costs before anybody knows whether it can be answered. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { loadModel, type Model } from '../../src/index.ts'
import { SERVER_DEFAULTS } from '../../src/serve/http/server-config.ts'
import { startServer, type TestServer } from './serve-setup.ts'

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

const CHAT = '/v1/chat/completions'

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
