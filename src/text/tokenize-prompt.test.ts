import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadTokenizer } from './node.ts'
import { tokenizePrompt } from './tokenize-prompt.ts'

const FOLDER = 'fixtures/text/tokenizers'
const llama = await loadTokenizer(`${FOLDER}/llava-v1`)
const chatml = await loadTokenizer(`${FOLDER}/chatml`)
const llama3 = await loadTokenizer(`${FOLDER}/next-llama3`)

test('every piece between pictures is tokenised on its own, BOS comes once', () => {
  const ids = tokenizePrompt(llama, 'a<image><image>\nb')
  const piece = (text: string): number[] => llama.encode(text)
  assert.deepEqual(ids, [1, ...piece('a'), -200, -200, ...piece('\nb')])
  assert.deepEqual(tokenizePrompt(llama, ''), [1])
  assert.deepEqual(tokenizePrompt(llama, '<image>'), [1, -200])
})

test('a tokenizer without BOS gives the pieces as they are', () => {
  const ids = tokenizePrompt(chatml, '<|im_start|>a<image>b')
  assert.deepEqual(ids, [...chatml.encode('<|im_start|>a'), -200, ...chatml.encode('b')])
  assert.deepEqual(tokenizePrompt(chatml, ''), [])
})

test('a prompt whose text begins with BOS gets a second one, unless asked otherwise', () => {
  const prompt = '<|begin_of_text|>a<image>b'
  const rest = [...llama3.encode('a'), -200, ...llama3.encode('b')]
  const bos = llama3.bosId!
  assert.deepEqual(tokenizePrompt(llama3, prompt), [bos, bos, ...rest])
  assert.deepEqual(tokenizePrompt(llama3, prompt, { doubleBos: false }), [bos, ...rest])
  assert.deepEqual(tokenizePrompt(llama3, 'a<image>b', { doubleBos: false }), [bos, ...rest])
})
