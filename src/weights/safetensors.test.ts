import assert from 'node:assert/strict'
import { test } from 'node:test'

import { CheckpointError } from '../core/errors.ts'
import { memoryBytes } from './file-bytes.ts'
import { readSafetensors } from './safetensors.ts'

function file(header: unknown, data = new Uint8Array(0)) {
  const json = new TextEncoder().encode(
    typeof header === 'string' ? header : JSON.stringify(header),
  )
  const bytes = new Uint8Array(8 + json.length + data.length)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true)
  bytes.set(json, 8)
  bytes.set(data, 8 + json.length)
  return memoryBytes('x.safetensors', bytes)
}

function refuses(code: string, message: RegExp, bytes: ReturnType<typeof file>) {
  assert.throws(
    () => readSafetensors(bytes),
    (error) => {
      assert.ok(error instanceof CheckpointError, String(error))
      assert.equal(error.code, code)
      assert.match(error.message, message)
      return true
    },
  )
}

const one = (dtype: string, shape: unknown, data_offsets: unknown) => ({
  a: { dtype, shape, data_offsets },
})

test('every readable dtype comes back as stored, wherever it lies', () => {
  const sizes = {
    F64: 8,
    F32: 4,
    F16: 2,
    BF16: 2,
    I8: 1,
    U8: 1,
    I16: 2,
    U16: 2,
    I32: 4,
    U32: 4,
    I64: 8,
    BOOL: 1,
  }
  const data = Uint8Array.from({ length: 80 }, (_, i) => (i * 37 + 11) & 0xff)
  const header: Record<string, unknown> = {}
  let at = 0
  for (const [dtype, size] of Object.entries(sizes)) {
    header[dtype] = { dtype, shape: [2], data_offsets: [at, (at += 2 * size)] }
  }
  // One byte of header more or less moves every tensor off its alignment.
  for (const padding of ['', ' ', '  ', '   ']) {
    const source = readSafetensors(file(JSON.stringify(header) + padding, data.subarray(0, at)))
    const bytes: number[] = []
    for (const name of source.tensors.keys()) {
      const tensor = source.read(name)
      assert.equal(tensor.data.length, 2)
      bytes.push(
        ...new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength),
      )
    }
    assert.deepEqual(bytes, [...data.subarray(0, at)])
  }
})

test('scalars and empty tensors are tensors', () => {
  const header = {
    s: { dtype: 'F32', shape: [], data_offsets: [0, 4] },
    e: { dtype: 'F32', shape: [0, 3], data_offsets: [4, 4] },
  }
  const source = readSafetensors(file(header, new Uint8Array(4)))
  assert.deepEqual([...source.read('s').data], [0])
  assert.deepEqual(source.read('e').shape, [0, 3])
})

test('rows are read without the rest of their tensor', () => {
  const header = { a: { dtype: 'F16', shape: [4, 3], data_offsets: [0, 24] } }
  const stored = file(
    header,
    Uint8Array.from({ length: 24 }, (_, i) => i),
  )
  const lengths: number[] = []
  const bytes = (offset: number, length: number) => {
    lengths.push(length)
    return stored.bytes(offset, length)
  }
  const source = readSafetensors({ ...stored, bytes })
  lengths.length = 0
  const rows = source.readRows?.('a', 1, 3)
  assert.deepEqual(rows?.shape, [2, 3])
  assert.deepEqual(rows?.data, source.read('a').data.slice(3, 9))
  assert.deepEqual(lengths, [12, 24])
})

test('metadata that is null is none', () => {
  assert.equal(readSafetensors(file({ __metadata__: null })).metadata.size, 0)
})

test('metadata is kept', () => {
  const source = readSafetensors(file({ __metadata__: { format: 'pt', note: 'ü' } }))
  assert.deepEqual(
    [...source.metadata],
    [
      ['format', 'pt'],
      ['note', 'ü'],
    ],
  )
})

test('a header that claims 2^60 bytes is refused before anything is allocated', () => {
  const bytes = new Uint8Array(64)
  new DataView(bytes.buffer).setBigUint64(0, 2n ** 60n, true)
  refuses(
    'CHECKPOINT_SAFETENSORS',
    /claims 1152921504606846976 bytes, the file has 64/,
    memoryBytes('x.safetensors', bytes),
  )
})

test('a file without room for a header is refused', () => {
  for (const size of [0, 1, 7, 9])
    refuses('CHECKPOINT_TRUNCATED', /it has \d bytes/, memoryBytes('x', new Uint8Array(size)))
})

test('truncated, overlapping, gapped and misshapen tensors are refused by name', () => {
  refuses(
    'CHECKPOINT_TRUNCATED',
    /a ends at byte .* truncated/,
    file(one('F32', [2], [0, 8]), new Uint8Array(7)),
  )
  const pair = (second: number[]) => ({
    ...one('F32', [2], [0, 8]),
    b: { dtype: 'F32', shape: [2], data_offsets: second },
  })
  refuses(
    'CHECKPOINT_SAFETENSORS',
    /b begins .* overlaps a/,
    file(pair([4, 12]), new Uint8Array(12)),
  )
  refuses(
    'CHECKPOINT_SAFETENSORS',
    /b begins .* unused bytes after a/,
    file(pair([12, 20]), new Uint8Array(20)),
  )
  refuses(
    'CHECKPOINT_SAFETENSORS',
    /the end of the file begins .* unused/,
    file(one('F32', [2], [0, 8]), new Uint8Array(9)),
  )
  refuses(
    'CHECKPOINT_SAFETENSORS',
    /a is float32\[3\], which takes 12 bytes/,
    file(one('F32', [3], [0, 8]), new Uint8Array(8)),
  )
})

test('an unreadable dtype is refused with the tensor and the dtype', () => {
  for (const dtype of ['F8_E4M3', 'F8_E5M2', 'F4', 'U64', 'C64']) {
    refuses(
      'CHECKPOINT_DTYPE',
      new RegExp(`a has dtype ${dtype}`),
      file(one(dtype, [1], [0, 1]), new Uint8Array(1)),
    )
  }
})

test('keys that stand twice, foreign values and deep nesting are refused', () => {
  const entry = '{"dtype":"I8","shape":[1],"data_offsets":[0,1]}'
  refuses(
    'CHECKPOINT_JSON',
    /not "a" twice/,
    file(`{"a":${entry},"a":${entry}}`, new Uint8Array(1)),
  )
  refuses('CHECKPOINT_JSON', /nesting/, file(`{"a":${'['.repeat(100000)}`))
  refuses('CHECKPOINT_SAFETENSORS', /a shape/, file(one('I8', [-1], [0, 1]), new Uint8Array(1)))
  refuses('CHECKPOINT_SAFETENSORS', /a shape/, file(one('I8', [1.5], [0, 1]), new Uint8Array(1)))
  refuses(
    'CHECKPOINT_SAFETENSORS',
    /two data_offsets/,
    file(one('I8', [1], [0]), new Uint8Array(1)),
  )
  refuses('CHECKPOINT_SAFETENSORS', /object of strings/, file({ __metadata__: { a: 1 } }))
  refuses('CHECKPOINT_SAFETENSORS', /JSON object/, file('[]'))
})

test('an unknown name is answered with the nearest one', () => {
  const source = readSafetensors(
    file(
      { 'layers.0.q.weight': { dtype: 'I8', shape: [1], data_offsets: [0, 1] } },
      new Uint8Array(1),
    ),
  )
  assert.throws(() => source.read('layers.0.q.weigth'), /nearest name is layers\.0\.q\.weight\./)
})
