/** What a worker says of its failure: who hears its words, its time to come back, and that it wants another key. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withServer, type Handler } from '../scripted-server.ts'
import { startFront } from './upstream-setup.ts'

const ASKED = { messages: [{ role: 'user', content: 'SECRET' }], max_tokens: 5 }

/** Lists a model, and fails at everything else. */
const failing =
  (status: number, headers: Record<string, string> = {}): Handler =>
  (body, response, { url }) => {
    if (url === '/v1/models') return response.end('{"data":[{"id":"m","owned_by":"vllm"}]}')
    const error = { message: `boom ${JSON.stringify(body)}`, code: status }
    return response.writeHead(status, headers).end(JSON.stringify({ error }))
  }

test('its words, which may quote the prompt, are in the log only where prompts are', async () => {
  await withServer([failing(500)], async (url) => {
    for (const logPrompts of [false, true]) {
      const front = await startFront([url], { logPrompts })
      const { status, body } = await front.post('/v1/chat/completions', ASKED)
      assert.deepEqual([status, body.error.code], [503, 'CAPACITY_UPSTREAM'])
      const failed = front.logged.find(({ event }) => event === 'worker-failed')
      assert.equal(failed?.['why'], 'HTTP 500')
      assert.equal(JSON.stringify(front.logged).includes('SECRET'), logPrompts)
      await front.close()
    }
  })
})

test('the time after which it may be asked again is passed on', async () => {
  for (const status of [429, 503]) {
    await withServer([failing(status, { 'retry-after': '37' })], async (url) => {
      const front = await startFront([url])
      const { status: told, headers } = await front.post('/v1/chat/completions', ASKED)
      assert.deepEqual([told, headers.get('retry-after')], [503, '37'])
      await front.close()
    })
  }
})

test('a key that it refuses is told as that, and not as a worker that is not there', async () => {
  const locked: Handler = (_, response) => response.writeHead(401).end('{}')
  await withServer([locked], async (url) => {
    await assert.rejects(startFront([url]), /\(401\)\); give the key that it wants with --upstream/)
  })
})
