import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Rng } from '../core/rng.ts'
import { toFloat32 } from '../core/tensor.ts'
import { BLOCK_TYPES, encodeBlocks, type BlockType } from './block-search.ts'
import { openCheckpoint, openStored } from './open-checkpoint.ts'
import { writeShardedSafetensors, type TensorPlan } from './safetensors-writer.ts'
import { fitsBlocks, ownName, storedPlan } from './stored-blocks.ts'
import { rowsInto, tensorRows } from './tensor-rows.ts'

const folder = mkdtempSync(join(tmpdir(), 'llava-ts-'))
after(() => rmSync(folder, { recursive: true }))

const rng = new Rng(5)
const draw = (count: number) => Float32Array.from({ length: count }, () => rng.normal())

/** Largest distance of a value of 32 normal ones from what it is stored as. */
const ERRORS: { readonly [T in BlockType]: number } = {
  Q4_0: 0.4,
  Q4_1: 0.4,
  Q5_0: 0.2,
  Q5_1: 0.2,
  Q8_0: 0.02,
}

async function write(name: string, tensors: ReadonlyMap<TensorPlan, Uint8Array | Float32Array>) {
  const path = join(folder, name)
  mkdirSync(path)
  const plans = [...tensors.keys()]
  await writeShardedSafetensors(path, plans, (plan) => tensors.get(plan)!, { maxShardBytes: 4000 })
  return path
}

for (const type of BLOCK_TYPES) {
  test(`${type}: a matrix comes back under its own name, whole, by rows and in place`, async () => {
    const wide = draw(48 * 64)
    const narrow = draw(16 * 10)
    const [wideBytes, narrowBytes] = [encodeBlocks(type, wide), encodeBlocks(type, narrow)]
    const plain = { name: 'bias', dtype: 'float32', shape: [3] } as const
    const path = await write(
      type,
      new Map<TensorPlan, Uint8Array | Float32Array>([
        [storedPlan('wide.weight', [48, 64], type), wideBytes],
        [storedPlan('narrow.weight', [10, 16], type), narrowBytes],
        [plain, Float32Array.of(1, 2, 3)],
      ]),
    )
    const source = openCheckpoint(path)
    try {
      assert.deepEqual([...source.tensors.keys()].sort(), ['bias', 'narrow.weight', 'wide.weight'])
      for (const [name, values, shape] of [
        ['wide.weight', wide, [48, 64]],
        ['narrow.weight', narrow, [10, 16]],
      ] as const) {
        const tensor = source.read(name)
        assert.deepEqual(tensor.shape, shape)
        assert.equal(tensor.dtype, 'float32')
        tensor.data.forEach((value, i) =>
          assert.ok(Math.abs(Number(value) - values[i]!) <= ERRORS[type], `${name}[${i}]`),
        )
        const width = shape[1]
        const rows = tensorRows(source, name, 3, 6)
        const part = (tensor.data as Float32Array).subarray(3 * width, 6 * width)
        assert.deepEqual(rows.shape, [3, width])
        assert.deepEqual(toFloat32(rows), part.slice())
        const into = new Float32Array(3 * width)
        rowsInto(source, name, 3, into)
        assert.deepEqual(into, part.slice())
      }
      assert.deepEqual(toFloat32(source.read('bias')).slice(), Float32Array.of(1, 2, 3))
    } finally {
      source.close()
    }
  })
}

test('the stored form of a folder is its bytes', async () => {
  const bytes = encodeBlocks('Q4_1', draw(64))
  const plan = storedPlan('w', [2, 32], 'Q4_1')
  const path = await write('bytes', new Map([[plan, bytes]]))
  const source = openStored(path)
  const [[name, info]] = [...source.tensors] as [[string, typeof plan & { file: string }]]
  assert.equal(name, 'w.Q4_1')
  assert.equal(ownName(name, info), 'w')
  assert.deepEqual([...(source.read(name).data as Uint8Array)], [...bytes])
  source.close()
})

test('bytes that are no whole blocks, and other dtypes, stay what they are', async () => {
  const plan = { name: 'x.Q4_1', dtype: 'uint8', shape: [2, 19] } as const
  const float = { name: 'y.Q4_1', dtype: 'float32', shape: [1, 20] } as const
  const path = await write(
    'others',
    new Map<TensorPlan, Uint8Array | Float32Array>([
      [plan, new Uint8Array(38)],
      [float, new Float32Array(20)],
    ]),
  )
  const source = openCheckpoint(path)
  assert.deepEqual([...source.tensors.keys()], ['x.Q4_1', 'y.Q4_1'])
  source.close()
})

test('a tensor in two forms is refused', async () => {
  const path = await write(
    'twice',
    new Map<TensorPlan, Uint8Array | Float32Array>([
      [storedPlan('w', [1, 32], 'Q8_0'), new Uint8Array(34)],
      [{ name: 'w', dtype: 'float32', shape: [1, 32] }, new Float32Array(32)],
    ]),
  )
  assert.throws(() => openCheckpoint(path), { code: 'CHECKPOINT_DUPLICATE' })
})

test('matrices that fill no whole blocks are not stored so', () => {
  assert.ok(fitsBlocks([4, 16]))
  assert.ok(!fitsBlocks([3, 7]))
  assert.ok(!fitsBlocks([64]))
  assert.ok(!fitsBlocks([2, 4, 16]))
})
