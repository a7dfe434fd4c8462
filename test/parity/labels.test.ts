/**
 * Image tags and label masks against the original repositories.
 *
 * LLAVA_FIXTURES names a folder with `original/labels.json` and `original/tokenizers/`; LLaMA's, Mistral's and Llama 3's
 * tokenizers are looked for in the folder that LLAVA_TOKENIZERS names, or in `assets/tokenizers` beside the first. Without
 * them the small set in `fixtures` is used.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { InputError } from '../../src/core/errors.ts'
import type { Repository } from '../../src/text/conversation-modes.ts'
import {
  labelConversation,
  normaliseImageTags,
  type LabelledConversation,
  type Turn,
} from '../../src/text/index.ts'
import {
  recorded,
  skipOf,
  tokenizerOf,
  type LabelCase,
  type LabelFunction,
  type Recorded,
} from './label-recordings.ts'

function keptRanges({ labels }: LabelledConversation): [number, number][] {
  const ranges: [number, number][] = []
  labels.forEach((label, i) => {
    const last = ranges.at(-1)
    if (label === -100) return
    if (last?.[1] === i) last[1]++
    else ranges.push([i, i + 1])
  })
  return ranges
}

function check(f: LabelFunction, repository: Repository, turns: Turn[], expected: LabelCase) {
  const tokenizer = tokenizerOf(f.tokenizer)
  const label = () =>
    labelConversation(f.template, tokenizer, turns, {
      repository,
      ...(f.model_max_length && { modelMaxLength: f.model_max_length }),
    })
  if (expected.error !== undefined) return assert.throws(label, InputError)
  if (expected.warning !== undefined) {
    const [, walked, length] = /(\d+) vs\. (\d+)/.exec(expected.warning)!
    const message = new RegExp(`cover ${length} tokens, they cover ${walked};`)
    return assert.throws(label, { code: 'INPUT_LABELS_MISALIGNED', message })
  }
  const labelled = label()
  assert.deepEqual(labelled.inputIds, expected.input_ids)
  assert.deepEqual(keptRanges(labelled), expected.kept)
  labelled.labels.forEach((id, i) => assert.ok(id === -100 || id === labelled.inputIds[i]))
}

for (const [repository, { multimodal, conversations, functions }] of Object.entries(recorded) as [
  Repository,
  Recorded[Repository],
][]) {
  describe(`labels of ${repository}`, () => {
    test('image tags stand where preprocess_multimodal puts them', () => {
      for (const c of multimodal) {
        const options = { repository, mode: c.template, wrapImage: c.mm_use_im_start_end }
        assert.deepEqual(normaliseImageTags(c.in, options), c.out)
      }
    })

    for (const f of functions) {
      const skip = skipOf(f)
      const limit = f.model_max_length ? `, at most ${f.model_max_length}` : ''
      test(`${f.template} with ${f.tokenizer}${limit}`, { skip }, () => {
        for (const expected of f.cases) {
          const { turns } = conversations.find(({ name }) => name === expected.case)!
          check(f, repository, turns, expected)
        }
      })
    }
  })
}
