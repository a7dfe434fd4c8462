import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { tokenizerFromJson } from '../../text/tokenizer-json.ts'
import { tokenizerFromSentencePiece } from '../../text/sentencepiece.ts'
import { sentencePieceJson } from './sentencepiece-json.ts'

const TEXTS = ['', 'A chat.', 'two  spaces', 'täglich\n\n日本', 'x</s>y</s> z', 'naïve 👩‍🚀 1234']

test('the tokenizer.json made of a SentencePiece model gives its ids', () => {
  const bytes = readFileSync('fixtures/original/tokenizers/tiny-llama/tokenizer.model')
  for (const legacy of [true, false]) {
    const slow = tokenizerFromSentencePiece(bytes, { tokenizerConfig: { legacy } })
    const json = sentencePieceJson(bytes, slow, legacy)
    assert.ok(json)
    const fast = tokenizerFromJson(JSON.parse(new TextDecoder().decode(json)))
    for (const text of TEXTS) {
      for (const addBos of [true, false]) {
        assert.deepEqual(fast.encode(text, { addBos }), slow.encode(text, { addBos }), text)
      }
      const ids = slow.encode(text)
      assert.equal(fast.decode(ids), slow.decode(ids))
    }
  }
})
