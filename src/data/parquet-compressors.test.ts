import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compressors } from './parquet-compressors.ts'

test('LZ4 of nothing is nothing: a column that is null throughout has such pages', () => {
  for (const unpack of [compressors.LZ4, compressors.LZ4_RAW]) {
    assert.deepEqual(unpack?.(Uint8Array.of(0), 0), new Uint8Array())
    assert.deepEqual(unpack?.(new Uint8Array(), 0), new Uint8Array())
    assert.deepEqual(unpack?.(Uint8Array.of(0x20, 97, 98), 2), Uint8Array.of(97, 98))
  }
})
