/** An adapter trained under one version of transformers and a base written by another: the same weights either way. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { hostTensor, toFloat32, type HostTensor } from './core/tensor.ts'
import { familyOf } from './families/index.ts'
import {
  parameterPath,
  TOWER_EXTRAS,
  VISION_NAMES,
  type NameRule,
} from './families/parameter-names.ts'
import { loadModel } from './index.ts'
import { openParts } from './load-checkpoint.ts'
import { mergeAdapters } from './merge-adapters.ts'
import { openWeightFile, writeSafetensors, type WeightSource } from './weights/index.ts'
import { writeTinyAdapter } from '../test/tiny/adapter.ts'
import {
  tinyConfig,
  tinyWeights,
  writeTinyCheckpoint,
  type TinyCheckpoint,
} from '../test/tiny/checkpoint.ts'
import { LLAVA_CLIP, LLAVA_SIGLIP, MINI, TEXT_ONLY } from '../test/tiny/checkpoints.ts'
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
          const [part] = mergeAdapters([base], [folder], {
            keep: (source) => kept.push(source),
            isTied: false,
          })
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
  const [merged] = mergeAdapters([part], [adapter], { keep: closeLater, isTied: false })
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
  const parts = mergeAdapters([tower, main], [folder], { keep: closeLater, isTied: false })
  const name = 'vision_model.encoder.layers.1.mlp.fc1.weight'
  const before = toFloat32(towerWeights.get(name)!)
  assert.deepEqual(
    toFloat32(parts[0]!.source.read(name)),
    before.map((value) => value + 1),
  )
  assert.throws(() => mergeAdapters([main], [folder], { keep: closeLater, isTied: false }), {
    code: 'CHECKPOINT_ADAPTER',
    message: /vision_tower\.\S+, which the base does not have/,
  })
})

describe('an adapter over a head that is the embedding’s matrix', async () => {
  const { folder, weights } = await writeTinyCheckpoint(join(root, 'tied'), TEXT_ONLY)
  const base = toFloat32(weights.get('decoder.embedTokens.weight')!)
  const { shape } = weights.get('decoder.embedTokens.weight')!
  const longer = base.map((value) => value + 1)

  /** Modules trained in full, as PEFT writes them. */
  async function writeSaved(name: string, saved: Readonly<Record<string, Float32Array>>) {
    const path = await writeAdapter(join(root, name), new Map(), 0)
    const plans = Object.keys(saved).map((module) => {
      return { name: `base_model.model.${module}.weight`, dtype: 'float32' as const, shape }
    })
    const data = new Map(plans.map((plan, i) => [plan.name, Object.values(saved)[i]!]))
    await writeSafetensors(join(path, 'adapter_model.safetensors'), plans, ({ name }) =>
      data.get(name)!,
    )
    return path
  }

  /** Embedding and head as the model reads them; null for a head that is the embedding. */
  async function opened(adapter: string) {
    const { config, parts, close } = await openParts(folder, { adapters: [adapter] })
    const read = (path: string) =>
      parts.flatMap(({ source, rules }) =>
        [...source.tensors.keys()]
          .filter((name) => parameterPath(rules, name) === path)
          .map((name) => toFloat32(source.read(name)).slice()),
      )
    const [embedding] = read('decoder.embedTokens.weight')
    const [head] = read('decoder.head.weight')
    close()
    return { embedding, head: config.decoder.tieEmbeddings ? null : head }
  }

  test('which trained the head by LoRA leaves the embedding as it is', async () => {
    const adapter = await writeAdapter(
      join(root, 'head'),
      new Map([['lm_head.weight', shape]]),
      0.5,
    )
    assert.deepEqual(await opened(adapter), { embedding: base, head: longer })
  })

  test('which trained the embedding by LoRA leaves the head as it is, as with PEFT', () => {
    const recorded = 'fixtures/lora/embedding'
    const source = openWeightFile(`${recorded}/base.safetensors`)
    const adapted = openWeightFile(`${recorded}/adapted.safetensors`)
    closeLater(adapted)
    const whole = [{ source, rules: rulesOf(TEXT_ONLY) }]
    const parts = mergeAdapters(whole, [`${recorded}/adapter`], {
      keep: closeLater,
      isTied: true,
    })
    const owner = parts.find((part) => part.source.tensors.has('lm_head.weight'))!.source
    assert.deepEqual(owner.read('lm_head.weight').data, adapted.read('lm_head.weight').data)
    const changed = parts.at(-1)!.source.read('model.embed_tokens.weight')
    assert.notDeepEqual(changed.data, adapted.read('lm_head.weight').data)
  })

  test('which trained one of them in full leaves the other as it is', async () => {
    const head = await writeSaved('saved-head', { lm_head: longer })
    assert.deepEqual(await opened(head), { embedding: base, head: longer })
    const embedding = await writeSaved('saved-embedding', { 'model.embed_tokens': longer })
    assert.deepEqual(await opened(embedding), { embedding: longer, head: base })
  })

  test('which holds equal copies of both keeps them one', async () => {
    const both = await writeSaved('both', { lm_head: longer, 'model.embed_tokens': longer })
    assert.deepEqual(await opened(both), { embedding: longer, head: null })
  })

  test('answers, quantised too', async () => {
    for (const precision of ['f32', 'int8'] as const) {
      await using model = await loadModel(folder, { adapters: [join(root, 'head')], precision })
      assert.equal((await model.generate({ prompt: 'Hi', maxTokens: 2 })).tokens.length, 2)
    }
  })
})
