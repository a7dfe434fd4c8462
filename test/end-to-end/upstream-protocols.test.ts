/** What vLLM and SGLang are sent and reply, by their documentation (fixtures/serve), and what a client is told of it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { PICTURE_URL } from './serve-setup.ts'
import { startFront, type Front } from './upstream-setup.ts'

type Fields = Readonly<Record<string, unknown>>
type Reply = {
  readonly events?: readonly object[]
  readonly status?: number
  readonly json?: object
}
type Exchange = Reply & {
  readonly name: string
  readonly ask: readonly [string, Fields]
  readonly sent: readonly [string, Fields]
  readonly absent: readonly string[]
  /** What is sent and replied the second time. */
  readonly again?: Reply & { readonly absent: readonly string[] }
  readonly told: Fields
  readonly toldStatus?: number
}
type Protocol = {
  readonly models: object
  readonly detokenize: Readonly<Record<string, string>>
  readonly exchanges: readonly Exchange[]
}

for (const name of ['vllm', 'sglang']) {
  const protocol = JSON.parse(readFileSync(`fixtures/serve/${name}.json`, 'utf8')) as Protocol
  describe(name, () => {
    let peer: Server
    let front: Front
    let replies: Reply[] = []
    const asked: { path: string; body: Fields; key: string | undefined }[] = []
    before(async () => {
      peer = createServer((request, response) => {
        const send = (status: number, value: unknown) =>
          response
            .writeHead(status, { 'content-type': 'application/json' })
            .end(JSON.stringify(value))
        if (request.url === '/v1/models') return send(200, protocol.models)
        if (request.url === '/health') return response.end()
        void json(request).then((read) => {
          const body = read as Fields
          if (request.url === '/detokenize') {
            const ids = body['tokens'] as number[]
            const text = ids.map((id) => protocol.detokenize[id]).join('')
            return send(200, name === 'vllm' ? { prompt: text } : { text })
          }
          asked.push({ path: request.url ?? '', body, key: request.headers.authorization })
          const reply = replies.length > 1 ? replies.shift()! : replies[0]!
          if (!reply.events) return send(reply.status ?? 200, reply.json)
          response.writeHead(200, { 'content-type': 'text/event-stream' })
          for (const event of reply.events) response.write(`data: ${JSON.stringify(event)}\n\n`)
          return response.end('data: [DONE]\n\n')
        })
        return undefined
      })
      peer.keepAliveTimeout = 120_000
      peer.listen(0, '127.0.0.1')
      await once(peer, 'listening')
      const url = `http://127.0.0.1:${(peer.address() as AddressInfo).port}`
      front = await startFront([url], { workers: [{ url: `${url}/v1`, apiKey: 'the-key' }] })
    })
    after(async () => {
      await front.close()
      peer.closeAllConnections()
      peer.close()
    })

    for (const exchange of protocol.exchanges) {
      test(exchange.name, async () => {
        asked.length = 0
        replies = exchange.again ? [exchange, exchange.again] : [exchange]
        const [path, body] = exchange.ask
        const { status, body: told } = await front.post(path, withPicture(body))
        assert.equal(status, exchange.toldStatus ?? 200, JSON.stringify(told))
        assertHolds(told, exchange.told, 'told')
        const [first, second] = asked
        assert.equal(first?.path, exchange.sent[0])
        assert.equal(first.key, 'Bearer the-key')
        assertHolds(first.body, exchange.sent[1], 'sent')
        for (const field of exchange.absent) assert.equal(first.body[field], undefined, field)
        for (const field of exchange.again?.absent ?? []) {
          assert.equal(second?.body[field], undefined, field)
        }
      })
    }

    test('pictures are sent as data: URLs, and clips whose frames are asked for are refused', async () => {
      asked.length = 0
      replies = [protocol.exchanges[0]!]
      const picture = { type: 'image_url', image_url: { url: PICTURE_URL } }
      const text = { type: 'text', text: 'What is it?' }
      const messages = [{ role: 'user', content: [picture, text] }]
      const { status } = await front.post('/v1/chat/completions', { messages, max_tokens: 20 })
      assert.equal(status, 200)
      assert.deepEqual(asked[0]?.body['messages'], messages)
      const clip = {
        type: 'video_url',
        video_url: { url: 'data:video/mp4;base64,AAAA' },
        frames: 4,
      }
      const refused = await front.post('/v1/chat/completions', {
        messages: [{ role: 'user', content: [clip, text] }],
      })
      assert.equal(refused.status, 400)
      assert.match(refused.body.error.message, /frames, fps and force_sample of a clip came/)
    })
  })
}

function withPicture(body: Fields): Fields {
  return body['image_data'] === 'PICTURE' ? { ...body, image_data: PICTURE_URL } : body
}

/** Every field of `expected` is in `value` and the same; lists have as many entries. */
function assertHolds(value: unknown, expected: unknown, path: string): void {
  if (typeof expected !== 'object' || expected === null) {
    return assert.deepEqual(value, expected, path)
  }
  assert.ok(typeof value === 'object' && value !== null, `${path} is ${JSON.stringify(value)}`)
  if (Array.isArray(expected)) assert.equal((value as unknown[]).length, expected.length, path)
  for (const [name, one] of Object.entries(expected)) {
    assertHolds((value as Fields)[name], one, `${path}.${name}`)
  }
}
