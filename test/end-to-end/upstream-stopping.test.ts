/** A front that stops while a worker hangs on what it is asked by the way: tokens, their texts, counts. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { startFront, type Front } from './upstream-setup.ts'

/** The front waits for a worker so long by itself; a busy machine takes its time. */
const MOST_MS = 15_000
const MESSAGES = [{ role: 'user', content: 'Hi' }]
const LOGPROB = { token: 'token_id:5', logprob: -1, bytes: [65], top_logprobs: [] }

let worker: Server
let url: string
/** Called when the worker is asked what it never answers. */
let onHang = () => {}
before(async () => {
  worker = createServer((request, response) => {
    if (request.url === '/v1/models') response.end('{"data":[{"id":"m","owned_by":"vllm"}]}')
    else if (request.url === '/health') response.end()
    else if (request.url === '/v1/chat/completions') {
      const logprobs = { content: [LOGPROB] }
      const choices = [{ index: 0, delta: { content: 'A' }, logprobs, finish_reason: 'length' }]
      const usage = { prompt_tokens: 3, completion_tokens: 1 }
      response.end(`data: ${JSON.stringify({ choices, usage })}\n\ndata: [DONE]\n\n`)
    } else onHang()
  })
  worker.listen(0, '127.0.0.1')
  await once(worker, 'listening')
  url = `http://127.0.0.1:${(worker.address() as AddressInfo).port}`
})
after(() => {
  worker.closeAllConnections()
  worker.close()
})

const asked: readonly (readonly [path: string, body: object])[] = [
  ['/tokenize', { prompt: 'Hi' }],
  ['/detokenize', { tokens: [5] }],
  ['/v1/messages/count_tokens', { messages: MESSAGES }],
  ['/v1/messages', { messages: MESSAGES, max_tokens: 4, stream: true }],
  ['/v1/chat/completions', { messages: MESSAGES, max_tokens: 4, logprobs: true }],
]

/** Asks, and goes on when the worker hangs. */
async function askUntilItHangs(front: Front, [path, body]: (typeof asked)[number]) {
  const hangs = new Promise<void>((resolve) => (onHang = resolve))
  const leave = new AbortController()
  const { signal } = leave
  const headers = { 'content-type': 'application/json' }
  const init = { method: 'POST', headers, body: JSON.stringify(body), signal }
  const answer = front.fetch(`${front.url}${path}`, init)
  answer.catch(() => {})
  await hangs
  return { answer, leave }
}

for (const one of asked) {
  const [path] = one
  test(`${path} ends with the server, and says so`, { timeout: MOST_MS }, async () => {
    // It took 30 s, in which the program did not end, and the client was cut off without a word.
    const front = await startFront([url], { app: { config: { shutdownSeconds: 0 } } })
    const { answer } = await askUntilItHangs(front, one)
    const running = () => front.upstreams.pool.list()[0]!.running
    const closed = front.close()
    const response = await answer
    assert.equal(response.status, 503)
    assert.match(await response.text(), /server: it is stopping/)
    await closed
    assert.equal(running(), 0)
  })
}

test('what a worker hangs on ends when its client leaves', { timeout: MOST_MS }, async () => {
  const front = await startFront([url])
  for (const one of asked) {
    const { answer, leave } = await askUntilItHangs(front, one)
    leave.abort()
    await assert.rejects(answer, { name: 'AbortError' })
    while (front.upstreams.pool.list()[0]!.running !== 0) await new Promise(setImmediate)
  }
  await front.close()
})
