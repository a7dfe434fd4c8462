import assert from 'node:assert/strict'
import { test } from 'node:test'
import { llava } from '../llava.ts'
import { parameterPath } from '../parameter-names.ts'
import { llavaHfName, memoryName, originalName, towerName } from './target-names.ts'

const DECODER = [
  'decoder.embedTokens.weight',
  'decoder.norm.weight',
  'decoder.head.weight',
  'decoder.layers.12.attentionNorm.weight',
  'decoder.layers.12.mlpNorm.weight',
  ...['q', 'k', 'v', 'o'].map((part) => `decoder.layers.12.attention.${part}.weight`),
  'decoder.layers.0.attention.q.bias',
  'decoder.layers.0.mlp.gate.bias',
  ...['gate', 'up', 'down'].map((part) => `decoder.layers.3.mlp.${part}.weight`),
]
const PROJECTOR = ['projector.layers.0.weight', 'projector.layers.1.bias']
const VISION = [
  'vision.classEmbedding',
  'vision.patchEmbedding.weight',
  'vision.patchEmbedding.bias',
  'vision.positionEmbedding.weight',
  'vision.layers.5.attentionNorm.bias',
  'vision.layers.5.mlpNorm.weight',
  ...['q', 'k', 'v', 'o'].map((part) => `vision.layers.5.attention.${part}.bias`),
  ...['up', 'down'].map((part) => `vision.layers.5.mlp.${part}.weight`),
]

test('a name that is written is read as the path it was written for', () => {
  const read = (name: string) => parameterPath(llava.parameterNames, name)
  for (const kind of ['clip', 'siglip', 'vit'] as const) {
    for (const path of [...DECODER, ...PROJECTOR, ...VISION]) {
      assert.equal(read(llavaHfName(path, kind)), path, llavaHfName(path, kind))
      assert.equal(read(memoryName(path, kind)), path, memoryName(path, kind))
    }
    for (const path of VISION) assert.equal(read(towerName(path, kind)), path)
  }
  assert.equal(read(llavaHfName('vision.preNorm.bias', 'clip')), 'vision.preNorm.bias')
  for (const path of [...DECODER, ...PROJECTOR]) assert.equal(read(originalName(path, 2)), path)
  assert.equal(originalName('projector.layers.0.bias', 1), 'model.mm_projector.bias')
})
