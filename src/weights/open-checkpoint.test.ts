import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

import { CheckpointError } from '../core/errors.ts'
import { chooseCheckpointFiles } from './checkpoint-files.ts'
import { openFileBytes } from './node.ts'
import { openCheckpoint, openWeightFile } from './open-checkpoint.ts'
import { readSafetensors } from './safetensors.ts'

const folder = mkdtempSync(join(tmpdir(), 'weights-open-'))
after(() => rmSync(folder, { recursive: true }))

function shardedCopy(name: string): string {
  const copy = join(folder, name)
  cpSync('fixtures/weights/sharded-torch', copy, { recursive: true })
  return copy
}

function rejects(path: string, code: string, message: RegExp) {
  assert.throws(
    () => openCheckpoint(path),
    (error) => {
      assert.ok(error instanceof CheckpointError, String(error))
      assert.match(error.message, message)
      assert.equal(error.code, code)
      return true
    },
  )
}

test('shards open as one checkpoint that names the file of each tensor', () => {
  const source = openCheckpoint('fixtures/weights/sharded-torch')
  assert.deepEqual(
    [...source.tensors.keys()],
    ['layers.0.weight', 'layers.1.weight', 'layers.2.weight'],
  )
  assert.deepEqual([...source.read('layers.2.weight').data], [2, 2, 2, 2, 2, 2])
  assert.equal(source.tensors.get('layers.1.weight')?.file, 'pytorch_model-00002-of-00003.bin')
  assert.throws(() => source.read('layers.3.weight'), { code: 'CHECKPOINT_UNKNOWN_TENSOR' })
  source.release?.('layers.2.weight')
  source.close()
  assert.throws(() => source.read('layers.0.weight'), { code: 'CHECKPOINT_CLOSED' })
})

test('missing shards are named', () => {
  const path = shardedCopy('missing')
  rmSync(join(path, 'pytorch_model-00001-of-00003.bin'))
  rmSync(join(path, 'pytorch_model-00003-of-00003.bin'))
  rejects(
    path,
    'CHECKPOINT_SHARD_MISSING',
    /names pytorch_model-00001-of-00003\.bin, pytorch_model-00003-of-00003\.bin, not in .*; download the missing files/,
  )
  rmSync(join(path, 'pytorch_model.bin.index.json'))
  rejects(
    path,
    'CHECKPOINT_NOT_FOUND',
    /it has pytorch_model-00002-of-00003\.bin; the index of its shards is missing/,
  )
})

test('an index that does not agree with its shards is refused with all differences', () => {
  const path = shardedCopy('disagreeing')
  const shard = (i: number) => `pytorch_model-0000${i}-of-00003.bin`
  const index = { weight_map: { 'layers.0.weight': shard(1), other: shard(2) } }
  writeFileSync(join(path, 'pytorch_model.bin.index.json'), JSON.stringify(index))
  rejects(
    path,
    'CHECKPOINT_INDEX',
    /other is not in .*00002.*; layers\.1\.weight of .*00002.* is not in the index/,
  )
})

test('an index may not lead out of its folder', () => {
  const path = shardedCopy('leading')
  for (const file of ['../x.bin', '/etc/passwd', 'a\\b.bin', '..', '', 'C:x.bin', 'a\0b', 5]) {
    writeFileSync(
      join(path, 'pytorch_model.bin.index.json'),
      JSON.stringify({ weight_map: { a: file } }),
    )
    rejects(path, 'CHECKPOINT_INDEX', /expected the name of a file beside the index for a/)
  }
  for (const text of ['{}', '[]', '{"weight_map":{}}', '{"weight_map":[]}']) {
    writeFileSync(join(path, 'pytorch_model.bin.index.json'), text)
    rejects(path, 'CHECKPOINT_INDEX', /expected an object weight_map/)
  }
  writeFileSync(join(path, 'pytorch_model.bin.index.json'), '{"weight_map":{"a":"x","a":"y"}}')
  rejects(path, 'CHECKPOINT_JSON', /not "a" twice/)
})

test('safetensors come before pickles, one file before several', () => {
  const all = [
    'model.safetensors',
    'model.safetensors.index.json',
    'pytorch_model.bin',
    'pytorch_model.bin.index.json',
    'x.gguf',
  ]
  assert.deepEqual(chooseCheckpointFiles('m', all), { kind: 'file', file: 'model.safetensors' })
  assert.deepEqual(chooseCheckpointFiles('m', all.slice(1)), {
    kind: 'sharded',
    index: 'model.safetensors.index.json',
  })
  assert.deepEqual(chooseCheckpointFiles('m', all.slice(2)), {
    kind: 'file',
    file: 'pytorch_model.bin',
  })
  assert.deepEqual(chooseCheckpointFiles('m', all.slice(3)), {
    kind: 'sharded',
    index: 'pytorch_model.bin.index.json',
  })
  assert.deepEqual(chooseCheckpointFiles('m', all.slice(4)), { kind: 'file', file: 'x.gguf' })
})

test('a folder without a checkpoint says what was looked for and what is there', () => {
  const choose =
    (...names: string[]) =>
    () =>
      chooseCheckpointFiles('m', names)
  assert.throws(choose(), /expected model\.safetensors, .* or a \.gguf file in m, it has no files;/)
  assert.throws(choose('adapter_config.json'), /it is a LoRA adapter/)
  assert.throws(choose('config.json', 'mm_projector.bin'), /it is a projector/)
  assert.throws(choose('a.gguf', 'b.gguf'), /there are 2 \(a\.gguf, b\.gguf\); give the path/)
})

test('no such path and an unknown kind of file are errors', () => {
  rejects(join(folder, 'nowhere'), 'CHECKPOINT_UNREADABLE', /nowhere/)
  const other = join(folder, 'weights.onnx')
  writeFileSync(other, 'x')
  rejects(other, 'CHECKPOINT_FORMAT', /ends with \.safetensors, \.bin/)
})

test('a file opens by its path', () => {
  assert.equal(openWeightFile('fixtures/weights/types.gguf').tensors.size, 9)
  assert.equal(
    openCheckpoint('fixtures/weights/torch.safetensors').tensors.size,
    openCheckpoint('fixtures/weights/torch.bin').tensors.size,
  )
})

for (const map of [true, false]) {
  test(`a file of more than 4 GiB is read at its end, ${map ? 'mapped' : 'plain'}`, () => {
    const path = join(folder, 'large.safetensors')
    const body = 2 ** 32 + 2 ** 20
    const entry = (dtype: string, size: number, data_offsets: number[]) => ({
      dtype,
      shape: [size],
      data_offsets,
    })
    const json = JSON.stringify({
      body: entry('U8', body, [0, body]),
      tail: entry('F32', 2, [body, body + 8]),
    }).padEnd(248)
    const header = Buffer.alloc(256, json, 'latin1')
    header.copyWithin(8, 0, 248)
    header.writeBigUInt64LE(248n, 0)
    writeFileSync(path, header)
    truncateSync(path, 256 + body + 8) // a hole: nothing is stored
    const source = readSafetensors(openFileBytes(path, { map }))
    assert.deepEqual([...source.read('tail').data], [0, 0])
    assert.equal(source.tensors.get('body')?.shape[0], body)
    source.close()
    rmSync(path)
  })
}
