import assert from 'node:assert/strict'
import { test } from 'node:test'
import { templatePrompt } from '../checkpoint-text.ts'
import { bosNotices } from './reading-notices.ts'

/** Adds BOS, and reads the one that a text begins with. */
const tokenizer = {
  bosId: 1,
  encode: (text: string) => (text.startsWith('<|begin_of_text|>') ? [1, 1, 7] : [1, 7]),
  bosToken: '<|begin_of_text|>',
}
const asOriginal = (mode: string) =>
  ({
    layout: 'original',
    tokenise: 'pieces',
    prompt: { kind: 'conversation', mode, wrapImage: false },
  }) as const
const asHf = {
  layout: 'hf',
  tokenise: 'whole',
  prompt: templatePrompt(''),
} as const

test('a layout that reads BOS once where the other reads it twice is told', () => {
  const llama3 = asOriginal('llava_llama_3')
  assert.match(
    bosNotices(llama3, asHf, tokenizer).join(),
    /begins with two <\|begin_of_text\|> in the old layout, with one in the new one/,
  )
  assert.match(bosNotices(asHf, llama3, tokenizer).join(), /with one .* with two /)
  assert.deepEqual(bosNotices(llama3, llama3, tokenizer), [])
  assert.deepEqual(bosNotices(asOriginal('vicuna_v1'), asHf, tokenizer), [])
})
