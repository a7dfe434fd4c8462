import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { CheckpointError } from '../core/errors.ts'
import { atOnce } from '../core/steps.ts'
import { toFloat32 } from '../core/tensor.ts'
import { memoryBytes } from './file-bytes.ts'
import { ggufMetadataSteps, readGguf } from './gguf.ts'
import { openGguf, openGgufInTurns, openWeightFile, readGgufMetadata } from './open-checkpoint.ts'

const PATH = 'fixtures/weights/types.gguf'
const content = new Uint8Array(readFileSync(PATH))

test('every metadata type comes back with its value', async () => {
  const metadata = await readGgufMetadata(PATH)
  assert.deepEqual(
    Object.fromEntries([...metadata].filter(([key]) => /^(value|array)\./.test(key))),
    {
      'value.uint8': 200,
      'value.int8': -100,
      'value.uint16': 60000,
      'value.int16': -30000,
      'value.uint32': 4000000000,
      'value.int32': -2000000000,
      'value.float32': Math.fround(0.1),
      'value.float64': 0.1,
      'value.uint64': 2n ** 63n + 1n,
      'value.int64': -(2n ** 62n) - 1n,
      'value.bool': true,
      'value.string': 'ü\n',
      'array.string': ['a', '', '<|im_end|>'],
      'array.float': [0.5, -1.25],
      'array.int': [1, -2, 3],
      'array.nested': [[1, 2], [3]],
    },
  )
  assert.equal(metadata.get('general.architecture'), 'llama')
})

test('every tensor type dequantises to the reference, bit by bit, and its stored bytes are to be had', () => {
  const expected = openWeightFile('fixtures/weights/types.safetensors')
  const source = openGguf(PATH)
  for (const type of ['F32', 'F16', 'BF16', 'Q8_0', 'Q4_0', 'Q4_1']) {
    const tensor = source.read(`${type}.weight`)
    assert.deepEqual(tensor.shape, [3, 64])
    assert.deepEqual(toFloat32(tensor), expected.read(type).data, type)
    const blocks = source.blocks(`${type}.weight`)
    assert.equal(blocks.type, type)
    assert.deepEqual([...blocks.bytes], [...expected.read(`${type}.stored`).data])
  }
  assert.deepEqual(source.read('Q6_K.weight').data, expected.read('Q6_K').data)
  assert.equal(source.tensors.get('Q4_0.weight')?.dtype, 'float32')
  assert.equal(source.tensors.get('F16.weight')?.dtype, 'float16')
})

test('dimensions are row-major', () => {
  const source = openGguf(PATH)
  assert.deepEqual(source.read('F32.vector').shape, [5])
  assert.deepEqual(source.read('F32.cube').shape, [2, 3, 4])
  assert.deepEqual(
    [...source.read('F32.cube').data],
    Array.from({ length: 24 }, (_, i) => i),
  )
})

function refuses(code: string, message: RegExp, bytes: Uint8Array) {
  assert.throws(
    () => readGguf(memoryBytes('x.gguf', bytes)),
    (error) => {
      assert.ok(error instanceof CheckpointError, String(error))
      assert.match(error.message, message)
      assert.equal(error.code, code)
      return true
    },
  )
}

function changed(change: (view: DataView, bytes: Uint8Array) => void): Uint8Array {
  const bytes = content.slice()
  change(new DataView(bytes.buffer), bytes)
  return bytes
}

test('lying counts and lengths are refused before anything is made for them', () => {
  for (const at of [8, 16]) {
    for (const lie of [2n ** 60n, 2n ** 64n - 1n, 1_000_000n]) {
      refuses(
        'CHECKPOINT_LYING_COUNT',
        /claims \d+ (tensors|metadata fields)/,
        changed((view) => view.setBigUint64(at, lie, true)),
      )
    }
  }
  // The first key's length follows the counts.
  refuses(
    'CHECKPOINT_LYING_COUNT',
    /bytes of text/,
    changed((view) => view.setBigUint64(24, 2n ** 60n, true)),
  )
})

test('other versions, big-endian files and other files are refused', () => {
  refuses(
    'CHECKPOINT_GGUF',
    /version 1;/,
    changed((view) => view.setUint32(4, 1, true)),
  )
  refuses(
    'CHECKPOINT_GGUF',
    /a big-endian file/,
    changed((view) => view.setUint32(4, 3, false)),
  )
  refuses('CHECKPOINT_GGUF', /begin with GGUF/, new Uint8Array(100))
  refuses('CHECKPOINT_GGUF', /begin with GGUF/, new Uint8Array(0))
})

/** Where the fields after a tensor's name begin: rank, dimensions, type, offset. */
function afterName(name: string): number {
  return Buffer.from(content).indexOf(name) + name.length
}

test('tensors of other types, shapes and places are refused by name', () => {
  const at = afterName('Q4_0.weight')
  refuses(
    'CHECKPOINT_DTYPE',
    /Q4_0\.weight has type Q5_K, readable are F32, F16, Q4_0/,
    changed((view) => view.setUint32(at + 20, 13, true)),
  )
  refuses(
    'CHECKPOINT_DTYPE',
    /Q4_0\.weight has type 99/,
    changed((view) => view.setUint32(at + 20, 99, true)),
  )
  refuses(
    'CHECKPOINT_GGUF',
    /Q4_0\.weight has 9 dimensions/,
    changed((view) => view.setUint32(at, 9, true)),
  )
  refuses(
    'CHECKPOINT_GGUF',
    /Q4_0\.weight has rows of 33/,
    changed((view) => view.setBigUint64(at + 4, 33n, true)),
  )
  refuses(
    'CHECKPOINT_GGUF',
    /impossible shape/,
    changed((view) => view.setBigUint64(at + 12, 2n ** 62n, true)),
  )
  refuses(
    'CHECKPOINT_TRUNCATED',
    /Q4_0\.weight ends at byte/,
    changed((view) => view.setBigUint64(at + 12, 2n ** 40n, true)),
  )
  refuses(
    'CHECKPOINT_GGUF',
    /Q4_0\.weight begins at 8, not a multiple of 32/,
    changed((view) => view.setBigUint64(at + 24, 8n, true)),
  )
  refuses(
    'CHECKPOINT_GGUF',
    /overlaps/,
    changed((view) => view.setBigUint64(at + 24, 32n, true)),
  )
  refuses(
    'CHECKPOINT_GGUF',
    /Q8_0\.weight is there twice/,
    changed((_, bytes) => bytes.set(Buffer.from('Q8_0'), at - 11)),
  )
  refuses('CHECKPOINT_TRUNCATED', /ends at byte/, content.subarray(0, -64))
})

test('the metadata is read whatever the tensors are', () => {
  const at = afterName('Q4_0.weight')
  const bytes = changed((view) => view.setUint32(at + 20, 13, true))
  assert.equal(atOnce(ggufMetadataSteps(memoryBytes('x.gguf', bytes))).get('value.uint8'), 200)
})

test('a file that is read in turns is the same source, or refused for the same reason', async () => {
  const [turns, whole] = [await openGgufInTurns(PATH), openGguf(PATH)]
  assert.deepEqual(turns.metadata, whole.metadata)
  assert.deepEqual([...turns.tensors], [...whole.tensors])
  assert.deepEqual(turns.read('Q4_0.weight'), whole.read('Q4_0.weight'))
  for (const source of [turns, whole]) source.close()
  await assert.rejects(openGgufInTurns('fixtures/weights/types.safetensors'), /begin with GGUF/)
})
