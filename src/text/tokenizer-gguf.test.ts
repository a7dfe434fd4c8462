import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CheckpointError, ConfigError } from '../core/errors.ts'
import { tokenizerFromGguf } from './tokenizer-gguf.ts'
import { BYTE_CHARS } from './tokenizer-bytes.ts'

type Fields = { readonly [name: string]: unknown }

function metadata(fields: Fields): Map<string, unknown> {
  return new Map(Object.entries(fields).map(([name, value]) => [`tokenizer.ggml.${name}`, value]))
}

const LETTERS = [...BYTE_CHARS, 'ab', '12', 'Ġa', '<|end|>', '<tool>']
const TYPES = LETTERS.map((token) => (token === '<|end|>' ? 3 : token === '<tool>' ? 4 : 1))
const MERGES = ['Ġ a', '1 2', 'a b']

function byteLevel(fields: Fields): ReturnType<typeof tokenizerFromGguf> {
  const base = { model: 'gpt2', tokens: LETTERS, token_type: TYPES, merges: MERGES }
  return tokenizerFromGguf(metadata({ ...base, eos_token_id: 259, ...fields }))
}

test('the name of the words decides whether digits stand alone', () => {
  const tokens = (pre: string | undefined): (string | undefined)[] => {
    const tokenizer = byteLevel(pre === undefined ? {} : { pre })
    return tokenizer.encode('12 ab').map((id) => tokenizer.tokenOf(id))
  }
  assert.deepEqual(tokens('gpt-2'), ['12', 'Ġa', 'b'])
  assert.deepEqual(tokens('default'), tokens('gpt-2'))
  assert.deepEqual(tokens(undefined), tokens('default'))
  assert.deepEqual(tokens('llama-bpe'), tokens('gpt-2'))
  assert.deepEqual(tokens('smollm'), ['1', '2', 'Ġa', 'b'])
  assert.deepEqual(tokens('qwen2'), tokens('smollm'))
})

test('control tokens are special, user-defined ones are whole', () => {
  const tokenizer = byteLevel({ pre: 'smollm' })
  assert.deepEqual(tokenizer.encode('<tool><|end|>'), [260, 259])
  const plain = tokenizer.encode('<tool><|end|>', { specialTokens: 'text' })
  assert.equal(plain[0], 260)
  assert.equal(plain.includes(259), false)
  assert.equal(tokenizer.decode([260, 259], { skipSpecial: true }), '<tool>')
  assert.equal(tokenizer.eosId, 259)
})

test('BOS is added if the file says so, or by the custom of its kind', () => {
  const around = (fields: Fields): number[] =>
    byteLevel({ bos_token_id: 259, ...fields }).encode('', { addBos: true })
  assert.deepEqual(around({ pre: 'smollm' }), [])
  assert.deepEqual(around({ pre: 'smollm', add_bos_token: true }), [259])
  assert.deepEqual(around({ pre: 'llama-bpe' }), [259])
  assert.deepEqual(around({ pre: 'llama-bpe', add_bos_token: false, add_eos_token: true }), [259])
})

const PIECES = ['<unk>', '<s>', '</s>', '<0x41>', '▁', '▁a', 'a', '<image>', '[PAD]']
const SCORES = [0, 0, 0, 0, -3, -1, -2, 0, 0]

function scored(fields: Fields = {}): ReturnType<typeof tokenizerFromGguf> {
  const token_type = [2, 3, 3, 6, 1, 1, 1, 4, 5]
  const base = { model: 'llama', tokens: PIECES, scores: Float32Array.from(SCORES), token_type }
  return tokenizerFromGguf(metadata({ ...base, bos_token_id: 1, unknown_token_id: 0, ...fields }))
}

test('a vocabulary with scores is a SentencePiece model', () => {
  const tokenizer = scored()
  assert.deepEqual(tokenizer.encode('a<image>a', { addBos: true }), [1, 5, 7, 5])
  assert.deepEqual(tokenizer.encode('A'), [4, 3])
  assert.equal(tokenizer.decode([5, 5]), 'a a')
  assert.deepEqual([...tokenizer.specialIds], [0, 1, 2])
  assert.deepEqual(scored({ add_space_prefix: false }).encode('a a'), [6, 5])
})

test('what is missing, wrong or unknown is named', () => {
  const refuses = (
    call: () => unknown,
    kind: typeof ConfigError | typeof CheckpointError,
    word: string,
  ): void => assert.throws(call, (error) => error instanceof kind && error.message.includes(word))
  refuses(() => tokenizerFromGguf(new Map()), CheckpointError, 'tokenizer.ggml.model')
  refuses(() => byteLevel({ model: 'bert' }), ConfigError, 'bert')
  refuses(() => byteLevel({ pre: 'unheard-of' }), ConfigError, 'unheard-of')
  refuses(() => byteLevel({ merges: undefined }), CheckpointError, 'tokenizer.ggml.merges')
  refuses(() => byteLevel({ token_type: [1] }), CheckpointError, 'token_type')
  refuses(() => scored({ scores: SCORES.map(String) }), CheckpointError, 'scores[0]')
  refuses(() => scored({ tokens: [1, 2] }), CheckpointError, 'tokens[0]')
})
