import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { renderChatWithSpans } from './chat-template.ts'
import { tokenizerFromJson } from './tokenizer-json.ts'
import { tokenizerFromSentencePiece } from './sentencepiece.ts'
import { maskGenerated, tokenOffsets } from './token-offsets.ts'

const FOLDER = 'fixtures/original/tokenizers'
const chatml = tokenizerFromJson(
  JSON.parse(readFileSync(`${FOLDER}/chatml/tokenizer.json`, 'utf8')),
)
const llama = tokenizerFromSentencePiece(readFileSync(`${FOLDER}/tiny-llama/tokenizer.model`))

describe('token offsets', () => {
  test('follow one another and cover the text', () => {
    const words = fc.string({ unit: fc.constantFrom('a', ' ', 'é', '🙂', '\n', '</s>') })
    for (const tokenizer of [chatml, llama]) {
      fc.assert(
        fc.property(words, (text) => {
          const offsets = tokenOffsets(tokenizer, text, tokenizer.encode(text))
          offsets.forEach(([from, to], i) =>
            assert.ok(from <= to && from >= (offsets[i - 1]?.[0] ?? 0)),
          )
          if (text !== '') assert.equal(offsets.at(-1)?.[1], [...text].length)
        }),
      )
    }
  })

  test('name the place where a tokenizer changes the text', () => {
    const text = 'cafe\u0301'
    assert.throws(() => tokenOffsets(chatml, text, chatml.encode(text)), {
      code: 'INPUT_TOKEN_OFFSETS',
    })
  })

  test('find the words of the model among the tokens', () => {
    const template =
      '{% for m in messages %}{{ m.role }}: {% if m.role == "assistant" %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}\n{% endfor %}'
    const messages = [
      { role: 'user', content: 'Say 🙂.' },
      { role: 'assistant', content: 'It is 🙂!' },
    ]
    const { inputIds, isLearnt } = maskGenerated(
      chatml,
      renderChatWithSpans(template, { messages }),
    )
    assert.equal(chatml.decode(inputIds.filter((_, i) => isLearnt[i])).trim(), 'It is 🙂!')
  })
})
