import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { streamChat, type ChatEvent } from './chat.ts'

const PIECE = `data: ${JSON.stringify({ choices: [{ delta: { content: 'a' }, finish_reason: null }] })}\n\n`

async function streamed(t: TestContext, end: (stream: ReadableStreamDefaultController) => void) {
  let pieces = 0
  const body = new ReadableStream({
    pull: (stream) =>
      pieces++ === 0 ? stream.enqueue(new TextEncoder().encode(PIECE)) : end(stream),
  })
  t.mock.method(globalThis, 'fetch', async () => new Response(body))
  const events: ChatEvent[] = []
  const request = { model: 'm', messages: [] }
  for await (const event of streamChat(request, new AbortController().signal)) events.push(event)
  return events
}

test('an answer whose connection ends before it does says so, however it ended', async (t) => {
  const cut = { code: 'CUT_OFF', message: 'The connection ended before the answer did.' }
  await assert.rejects(
    streamed(t, (stream) => stream.error(new TypeError('network error'))),
    cut,
  )
  await assert.rejects(
    streamed(t, (stream) => stream.close()),
    cut,
  )
})
