import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

import type { WrittenGgmlType } from './ggml-quantize.ts'
import { writeGguf, type GgufTensorPlan } from './gguf-writer.ts'
import { openGguf, openWeightFile } from './open-checkpoint.ts'

const folder = mkdtempSync(join(tmpdir(), 'weights-gguf-'))
after(() => rmSync(folder, { recursive: true }))

const TYPES: readonly WrittenGgmlType[] = ['F32', 'F16', 'Q8_0', 'Q4_0']

test('blocks have the bytes that the reference writes', async () => {
  const expected = openWeightFile('fixtures/weights/types.safetensors')
  const path = join(folder, 'types.gguf')
  const plans = TYPES.map((type) => ({ name: `${type}.weight`, type, shape: [3, 64] }))
  await writeGguf(
    path,
    {},
    plans,
    ({ type }) => expected.read(`${type}.before`).data as Float32Array,
  )
  const source = openGguf(path)
  for (const type of TYPES) {
    assert.deepEqual(
      [...source.blocks(`${type}.weight`).bytes],
      [...expected.read(`${type}.stored`).data],
      type,
    )
  }
})

test('metadata and shapes come back', async () => {
  const path = join(folder, 'metadata.gguf')
  const words = Array.from({ length: 200_000 }, (_, i) => `w${i}`)
  const plans: GgufTensorPlan[] = [
    { name: 'a', type: 'F16', shape: [3] },
    { name: 'b', type: 'F32', shape: [2, 1, 3] },
  ]
  await writeGguf(
    path,
    {
      'general.architecture': { type: 'string', value: 'llama' },
      'llama.block_count': { type: 'uint32', value: 4_000_000_000 },
      negative: { type: 'int32', value: -5 },
      eps: { type: 'float32', value: 1e-5 },
      flag: { type: 'bool', value: false },
      words: { type: 'string[]', value: words },
      types: { type: 'int32[]', value: [1, -1] },
      scores: { type: 'float32[]', value: [0.5] },
    },
    plans,
    async ({ shape }) => new Float32Array(shape.length === 1 ? 3 : 6).fill(0.5),
  )
  const source = openGguf(path)
  assert.deepEqual([...source.metadata.keys()].slice(0, 3), [
    'general.architecture',
    'llama.block_count',
    'negative',
  ])
  assert.equal(source.metadata.get('llama.block_count'), 4_000_000_000)
  assert.equal(source.metadata.get('negative'), -5)
  assert.equal(source.metadata.get('eps'), Math.fround(1e-5))
  assert.equal(source.metadata.get('flag'), false)
  assert.deepEqual(source.metadata.get('words'), words)
  assert.deepEqual(source.metadata.get('types'), [1, -1])
  assert.deepEqual(source.metadata.get('scores'), [0.5])
  assert.deepEqual(source.read('b'), {
    dtype: 'float32',
    shape: [2, 1, 3],
    data: new Float32Array(6).fill(0.5),
  })
  source.close()
})

test('rows that do not fill blocks, names given twice and wrong data are refused, and nothing is left', async () => {
  const path = join(folder, 'none.gguf')
  const plan: GgufTensorPlan = { name: 'a', type: 'Q4_0', shape: [2, 48] }
  const zeros = ({ shape }: GgufTensorPlan) =>
    new Float32Array((shape[0] as number) * (shape[1] as number))
  await assert.rejects(writeGguf(path, {}, [plan], zeros), { code: 'SHAPE_BLOCK' })
  const sound = { ...plan, shape: [2, 64] }
  await assert.rejects(writeGguf(path, {}, [sound, sound], zeros), { code: 'CHECKPOINT_DUPLICATE' })
  await assert.rejects(
    writeGguf(path, {}, [sound], () => new Float32Array(64)),
    { code: 'SHAPE_DATA' },
  )
  assert.ok(readdirSync(folder).every((name) => !name.startsWith('none')))
})
