import assert from 'node:assert/strict'
import { test } from 'node:test'

import { ConfigError } from '../core/errors.ts'
import { parseGenerationConfig } from './generation-config.ts'

function refuses(json: unknown, pattern: RegExp): void {
  assert.throws(
    () => parseGenerationConfig(json),
    (error) =>
      error instanceof ConfigError &&
      error.code === 'CONFIG_GENERATION' &&
      pattern.test(error.message),
  )
}

test('a checkpoint without the file says nothing', () => {
  const config = parseGenerationConfig()
  assert.deepEqual(
    [config.doSample, config.temperature, config.maxTokens, config.eosTokenIds],
    [false, null, null, []],
  )
})

test('published files are read: one end token or several, keys that have nothing to do with the answer', () => {
  assert.deepEqual(parseGenerationConfig({ eos_token_id: 2 }).eosTokenIds, [2])
  const onevision = {
    attn_implementation: 'flash_attention_2',
    bos_token_id: 151643,
    do_sample: true,
    eos_token_id: [151645, 151643],
    pad_token_id: 151643,
    repetition_penalty: 1.1,
    temperature: 0.7,
    top_k: 20,
    top_p: 0.8,
    transformers_version: '4.40.0',
  }
  const config = parseGenerationConfig(onevision)
  assert.deepEqual(config.eosTokenIds, [151645, 151643])
  assert.deepEqual(
    [config.doSample, config.temperature, config.topK, config.topP, config.repetitionPenalty],
    [true, 0.7, 20, 0.8, 1.1],
  )
  assert.equal(parseGenerationConfig({ max_length: 4096 }).maxTokens, null)
})

test('null and neutral values are as good as absent', () => {
  const neutral = {
    temperature: null,
    typical_p: 1.0,
    forced_eos_token_id: null,
    diversity_penalty: 0.0,
    renormalize_logits: false,
  }
  assert.deepEqual(parseGenerationConfig(neutral), parseGenerationConfig())
})

test('what would change answers and is not offered is refused by name', () => {
  refuses({ typical_p: 0.9 }, /typical_p 0\.9 is not offered; remove it or set it to 1/)
  refuses({ num_return_sequences: 3 }, /num_return_sequences 3 is not offered/)
  refuses({ penalty_alpha: 0.6, forced_eos_token_id: 2 }, /penalty_alpha[^]*forced_eos_token_id 2/)
})

test('wrong values are refused, all at once', () => {
  refuses(
    { temperature: -1, eos_token_id: 'x', bad_words_ids: [[]] },
    /temperature should be 0 or more[^]*bad_words_ids[^]*eos_token_id/,
  )
  refuses([], /expected an object, a list of 0 came/)
})
