import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contentName, sha256 } from './content-name.ts'

test('bytes have the name of their contents, and samples that of their size as well', async () => {
  const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6)
  assert.equal(await contentName(bytes), await sha256(bytes))
  const shared = new Uint8Array(new SharedArrayBuffer(6))
  shared.set(bytes)
  assert.equal(await contentName(shared), await contentName(bytes))
  const samples = (width: number, height: number) => contentName({ data: bytes, width, height })
  assert.notEqual(await samples(2, 1), await samples(1, 2))
})

test('every byte of a long clip counts, wherever it is cut to be read', async () => {
  const long = new Uint8Array((16 << 20) + 5)
  const name = await contentName(long)
  for (const at of [0, (8 << 20) - 1, 8 << 20, long.length - 1]) {
    long[at] = 1
    assert.notEqual(await contentName(long), name, String(at))
    long[at] = 0
  }
  assert.equal(await contentName(long), name)
  assert.notEqual(await contentName(long.subarray(0, -1)), name)
})
