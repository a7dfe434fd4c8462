import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostTensor } from '../core/tensor.ts'
import type { TensorInfo, WeightSource } from '../weights/source.ts'
import { isTimmVit, timmVitSource } from './timm-vit.ts'
import { parameterPath, TOWER_EXTRAS, VISION_NAMES } from './parameter-names.ts'

const SHAPES: Readonly<Record<string, readonly number[]>> = {
  cls_token: [1, 1, 4],
  pos_embed: [1, 5, 4],
  'patch_embed.proj.weight': [4, 3, 2, 2],
  'patch_embed.proj.bias': [4],
  'blocks.0.norm1.weight': [4],
  'blocks.0.attn.qkv.weight': [12, 4],
  'blocks.0.attn.qkv.bias': [12],
  'blocks.0.attn.proj.weight': [4, 4],
  'blocks.0.norm2.bias': [4],
  'blocks.0.mlp.fc1.weight': [8, 4],
  'blocks.0.mlp.fc2.bias': [4],
  'norm.weight': [4],
  'head.bias': [10],
}

function source(): WeightSource & { released: string[] } {
  const released: string[] = []
  return {
    released,
    tensors: new Map(
      Object.entries(SHAPES).map(([name, shape]): [string, TensorInfo] => [
        name,
        { dtype: 'float32', shape, file: 'model.safetensors' },
      ]),
    ),
    read(name) {
      const shape = SHAPES[name]!
      const count = shape.reduce((a, b) => a * b, 1)
      return hostTensor(
        'float32',
        shape,
        Float32Array.from({ length: count }, (_, i) => i),
      )
    },
    release: (name) => void released.push(name),
    close() {},
  }
}

test('every name leads to a parameter, or to one that nothing reads', () => {
  const rules = [...VISION_NAMES, ...TOWER_EXTRAS]
  const paths = [...timmVitSource(source()).tensors.keys()].map((name) =>
    parameterPath(rules, name),
  )
  assert.ok(!paths.includes(undefined), String(paths))
  assert.deepEqual(
    paths.filter((path) => path?.includes('attention.')).sort(),
    ['q', 'k', 'v']
      .flatMap((part) => [
        `vision.layers.0.attention.${part}.bias`,
        `vision.layers.0.attention.${part}.weight`,
      ])
      .concat('vision.layers.0.attention.o.weight')
      .sort(),
  )
  assert.ok(isTimmVit(source()))
})

test('queries, keys and values are thirds of the rows', () => {
  const vit = timmVitSource(source())
  const first = (part: string, kind: string) => vit.read(`layers.0.attention.${part}_proj.${kind}`)
  assert.deepEqual(
    ['q', 'k', 'v'].map((part) => [first(part, 'weight').shape, first(part, 'weight').data[0]]),
    [0, 16, 32].map((value) => [[4, 4], value]),
  )
  assert.deepEqual([...first('k', 'bias').data], [4, 5, 6, 7])
  assert.deepEqual(vit.tensors.get('layers.0.attention.v_proj.weight')?.shape, [4, 4])
})

test('what is not fused is read and released under its own name', () => {
  const original = source()
  const vit = timmVitSource(original)
  assert.deepEqual(vit.read('embeddings.cls_token').shape, [1, 1, 4])
  vit.release?.('layers.0.attention.q_proj.weight')
  assert.deepEqual(original.released, ['blocks.0.attn.qkv.weight'])
})
