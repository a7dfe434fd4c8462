import assert from 'node:assert/strict'
import { test } from 'node:test'

import { CheckpointError } from '../core/errors.ts'
import { matchTensors } from './match-tensors.ts'
import type { TensorInfo, WeightSource } from './source.ts'

function sourceOf(tensors: Record<string, Partial<TensorInfo>>): WeightSource {
  const entries = Object.entries(tensors).map(
    ([name, info]) =>
      [name, { dtype: 'float16', shape: [2], file: 'm.safetensors', ...info }] as const,
  )
  return { tensors: new Map(entries), read: () => assert.fail('nothing is read'), close() {} }
}

test('a source that has exactly the expected tensors passes', () => {
  matchTensors(sourceOf({ a: {}, b: { shape: [2, 3], dtype: 'bfloat16' } }), [
    { name: 'b', shape: [2, 3] },
    { name: 'a', shape: [2] },
  ])
})

test('missing, misshapen, wrongly typed and extra tensors come in one error with shapes and nearest names', () => {
  const source = sourceOf({
    'layers.0.attn.q.weight': { shape: [4, 4] },
    'layers.0.attn.k.weigth': { shape: [4, 4] },
    'layers.0.attn.v.weight': { shape: [2, 4] },
    'layers.0.norm.weight': { dtype: 'int64' },
  })
  const expected = ['q', 'k', 'v'].map((part) => ({
    name: `layers.0.attn.${part}.weight`,
    shape: [4, 4],
  }))
  assert.throws(
    () => matchTensors(source, [...expected, { name: 'layers.0.norm.weight', shape: [2] }]),
    (error) => {
      assert.ok(error instanceof CheckpointError)
      assert.equal(error.code, 'CHECKPOINT_MISMATCH')
      assert.deepEqual(error.message.split('\n').slice(1), [
        '  missing: layers.0.attn.k.weight [4,4]; the nearest name is layers.0.attn.k.weigth',
        '  layers.0.attn.v.weight should be float16[4,4] but m.safetensors has float16[2,4]',
        '  layers.0.norm.weight should be float32[2] but m.safetensors has int64[2]',
        '  extra: layers.0.attn.k.weigth float16[4,4] in m.safetensors; the nearest name is layers.0.attn.k.weight',
      ])
      return true
    },
  )
})

test('optional tensors may be missing and ignored names may be there', () => {
  matchTensors(
    sourceOf({ a: {}, 'rotary.inv_freq': { dtype: 'float32' } }),
    [
      { name: 'a', shape: [2] },
      { name: 'bias', shape: [2] },
    ],
    {
      optional: (name) => name === 'bias',
      ignored: (name) => name.endsWith('inv_freq'),
    },
  )
  assert.throws(
    () =>
      matchTensors(sourceOf({ bias: { shape: [3] } }), [{ name: 'bias', shape: [2] }], {
        optional: () => true,
      }),
    /bias should be/,
  )
})

test('a wholly different checkpoint is answered shortly and in good time', () => {
  const layers = Array.from({ length: 3000 }, (_, i) => i)
  const source = sourceOf(
    Object.fromEntries(
      layers.map((i) => [`model.vision_tower.layers.${i}.attention.query.weight`, {}]),
    ),
  )
  const expected = layers.map((i) => ({
    name: `language_model.model.layers.${i}.self_attn.q_proj.weight`,
    shape: [2],
  }))
  const before = process.cpuUsage() // not the clock: other tests run at the same time
  assert.throws(() => matchTensors(source, expected), /6000 faults came[^]*and 5980 more$/)
  assert.ok(process.cpuUsage(before).user < 5e6)
})
