import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JsonReader } from './json-reader.ts'
import { parseOriginalDecoder } from './original-decoder.ts'

const SIZES = {
  hidden_size: 32,
  intermediate_size: 64,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  num_hidden_layers: 2,
  vocab_size: 512,
  max_position_embeddings: 32768,
}

function parse(config: object) {
  return parseOriginalDecoder(new JsonReader('config.json', { ...SIZES, ...config }))
}

test('only the Llama class obeys rope_scaling', () => {
  const rope_scaling = { type: 'linear', factor: 2 }
  const factorOf = (model_type: string) => parse({ model_type, rope_scaling }).rope.factor
  assert.equal(factorOf('llava_llama'), 2)
  assert.equal(factorOf('llava_mistral'), 1)
  assert.equal(factorOf('llava_qwen'), 1)
})

test('Mistral has no window but one that came from transformers, whatever its config says', () => {
  for (const config of [{}, { sliding_window: 300 }, { sliding_window: null }]) {
    const { attention } = parse({ model_type: 'llava_mistral', ...config })
    assert.equal(attention.slidingWindow, null)
  }
  const converted = { model_type: 'llava_mistral', sliding_window: null, attention_window: 300 }
  assert.equal(parse(converted).attention.slidingWindow, 300)
})

test('Qwen sees one position more than its window, used or not', () => {
  const windowOf = (config: object) =>
    parse({ model_type: 'llava_qwen', ...config }).attention.slidingWindow
  assert.equal(windowOf({ sliding_window: 4096, use_sliding_window: false }), 4097)
  assert.equal(windowOf({}), 4097)
  assert.equal(windowOf({ sliding_window: null }), null)
  assert.equal(windowOf({ sliding_window: 32768 }), null)
})
