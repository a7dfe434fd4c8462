import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { eventData } from './server-events.ts'

function streamOf(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    },
  })
}

async function read(chunks: readonly Uint8Array[]): Promise<string[]> {
  const data: string[] = []
  for await (const one of eventData(streamOf(chunks))) data.push(one)
  return data
}

test('events are the same wherever the network cut them, in the middle of a character too', async () => {
  const bytes = new TextEncoder().encode(
    'event: x\ndata: {"a":"ä€😀"}\n\n: a comment\n\ndata:b\ndata: c\n\ndata: [DONE]\n\n',
  )
  const expected = ['{"a":"ä€😀"}', 'b\nc', '[DONE]']
  const cuts = fc.array(fc.nat(bytes.length))
  await fc.assert(
    fc.asyncProperty(cuts, async (some) => {
      const places = [0, ...some.sort((a, b) => a - b), bytes.length]
      const chunks = places.slice(1).map((end, i) => bytes.slice(places[i], end))
      assert.deepEqual(await read(chunks), expected)
    }),
  )
})

test('an event that was cut off is none', async () => {
  assert.deepEqual(await read([new TextEncoder().encode('data: a\n\ndata: b')]), ['a'])
})

test('whoever leaves the loop ends the stream', async () => {
  let isCancelled = false
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode('data: a\n\n')),
    cancel() {
      isCancelled = true
    },
  })
  for await (const data of eventData(stream)) {
    assert.equal(data, 'a')
    break
  }
  assert.ok(isCancelled)
})
