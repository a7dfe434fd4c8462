import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CheckpointError } from '../core/errors.ts'
import { LLAMA3_PATTERN } from './published-patterns.ts'
import { LLAMA3, tokenizerFromTiktoken } from './tokenizer-tiktoken.ts'

function ranks(tokens: readonly string[]): Uint8Array {
  const bytes = Array.from({ length: 256 }, (_, byte) => Buffer.of(byte))
  const all = [...bytes, ...tokens.map((token) => Buffer.from(token))]
  return Buffer.from(all.map((token, rank) => `${token.toString('base64')} ${rank}\n`).join(''))
}

const options = { pattern: LLAMA3_PATTERN, special: ['<|bos|>', '<|eot|>'], bos: '<|bos|>' }

test('neighbours merge by the rank of what they become; special tokens follow the ranks', () => {
  const tokenizer = tokenizerFromTiktoken(ranks(['bc', 'ab', 'abc', 'é', ' é']), options)
  assert.deepEqual(tokenizer.encode('ab'), [257])
  assert.deepEqual(tokenizer.encode('abcb'), [258, 98])
  assert.deepEqual(tokenizer.encode('abab'), [257, 257])
  assert.deepEqual(tokenizer.encode('abc'), [258], 'a word that is a token is not merged')
  assert.deepEqual(tokenizer.encode(' é<|eot|>', { addBos: true }), [261, 260, 262])
  assert.equal(tokenizer.decode([260, 97, 262]), ' éa<|eot|>')
  assert.equal(tokenizer.bosId, 261)
})

test("Llama 3's special tokens end where its files end", () => {
  assert.equal(LLAMA3.special.length, 256)
  assert.equal(LLAMA3.special[9], '<|eot_id|>')
  assert.equal(LLAMA3.special[255], '<|reserved_special_token_250|>')
})

test('a line that is not a token and its rank is refused', () => {
  for (const line of ['IQ== 0\nIg==\n', 'IQ= 0\n', 'IQ== 0\nIQ== x\n', 'IQ== 0\nIg== 0\n']) {
    assert.throws(() => tokenizerFromTiktoken(Buffer.from(line), options), CheckpointError, line)
  }
})
