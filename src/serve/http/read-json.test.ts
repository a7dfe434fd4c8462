import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HttpError } from './http-error.ts'
import { readJson } from './read-json.ts'

const LIMITS = { maxBodyBytes: 1 << 24, maxJsonDepth: 64, maxJsonValues: 1 << 10 }

test('a body is as deep as its lists and objects, whatever its texts hold and however it is cut', async () => {
  const bodies: readonly (readonly [value: unknown, depth: number])[] = [
    ['[[[', 0],
    [['\\', '"[', '\\"[', '\\\\', [']']], 2],
    [{ '\\"{': { a: '\u4e2d\n{' } }, 2],
    [[[], [[{}]], 'a'.repeat(99)], 4],
  ]
  for (const [value, depth] of bodies) {
    const json = JSON.stringify(value)
    for (const size of [1, 2, 3, 7, json.length]) {
      const read = (maxJsonDepth: number) =>
        readJson(posted(piecesOf(json, size)), { ...LIMITS, maxJsonDepth })
      assert.deepEqual(await read(depth), value)
      if (depth > 0) await assert.rejects(read(depth - 1), { code: 'INPUT_BODY_DEPTH' })
    }
  }
})

test('a body has as many values as its lists and objects hold, whatever its texts hold', async () => {
  const bodies: readonly (readonly [value: unknown, values: number])[] = [
    ['a,b,[{,', 1],
    [[1, 2, 3], 4],
    [{ a: [true, null], b: ',,,' }, 5],
    [[','.repeat(99), { c: { d: '"[,' } }], 5],
  ]
  for (const [value, values] of bodies) {
    const json = JSON.stringify(value)
    const read = (maxJsonValues: number) =>
      readJson(posted(piecesOf(json, 3)), { ...LIMITS, maxJsonValues })
    assert.deepEqual(await read(values), value)
    await assert.rejects(read(values - 1), { code: 'INPUT_BODY_VALUES' })
  }
})

test('a body of too many values is given up before it is whole', async () => {
  let sent = 0
  async function* endless() {
    for (yield new TextEncoder().encode('['); ; sent++)
      yield new TextEncoder().encode('1,'.repeat(64))
  }
  await assert.rejects(readJson(posted(endless()), LIMITS), { code: 'INPUT_BODY_VALUES' })
  assert.ok(sent <= 32, String(sent))
})

test('texts of nothing but escapes are read as fast as others', async () => {
  for (const text of ['\n'.repeat(1 << 20), '"'.repeat(1 << 20), '\\'.repeat(1 << 20)]) {
    const before = process.cpuUsage() // not the clock: other tests run at the same time
    await readJson(posted(piecesOf(JSON.stringify({ text }), 1 << 16)), LIMITS)
    assert.ok(process.cpuUsage(before).user < 2e6, 'it took too long')
  }
})

test('a body that breaks off is one of a client that has left', async () => {
  async function* broken() {
    yield new TextEncoder().encode('{"a":')
    throw new Error('aborted')
  }
  const gone = (error: unknown) => error instanceof HttpError && error.status === 499
  await assert.rejects(readJson(posted(broken()), LIMITS), gone)
})

async function* piecesOf(json: string, size: number) {
  const bytes = new TextEncoder().encode(json)
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

function posted(body: AsyncIterator<Uint8Array>): Request {
  const headers = { 'content-type': 'application/json' }
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await body.next()
      if (done) controller.close()
      else controller.enqueue(value)
    },
  })
  const init = { method: 'POST', headers, body: stream, duplex: 'half' }
  return new Request('http://127.0.0.1/', init as RequestInit)
}
