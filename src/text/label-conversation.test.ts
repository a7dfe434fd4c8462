import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { LlavaError } from '../core/errors.ts'
import { CONVERSATION_MODES } from './conversation-modes.ts'
import type { Turn } from './conversation.ts'
import { labelConversation } from './label-conversation.ts'
import { tokenizerFromJson } from './tokenizer-json.ts'
import { tokenizerFromSentencePiece } from './sentencepiece.ts'

const FOLDER = 'fixtures/original/tokenizers'
const chatml = tokenizerFromJson(
  JSON.parse(readFileSync(`${FOLDER}/chatml/tokenizer.json`, 'utf8')),
)
const llama = tokenizerFromSentencePiece(readFileSync(`${FOLDER}/tiny-llama/tokenizer.model`), {
  tokenizerConfig: JSON.parse(readFileSync(`${FOLDER}/tiny-llama/tokenizer_config.json`, 'utf8')),
})

const TURNS: Turn[] = [
  { from: 'human', value: '<image>\nWhat is it?' },
  { from: 'gpt', value: 'A cat.' },
]

function learnt({ labels }: { labels: number[] }): number[] {
  return labels.filter((label) => label !== -100)
}

describe('labelConversation', () => {
  test('plain learns the caption and the line end, and nothing of the question', () => {
    const labelled = labelConversation('plain', llama, TURNS)
    assert.equal(llama.decode(learnt(labelled)), 'A cat.\n')
    assert.equal(labelled.inputIds[1], -200)
  })

  test('v1 learns the answer and its end mark', () => {
    assert.equal(llama.decode(learnt(labelConversation('v1', llama, TURNS))), 'A cat.</s>')
  })

  test('qwen learns the answer with its header, and all markup', () => {
    const labelled = labelConversation('qwen_1_5', chatml, TURNS)
    const answer = chatml.encode('<|im_start|>assistant\nA cat.<|im_end|>\n')
    assert.deepEqual(labelled.labels.slice(-answer.length), answer)
    assert.equal(labelled.labels[0], chatml.idOf('<|im_start|>'))
  })

  test('a label is the id at its place or −100, and a picture is never learnt', () => {
    const value = fc.string({ maxLength: 12 }).map((text) => text || 'x')
    const pair = fc.tuple(value, value)
    const modes = [...CONVERSATION_MODES.keys()].filter((name) => name !== 'llava_llama_3')
    const conversation = fc.array(pair, { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(
        fc.constantFrom(...modes),
        conversation,
        fc.boolean(),
        (mode, pairs, hasImage) => {
          const turns = pairs.flatMap(([q, a], i): Turn[] => [
            { from: 'human', value: hasImage && i === 0 ? `<image>\n${q}` : q },
            { from: 'gpt', value: a },
          ])
          const before = structuredClone(turns)
          const tokenizer = mode.startsWith('qwen') ? chatml : llama
          try {
            const { inputIds, labels } = labelConversation(mode, tokenizer, turns)
            assert.equal(labels.length, inputIds.length)
            labels.forEach((label, i) => assert.ok(label === -100 || label === inputIds[i]))
            assert.equal(inputIds.filter((id) => id === -200).length, hasImage ? 1 : 0)
          } catch (error) {
            assert.ok(error instanceof LlavaError, String(error))
          }
          assert.deepEqual(turns, before)
        },
      ),
      { numRuns: 300 },
    )
  })

  test('a sample that the original would silently mask is refused, with the counts', () => {
    const empty: Turn[] = [TURNS[0]!, { from: 'gpt', value: '' }]
    assert.throws(() => labelConversation('v1', llama, empty), {
      code: 'INPUT_LABELS_MISALIGNED',
      message: /^labels: v1 \(LLaVA-NeXT\) expected its rounds to cover \d+ tokens, they cover 1; /,
    })
  })

  test('LLaVA masks every mpt sample, so it is refused there and labelled as LLaVA-NeXT does', () => {
    assert.ok(learnt(labelConversation('mpt', chatml, TURNS)).length > 0)
    assert.throws(() => labelConversation('mpt', chatml, TURNS, { repository: 'LLaVA' }), {
      code: 'INPUT_LABELS_MISALIGNED',
    })
  })

  test('text samples are cut to the limit, samples with a picture are not', () => {
    const text: Turn[] = [{ from: 'human', value: 'What is it?' }, TURNS[1]!]
    const modelMaxLength = 20
    assert.equal(labelConversation('v1', llama, text, { modelMaxLength }).inputIds.length, 20)
    assert.ok(labelConversation('v1', llama, TURNS, { modelMaxLength }).inputIds.length > 20)
  })

  test('tags can stay where they are, and count as characters where there is no picture', () => {
    const behind: Turn[] = [{ from: 'human', value: 'What?\n<image>' }, TURNS[1]!]
    const asGiven = labelConversation('v1', llama, behind, { imageTags: 'asGiven' })
    const inFront = labelConversation('v1', llama, behind)
    assert.ok(asGiven.inputIds.indexOf(-200) > inFront.inputIds.indexOf(-200))
    assert.ok(!labelConversation('v1', llama, behind, { hasImage: false }).inputIds.includes(-200))
  })

  test('a tokenizer without the marks of the mode, and what is no conversation, are refused by name', () => {
    assert.throws(() => labelConversation('qwen_1_5', llama, TURNS), {
      code: 'CONFIG_TOKENIZER_TOKENS',
      message: /it lacks <\|im_start\|>, <\|im_end\|>;/,
    })
    assert.throws(() => labelConversation('v1', llama, []), { code: 'INPUT_CONVERSATION_EMPTY' })
    assert.throws(() => labelConversation('plain', llama, TURNS.slice(1)), {
      code: 'INPUT_LABELS_PLAIN',
    })
    const options = { images: true } as never
    assert.throws(() => labelConversation('v1', llama, TURNS, options), {
      code: 'INPUT_UNKNOWN_OPTION',
    })
  })
})
