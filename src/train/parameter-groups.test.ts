/** Rates and decay by name, as the recordings' optimizer groups have them. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { next } from '../families/next.ts'
import { parameterPath } from '../families/parameter-names.ts'
import { isDecayed, partOf, ratesOf } from './parameter-groups.ts'

const ROOT = join(process.env['LLAVA_FIXTURES'] ?? 'fixtures', 'training')

type Recorded = {
  readonly hyperparameters: {
    readonly lr: number
    readonly projector_lr?: number
    readonly vision_tower_lr?: number
    readonly weight_decay: number
  }
  readonly groups?: readonly Group[]
  readonly variants?: Readonly<Record<string, { readonly groups: readonly Group[] }>>
}
type Group = {
  readonly lr: number
  readonly weight_decay: number
  readonly params: readonly string[]
}

for (const name of ['stage1', 'stage2', 'full', 'resume', 'dpo']) {
  const path = join(ROOT, name, 'expected.json')
  if (!existsSync(path)) continue
  test(`${name}: every parameter has the rate and decay of its recorded group`, () => {
    const recorded = JSON.parse(readFileSync(path, 'utf8')) as Recorded
    const {
      lr,
      projector_lr: projector,
      vision_tower_lr: vision,
      weight_decay,
    } = recorded.hyperparameters
    const rates = {
      learningRate: lr,
      learningRates: {
        ...(projector !== undefined && { projector }),
        ...(vision !== undefined && { vision }),
      },
      weightDecay: weight_decay,
    }
    const groups =
      recorded.groups ?? Object.values(recorded.variants ?? {}).flatMap((run) => run.groups)
    assert.ok(groups.length > 0)
    for (const group of groups) {
      for (const param of group.params) {
        const ours = parameterPath(next.parameterNames, param)
        if (!ours) continue
        const expected = { learningRate: group.lr, weightDecay: group.weight_decay }
        assert.deepEqual(ratesOf(ours, rates), expected, param)
      }
    }
  })
}

test('the newline row has the rate that the decoder is given', () => {
  const rates = { learningRate: 1, learningRates: { decoder: 2 }, weightDecay: 0 }
  assert.equal(ratesOf('imageNewline', rates).learningRate, 2)
  const own = { ...rates, learningRates: { decoder: 2, imageNewline: 3 } }
  assert.equal(ratesOf('imageNewline', own).learningRate, 3)
  assert.equal(ratesOf('imageNewline', { ...rates, learningRates: {} }).learningRate, 1)
})

test('norms and biases do not decay; embeddings, newline, class token and adapters do', () => {
  const decayed = [
    'decoder.embedTokens.weight',
    'decoder.head.weight',
    'imageNewline',
    'vision.classEmbedding',
    'vision.positionEmbedding.weight',
    'decoder.layers.0.attention.q.lora.a',
    'projector.layers.0.weight',
  ]
  const undecayed = [
    'decoder.norm.weight',
    'decoder.layers.3.attentionNorm.weight',
    'vision.preNorm.weight',
    'vision.layers.0.mlpNorm.bias',
    'vision.layers.0.mlp.up.bias',
    'decoder.layers.0.attention.k.bias',
  ]
  for (const path of decayed) assert.ok(isDecayed(path), path)
  for (const path of undecayed) assert.ok(!isDecayed(path), path)
  assert.equal(partOf('imageNewline'), 'imageNewline')
  assert.equal(partOf('vision.layers.0.mlp.up.bias'), 'vision')
})
