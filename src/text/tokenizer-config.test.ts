import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CheckpointError } from '../core/errors.ts'
import { mergeAdded, mergeRoles, readTokenizerConfig } from './tokenizer-config.ts'
import { vocabularyOf } from './tokenizer-vocabulary.ts'

const vocabulary = vocabularyOf(Object.entries({ a: 0, '<s>': 1, b: 2 }), 'vocab')

test('roles are strings or objects; null is none, and nothing leaves the fallback', () => {
  const config = readTokenizerConfig({
    tokenizerConfig: { bos_token: { content: '<s>' }, eos_token: null },
    specialTokensMap: { eos_token: '</s>', pad_token: '<pad>' },
  })
  assert.deepEqual(config.roles, { bos: '<s>', eos: null, pad: '<pad>', unk: undefined })
  assert.deepEqual(mergeRoles(config, { eos: 'x', unk: '<unk>' }), {
    bos: '<s>',
    eos: undefined,
    pad: '<pad>',
    unk: '<unk>',
  })
})

test('tokens of the older added_tokens.json are special only if they have a role or a name', () => {
  const { added } = readTokenizerConfig({
    specialTokensMap: { additional_special_tokens: ['<im_start>'] },
    addedTokens: { '<im_start>': 3, '<note>': 4 },
  })
  assert.deepEqual(
    added.map(({ id, content, special, normalized }) => ({ id, content, special, normalized })),
    [
      { id: 3, content: '<im_start>', special: true, normalized: false },
      { id: 4, content: '<note>', special: false, normalized: true },
    ],
  )
})

test('the newer added_tokens_decoder counts where both are there', () => {
  const { added } = readTokenizerConfig({
    tokenizerConfig: { added_tokens_decoder: { 7: { content: '<x>', special: true } } },
    addedTokens: { '<y>': 8 },
  })
  assert.deepEqual(
    added.map(({ id, content }) => [id, content]),
    [[7, '<x>']],
  )
})

test('a special token that is only named gets the id it has, or the next one', () => {
  const config = readTokenizerConfig({ tokenizerConfig: { bos_token: '<s>', pad_token: '<pad>' } })
  const added = mergeAdded([], config, vocabulary)
  assert.deepEqual(
    added.map(({ id, content }) => [id, content]),
    [
      [1, '<s>'],
      [3, '<pad>'],
    ],
  )
})

test('an id that belongs to another token is refused', () => {
  const config = readTokenizerConfig({ addedTokens: { '<x>': 2 } })
  assert.throws(() => mergeAdded([], config, vocabulary), CheckpointError)
  const moved = readTokenizerConfig({ addedTokens: { '<s>': 9 } })
  assert.throws(() => mergeAdded([], moved, vocabulary), CheckpointError)
})

test('switches have the defaults of LlamaTokenizer', () => {
  const { legacy, addsBos, addsEos, addsPrefixSpace } = readTokenizerConfig({
    tokenizerConfig: { legacy: null },
  })
  assert.deepEqual([legacy, addsBos, addsEos, addsPrefixSpace], [true, true, false, true])
  assert.throws(() => readTokenizerConfig({ tokenizerConfig: { legacy: 'no' } }), CheckpointError)
})
