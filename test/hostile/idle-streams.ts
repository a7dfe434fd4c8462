/**
 * `npm run test:streams`: 1,000 clients hold a stream open and wait; the server still answers, and what they cost is told.
 *
 *     npm run test:streams -- [--streams 1000]
 *
 * The streams are those of real requests in the queue of the real engine, kept alive by comments. It passes if every one of
 * them is open at once, whoever asks meanwhile is answered, and each stream ends with its whole answer.
 */
import { connect, type Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { loadModel } from '../../src/index.ts'
import { createApp, serveModel } from '../../src/serve/http/index.ts'
import { listen } from '../../src/serve/http-node.ts'
import { collectGarbage } from '../collect-garbage.ts'

const { values } = parseArgs({ options: { streams: { type: 'string', default: '1000' } } })
const count = Number(values.streams)
const LENGTH = 24
/** Answers that run at once. Twice as many are held, so that one waits for each row that falls free until all streams are there. */
const ROWS = 4

const model = await loadModel('fixtures/inference/mini-vit-crop', {
  precision: 'f32',
  maxWaiting: count + 16,
  maxRows: ROWS,
})
const app = createApp({
  models: [serveModel(model, 'tiny', Date.now())],
  // All are handed to the engine, which has its own queue; the friend's priority is for that one.
  config: { maxRunning: count + 16, maxQueued: count, heartbeatSeconds: 1, answerSeconds: 7200 },
})
const server = await listen(app, {
  host: '127.0.0.1',
  port: 0,
  // A friend's connection is not to be closed between two questions.
  limits: { keepAliveSeconds: 600 },
})
const expected = await model.generate(question('Hello', LENGTH))

function question(content: string, maxTokens: number) {
  return { messages: [{ role: 'user', content } as const], maxTokens, ignoreEos: true }
}

type Stream = { readonly socket: Socket; text: string; isOpen: boolean }

const body = JSON.stringify({
  messages: [{ role: 'user', content: 'Hello' }],
  max_tokens: LENGTH,
  ignore_eos: true,
  stream: true,
  priority: 100,
})
const held = new AbortController()
const holders = Array.from({ length: 2 * ROWS }, () => hold(held.signal))
collectGarbage()
const before = process.memoryUsage.rss()
const streams: Stream[] = []
for (let i = 0; i < count; i++) {
  streams.push(open())
  // As a listening queue of the system takes them.
  if (i % 64 === 63) await pause(20)
}

function open(): Stream {
  const socket = connect(server.port, '127.0.0.1')
  const stream = { socket, text: '', isOpen: true }
  socket.setEncoding('utf8').on('data', (piece: string) => (stream.text += piece))
  socket.on('close', () => (stream.isOpen = false)).on('error', () => (stream.isOpen = false))
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  return stream
}

/** Answers without end, until the signal. */
async function hold(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const asked = { ...question('Wait', 300), priority: 100, signal }
    await model.generate(asked).catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

let most = 0
let bytes = 0
const waits: number[] = []
const isBegun = ({ text }: Stream) => text.startsWith('HTTP/1.1 200')
while (streams.some(({ isOpen }) => isOpen)) {
  const begun = streams.filter((stream) => stream.isOpen && isBegun(stream)).length
  most = Math.max(most, begun)
  // One that is closed already, whether answered or refused, is waited for no longer.
  if (streams.every((stream) => !stream.isOpen || isBegun(stream))) held.abort()
  if (begun === most) bytes = Math.max(bytes, process.memoryUsage.rss() - before)
  const start = performance.now()
  const [health, asked] = await Promise.all([
    fetch(`${server.url}/health`),
    fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        messages: [{ role: 'user', content: 'Hello' }],
        max_tokens: 4,
        priority: -100,
      }),
    }),
  ])
  await Promise.all([health.text(), asked.text()])
  if (health.status !== 200 || asked.status !== 200) {
    throw new Error(`meanwhile /health got ${health.status}, a question ${asked.status}`)
  }
  waits.push(performance.now() - start)
  await pause(50)
}
const whole = streams.filter(({ text }) => {
  const pieces = [...text.matchAll(/"delta":\{"content":("(?:[^"\\]|\\.)*")/g)]
  return pieces.map(([, piece]) => JSON.parse(piece as string) as string).join('') === expected.text
}).length
held.abort()
await Promise.all(holders)
await server.close()
await model.dispose()
waits.sort((a, b) => a - b)
say(`${most} streams open at once, ${whole} ended with their whole answer`)
say(
  `${(bytes / count / 1024).toFixed(0)} kB of memory each, ${(bytes / 1e6).toFixed(0)} MB in all, clients included`,
)
say(
  `${waits.length} questions meanwhile: p50 ${waits[waits.length >> 1]?.toFixed(0)} ms, at most ${waits.at(-1)?.toFixed(0)} ms`,
)
const isFine = whole === count && most >= 0.98 * count
say(isFine ? 'passed' : 'FAILED')
process.exit(isFine ? 0 : 1)

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
