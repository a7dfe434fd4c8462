import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

import { allocate, type DType } from '../core/dtype.ts'
import { CheckpointError } from '../core/errors.ts'
import { elementCount } from '../core/shape.ts'
import { openCheckpoint } from './open-checkpoint.ts'
import { openFileBytes } from './node.ts'
import { readSafetensors } from './safetensors.ts'
import { writeSafetensors, writeShardedSafetensors, type TensorPlan } from './safetensors-writer.ts'

const folder = mkdtempSync(join(tmpdir(), 'weights-writer-'))
after(() => rmSync(folder, { recursive: true }))

const DTYPES: readonly DType[] = [
  'float64',
  'float32',
  'float16',
  'bfloat16',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'bool',
]
const plans: TensorPlan[] = [
  ...DTYPES.map((dtype) => ({ name: `of ${dtype} "quoted" ü`, dtype, shape: [3, 2] })),
  { name: '7', dtype: 'float32', shape: [] },
  { name: '__proto__', dtype: 'int8', shape: [0] },
]

function elements(plan: TensorPlan) {
  const data = allocate(plan.dtype, elementCount(plan.shape))
  const bytes = new Uint8Array(data.buffer)
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 7 + plan.name.length) & 0x7f
  return data
}

test('what is written is read back: names, order, shapes, bytes, metadata', async () => {
  const path = join(folder, 'all.safetensors')
  await writeSafetensors(path, plans, elements, { metadata: { format: 'pt' } })
  const source = readSafetensors(openFileBytes(path))
  assert.deepEqual(
    [...source.tensors.keys()],
    plans.map(({ name }) => name),
  )
  assert.deepEqual([...source.metadata], [['format', 'pt']])
  for (const plan of plans) {
    const { dtype, shape, data } = source.read(plan.name)
    assert.deepEqual({ name: plan.name, dtype, shape, data }, { ...plan, data: elements(plan) })
  }
  source.close()
})

test('the same tensors give the same bytes, and nothing else is left in the folder', async () => {
  const at = join(folder, 'twice')
  mkdirSync(at)
  await writeSafetensors(join(at, 'a.safetensors'), plans, elements)
  await writeSafetensors(join(at, 'a.safetensors'), plans, elements)
  await writeSafetensors(join(at, 'b.safetensors'), plans, async (plan) => elements(plan))
  assert.deepEqual(readFileSync(join(at, 'a.safetensors')), readFileSync(join(at, 'b.safetensors')))
  assert.deepEqual(readdirSync(at), ['a.safetensors', 'b.safetensors'])
})

test('a failing producer leaves the old file as it was and no other', async () => {
  const at = join(folder, 'failing')
  mkdirSync(at)
  writeFileSync(join(at, 'model.safetensors'), 'old')
  const fail = () => {
    throw new Error('producer')
  }
  await assert.rejects(writeSafetensors(join(at, 'model.safetensors'), plans, fail), /producer/)
  await assert.rejects(
    writeSafetensors(join(at, 'model.safetensors'), plans, () => new Int8Array(5)),
    {
      code: 'SHAPE_DATA',
    },
  )
  assert.deepEqual(readdirSync(at), ['model.safetensors'])
  assert.equal(readFileSync(join(at, 'model.safetensors'), 'utf8'), 'old')
})

test('a folder that is not there and a name given twice are errors', async () => {
  await assert.rejects(writeSafetensors(join(folder, 'none', 'x.safetensors'), plans, elements), {
    code: 'CHECKPOINT_UNWRITABLE',
  })
  const [first] = plans as [TensorPlan]
  await assert.rejects(
    writeSafetensors(join(folder, 'x.safetensors'), [first, first], elements),
    CheckpointError,
  )
})

test('two writers of the same file at once leave one whole file', async () => {
  const path = join(folder, 'raced.safetensors')
  await Promise.all(Array.from({ length: 8 }, () => writeSafetensors(path, plans, elements)))
  assert.equal(readSafetensors(openFileBytes(path)).tensors.size, plans.length)
})

test(
  'a full disk is named, and leaves nothing behind',
  { skip: process.platform === 'win32' ? 'needs ulimit' : false },
  () => {
    const at = join(folder, 'full')
    mkdirSync(at)
    const writer = JSON.stringify(new URL('./safetensors-writer.js', import.meta.url).href)
    const script = `
    const { writeSafetensors } = await import(${writer})
    const plans = [{ name: 'a', dtype: 'int8', shape: [5000000] }]
    await writeSafetensors(process.argv[1], plans, () => new Int8Array(5000000)).catch((error) => {
      process.stdout.write(error.code + ' ' + error.message)
    })`
    // A limit on the size of files stands for the full disk: the same call fails at the same place.
    const command = 'ulimit -f 2000 && exec "$0" --input-type=module -e "$1" "$2"'
    const child = spawnSync(
      'sh',
      ['-c', command, process.execPath, script, join(at, 'x.safetensors')],
      { encoding: 'utf8' },
    )
    assert.match(
      child.stdout,
      /^CHECKPOINT_DISK_FULL weights: expected room for .*x\.safetensors/,
      child.stderr,
    )
    assert.deepEqual(readdirSync(at), [])
  },
)

test('shards are cut at the limit and open as one checkpoint', async () => {
  const at = join(folder, 'sharded')
  mkdirSync(at)
  const written = await writeShardedSafetensors(at, plans, elements, { maxShardBytes: 60 })
  assert.ok(written.length > 3)
  assert.deepEqual(readdirSync(at), written.toSorted())
  const source = openCheckpoint(at)
  for (const plan of plans) assert.deepEqual(source.read(plan.name).data, elements(plan))
  source.close()
  rmSync(join(at, 'model-00002-of-00005.safetensors'))
  assert.throws(
    () => openCheckpoint(at),
    /names model-00002-of-00005\.safetensors, not in .*; download/,
  )
})

test('one shard is one file, and shards are not written beside a file that would hide them', async () => {
  const at = join(folder, 'single')
  mkdirSync(at)
  assert.deepEqual(await writeShardedSafetensors(at, plans, elements), ['model.safetensors'])
  await assert.rejects(writeShardedSafetensors(at, plans, elements, { maxShardBytes: 60 }), {
    code: 'CHECKPOINT_IN_THE_WAY',
  })
})
