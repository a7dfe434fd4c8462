import assert from 'node:assert/strict'
import { test } from 'node:test'
import { templatePrompt } from './checkpoint-text.ts'
import { turnEndOf } from './turn-end.ts'

const tokens = new Map([
  ['</s>', 2],
  ['<|im_end|>', 7],
])
const tokenizer = { idOf: (token: string) => tokens.get(token) }
const mode = (name: string) =>
  turnEndOf({ kind: 'conversation', mode: name, wrapImage: false }, tokenizer)

test('a conversation mode ends with its token, or with the text between its turns', () => {
  assert.deepEqual(mode('llava_v0'), { texts: ['###'], tokenIds: [] })
  assert.deepEqual(mode('vicuna_v1'), { texts: [], tokenIds: [2] })
  assert.deepEqual(mode('qwen_1_5'), { texts: [], tokenIds: [7] })
  assert.deepEqual(mode('plain'), { texts: ['\n'], tokenIds: [] })
})

test('a token that the tokenizer does not have ends as a text', () => {
  assert.deepEqual(mode('gemma_instruct').texts, ['<end_of_turn>'])
})

test('a chat template leaves it to the end tokens of the files', () => {
  for (const prompt of [{ kind: 'none' }, templatePrompt('')] as const) {
    assert.deepEqual(turnEndOf(prompt, tokenizer), { texts: [], tokenIds: [] })
  }
})
