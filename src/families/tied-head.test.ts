import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { float32ToFloat16 } from '../core/dtype.ts'
import { atOnce } from '../core/steps.ts'
import { hostTensor, type HostTensor } from '../core/tensor.ts'
import { EMBEDDING } from '../decoder/decoder.ts'
import type { WeightSource } from '../weights/index.ts'
import type { ModelConfig } from './family.ts'
import type { WeightPart } from './parameter-map.ts'
import { DECODER_NAMES, parameterPath } from './parameter-names.ts'
import { tiedHeadSteps } from './tied-head.ts'

const HEAD_NAMES = ['lm_head.weight', 'language_model.lm_head.weight']
const EMBEDDING_NAMES = [
  'model.embed_tokens.weight',
  'language_model.model.embed_tokens.weight',
  'model.language_model.embed_tokens.weight',
]
const VALUES = Float32Array.from({ length: 3000 }, (_, i) => (i % 1000) / 8)
const MATRIX = hostTensor('float32', [1500, 2], VALUES)
const OTHER = hostTensor('float32', [1500, 2], VALUES.with(2999, -1))
const HALF = hostTensor('float16', [1500, 2], float32ToFloat16(VALUES))

function part(tensors: Readonly<Record<string, HostTensor>>): WeightPart {
  const source: WeightSource = {
    tensors: new Map(Object.entries(tensors).map(([k, v]) => [k, { ...v, file: 'a.safetensors' }])),
    read: (name) => tensors[name]!,
    close() {},
  }
  return { source, rules: DECODER_NAMES }
}

function resolve(parts: readonly WeightPart[], isTied = true) {
  const decoder = { tieEmbeddings: isTied } as ModelConfig['decoder']
  return atOnce(tiedHeadSteps({ config: { decoder } as ModelConfig, parts }))
}

describe('a tied head', () => {
  for (const head of HEAD_NAMES) {
    for (const embedding of EMBEDDING_NAMES) {
      test(`${head} and ${embedding} that are equal stay one, in whatever form they are stored`, () => {
        for (const stored of [MATRIX, HALF]) {
          const { config } = resolve([part({ [embedding]: MATRIX, [head]: stored })])
          assert.equal(config.decoder.tieEmbeddings, true)
        }
      })

      test(`${head} and ${embedding} that differ in one number are two`, () => {
        const { config } = resolve([part({ [embedding]: MATRIX, [head]: OTHER })])
        assert.equal(config.decoder.tieEmbeddings, false)
      })
    }

    test(`${head} alone is the embedding`, () => {
      const { config, parts } = resolve([part({ [head]: MATRIX })])
      assert.equal(config.decoder.tieEmbeddings, true)
      assert.equal(parameterPath(parts[0]!.rules, head), EMBEDDING)
    })
  }

  test('later files win', () => {
    const first = part({ 'model.embed_tokens.weight': MATRIX, 'lm_head.weight': MATRIX })
    const { config } = resolve([first, part({ 'lm_head.weight': OTHER })])
    assert.equal(config.decoder.tieEmbeddings, false)
  })

  test('heads of their own are not looked at', () => {
    const parts = [part({ 'lm_head.weight': MATRIX })]
    assert.equal(resolve(parts, false).parts, parts)
  })
})
