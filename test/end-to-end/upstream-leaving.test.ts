/** Clients that leave before the end: what they had is counted and charged, whoever answers. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { loadModel, type Model } from '../../src/index.ts'
import { loadPromptSide, type LoadedPromptSide } from '../../src/load-prompt-side.ts'
import { collectGarbage } from '../collect-garbage.ts'
import { startServer, type TestServer } from './serve-setup.ts'
import { PATIENT, startFront } from './upstream-setup.ts'

const FOLDER = 'fixtures/inference/mini-vit-crop'
const PROMPT = 7
/** A leaving client is noticed at once; a busy machine takes its time. */
const PATIENCE_MS = 20_000
const ASKED = {
  messages: [{ role: 'user', content: 'Hello' }],
  max_tokens: 3000,
  ignore_eos: true,
}

let model: Model
let side: LoadedPromptSide
let own: TestServer
let peer: Server
let url: string
/** What the peer does after each word; it sends the next one when that is done. */
let onWord: (count: number) => Promise<void> = async () => {}
let isContinuous = false
before(async () => {
  model = await loadModel(FOLDER, { precision: 'f32' })
  side = await loadPromptSide(FOLDER)
  own = await startServer({ model, listen: PATIENT })
  peer = createServer((request, response) => {
    if (request.url !== '/v1/models') void answerForEver(response.writeHead(200))
    else response.end(JSON.stringify({ data: [{ id: 'm', object: 'model', owned_by: 'vllm' }] }))
  })
  peer.listen(0, '127.0.0.1')
  await once(peer, 'listening')
  url = `http://127.0.0.1:${(peer.address() as AddressInfo).port}`
})
after(async () => {
  peer.closeAllConnections()
  peer.close()
  await own.close()
  await side.dispose()
  await model.dispose()
})

async function answerForEver(response: ServerResponse): Promise<void> {
  for (let count = 1; !response.destroyed; count++) {
    const usage = { prompt_tokens: PROMPT, completion_tokens: 2 * count }
    const choices = [{ index: 0, delta: { content: ' word' }, finish_reason: null }]
    response.write(`data: ${JSON.stringify({ choices, ...(isContinuous && { usage }) })}\n\n`)
    await onWord(count)
    await new Promise(setImmediate)
  }
}

/** Asks for a stream and leaves when so many pieces of it came. */
async function leaveAfter(at: TestServer, pieces: number, more: object = {}): Promise<number> {
  const leave = new AbortController()
  const response = await fetch(`${at.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...ASKED, stream: true, ...more }),
    signal: leave.signal,
  })
  if (response.status !== 200) return response.status
  let text = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk
    if (text.split('\n\n').length > pieces) break
  }
  // An abort was lost where garbage was collected between a worker's first word and it.
  collectGarbage()
  leave.abort()
  return response.status
}

/** What `/metrics` counts when so many answers have ended by an abort. */
async function counted(at: TestServer, aborts: number): Promise<(kind: string) => number> {
  for (const start = performance.now(); performance.now() - start < PATIENCE_MS;) {
    const text = await (await fetch(`${at.url}/metrics`)).text()
    const value = (name: string) => Number(text.split(`${name} `)[1]?.split('\n')[0] ?? 0)
    if (value('llava_answers_total{finish_reason="abort"}') >= aborts) {
      return (kind) => value(`llava_tokens_total{kind="${kind}"}`)
    }
    await new Promise(setImmediate)
  }
  return assert.fail(`${aborts} answers that ended by an abort were never counted`)
}

const config = { tokensPerMinute: 30 }

describe('behind a front', () => {
  test('whoever leaves a stream pays for what came of it, and is refused when the share is used up', async () => {
    const front = await startFront([url], { app: { config } })
    assert.equal(await leaveAfter(front, 50), 200)
    const tokens = await counted(front, 1)
    assert.ok(tokens('completion') >= 49, String(tokens('completion')))
    assert.equal(tokens('prompt'), 0, 'nobody told what the prompt has')
    assert.equal(await leaveAfter(front, 1), 429)
    await front.close()
  })

  test('what the worker tells with each piece is what is counted', async () => {
    isContinuous = true
    const front = await startFront([url], { app: { config } })
    assert.equal(await leaveAfter(front, 20), 200)
    const tokens = await counted(front, 1)
    assert.equal(tokens('prompt'), PROMPT)
    assert.ok(tokens('completion') >= 38 && tokens('completion') % 2 === 0)
    const [worker] = front.upstreams.models[0]!.workers!()
    assert.equal(worker!['promptTokens'], PROMPT, 'once, not with each piece')
    assert.equal(worker!['completionTokens'], tokens('completion'))
    isContinuous = false
    await front.close()
  })

  test('with the checkpoint prompts and words are counted by its tokenizer', async () => {
    const front = await startFront([url], { side, id: 'tiny' })
    await leaveAfter(front, 20)
    const tokens = await counted(front, 1)
    assert.equal(
      tokens('prompt'),
      side.countTokens({ messages: [ASKED.messages[0] as never] }).text,
    )
    const words = side.tokenizer.encode(' word'.repeat(19), { addBos: false }).length
    assert.ok(tokens('completion') >= words, `${tokens('completion')} of ${words}`)
    await front.close()
  })

  test('an answer that is waited for whole costs what the worker had written', async () => {
    const front = await startFront([url], { app: { config } })
    const leave = new AbortController()
    onWord = async (count) => void (count === 40 && leave.abort())
    const waiting = fetch(`${front.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(ASKED),
      signal: leave.signal,
    })
    await assert.rejects(waiting, { name: 'AbortError' })
    onWord = async () => {}
    assert.ok((await counted(front, 1))('completion') > 0)
    await front.close()
  })

  test('of ours it is as before our own engine', async () => {
    for (const known of [{}, { side, id: 'tiny' }]) {
      const front = await startFront([own.url], { app: { config }, ...known })
      assert.equal(await leaveAfter(front, 60), 200)
      assert.ok((await counted(front, 1))('completion') >= 40)
      assert.equal(await leaveAfter(front, 1), 429)
      await front.close()
    }
  })
})

test('of several choices each is paid for when the client leaves', async () => {
  const app = { config: { tokensPerMinute: 1000 } }
  const server = await startServer({ model, app, listen: PATIENT })
  const n = 3
  assert.equal(await leaveAfter(server, 90, { n, temperature: 1 }), 200)
  const tokens = await counted(server, n)
  assert.ok(tokens('completion') >= 75, String(tokens('completion')))
  await server.close()
})
