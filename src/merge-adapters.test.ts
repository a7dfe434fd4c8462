/** An adapter trained under one version of transformers and a base written by another: the same weights either way. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { hostTensor, toFloat32, type HostTensor } from './core/tensor.ts'
import { familyOf } from './families/index.ts'
import { TOWER_EXTRAS, VISION_NAMES, type NameRule } from './families/parameter-names.ts'
import { mergeAdapters } from './merge-adapters.ts'
import type { WeightSource } from './weights/index.ts'
import { writeTinyAdapter } from '../test/tiny/adapter.ts'
import { tinyConfig, tinyWeights, type TinyCheckpoint } from '../test/tiny/checkpoint.ts'
import { LLAVA_CLIP, LLAVA_SIGLIP, MINI } from '../test/tiny/checkpoints.ts'
import { tensorName, type NameSet } from '../test/tiny/tensor-names.ts'

const root = mkdtempSync(join(tmpdir(), 'llava-adapters-'))
const opened: WeightSource[] = []
const closeLater = (source: WeightSource) => opened.push(source)
after(() => {
  opened.forEach((source) => source.close())
  rmSync(root, { recursive: true })
})

const SETS = ['hub', '4.52', '5-memory', '5-saved', 'original'] as const
type Tower = 'clip' | 'siglip' | 'vit'

/** What is adapted: matrices of every part, and something that nothing reads. */
const ADAPTED = [
  'decoder.layers.1.attention.q.weight',
  'decoder.layers.0.mlp.down.weight',
  'vision.layers.0.attention.v.weight',
  'vision.layers.1.attention.o.weight',
  'vision.layers.1.mlp.up.weight',
  'projector.layers.1.weight',
]

function sourceOf(tensors: ReadonlyMap<string, HostTensor>): WeightSource {
  return {
    tensors: new Map([...tensors].map(([name, tensor]) => [name, { ...tensor, file: 'base' }])),
    read: (name) => tensors.get(name) ?? assert.fail(name),
    close() {},
  }
}

/** B of ones and A of `value`: the weight gains 2 · value everywhere. */
function writeAdapter(folder: string, matrices: Map<string, readonly number[]>, value: number) {
  return writeTinyAdapter(folder, matrices, (side) => (side === 'A' ? value : 1))
}

function namedWeights(checkpoint: TinyCheckpoint, set: NameSet, part = '') {
  const config = tinyConfig(checkpoint)
  const tower = config.vision?.kind as Tower
  const named = [...tinyWeights(config)].filter(([path]) => path.startsWith(part))
  return new Map(named.map(([path, tensor]) => [tensorName(set, path, tower), tensor]))
}

function adaptedShapes(checkpoint: TinyCheckpoint, set: NameSet): Map<string, readonly number[]> {
  const config = tinyConfig(checkpoint)
  const weights = tinyWeights(config)
  const tower = config.vision?.kind as Tower
  return new Map(
    ADAPTED.map((path) => [tensorName(set, path, tower), weights.get(path)?.shape ?? []]),
  )
}

function rulesOf({ name, config }: TinyCheckpoint): readonly NameRule[] {
  return familyOf({ name, files: new Map([['config.json', config]]) }).parameterNames
}

for (const checkpoint of [LLAVA_CLIP, LLAVA_SIGLIP, MINI]) {
  describe(checkpoint.name, () => {
    const tower = tinyConfig(checkpoint).vision?.kind as Tower
    const rules = rulesOf(checkpoint)
    const weights = tinyWeights(tinyConfig(checkpoint))
    for (const trained of SETS) {
      test(`an adapter in the names of ${trained} fits a base in any`, async () => {
        const folder = join(root, `${tower}-${trained}`)
        await writeAdapter(folder, adaptedShapes(checkpoint, trained), 0.25)
        for (const set of SETS) {
          const kept: WeightSource[] = []
          const base = { source: sourceOf(namedWeights(checkpoint, set)), rules }
          const [part] = mergeAdapters([base], [folder], (source) => kept.push(source))
          for (const [path, { data }] of weights) {
            const merged = toFloat32(part!.source.read(tensorName(set, path, tower)))
            const gain = ADAPTED.includes(path) ? 2 * 0.25 : 0
            const expected = Float32Array.from(data as Float32Array, (value) => value + gain)
            assert.deepEqual(merged, expected, `${path} in ${set}`)
          }
          kept.forEach(closeLater)
          assert.equal(kept.length, 1)
        }
      })
    }
  })
}

test('matrices that nothing reads are found under other wrappers too', async () => {
  const shape = [3, 4]
  const pooler = hostTensor('float32', shape, new Float32Array(12))
  const base = sourceOf(new Map([['vision_tower.pooler.dense.weight', pooler]]))
  const adapter = join(root, 'pooler')
  await writeAdapter(adapter, new Map([['model.vision_tower.pooler.dense.weight', shape]]), 1)
  const part = { source: base, rules: rulesOf(MINI) }
  const [merged] = mergeAdapters([part], [adapter], closeLater)
  assert.deepEqual(
    toFloat32(merged!.source.read('vision_tower.pooler.dense.weight')),
    new Float32Array(12).fill(2),
  )
})

test('a tower that lies apart takes its share of an adapter; what no part has is named', async () => {
  const folder = await writeAdapter(join(root, 'apart'), adaptedShapes(LLAVA_CLIP, '4.52'), 0.5)
  const towerWeights = namedWeights(LLAVA_CLIP, 'original-apart', 'vision.')
  const tower = { source: sourceOf(towerWeights), rules: [...VISION_NAMES, ...TOWER_EXTRAS] }
  const text = namedWeights(LLAVA_CLIP, 'original', 'decoder.')
  const projector = namedWeights(LLAVA_CLIP, 'original', 'projector.')
  const rules = rulesOf(LLAVA_CLIP)
  const main = { source: sourceOf(new Map([...text, ...projector])), rules }
  const parts = mergeAdapters([tower, main], [folder], closeLater)
  const name = 'vision_model.encoder.layers.1.mlp.fc1.weight'
  const before = toFloat32(towerWeights.get(name)!)
  assert.deepEqual(
    toFloat32(parts[0]!.source.read(name)),
    before.map((value) => value + 1),
  )
  assert.throws(() => mergeAdapters([main], [folder], closeLater), {
    code: 'CHECKPOINT_ADAPTER',
    message: /vision_tower\.\S+, which the base does not have/,
  })
})
