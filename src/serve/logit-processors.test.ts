import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { InputError } from '../core/errors.ts'
import { parseGenerateOptions, type ResolvedGenerateOptions } from './generate-options.ts'
import { parseGenerationConfig } from './generation-config.ts'
import { createLogitProcessor, penalizeOccurrence, penalizeRepetition } from './logit-processors.ts'
import { filterLogits } from './sampling-filters.ts'

type Recording = {
  readonly prompt: number[]
  readonly cases: readonly {
    readonly options: Record<string, unknown>
    readonly num_beams: number
    readonly generated: number[]
    readonly logits: number[]
    readonly processed: (number | null)[]
  }[]
}

const recording = JSON.parse(
  readFileSync('fixtures/generation/processors.json', 'utf8'),
) as Recording

const optionsOf = (request: object, file: object = {}): ResolvedGenerateOptions =>
  parseGenerateOptions(request, parseGenerationConfig(file))

test('processors and filters give the numbers of transformers, bit for bit', () => {
  for (const [
    i,
    { options: file, num_beams, generated, logits, processed },
  ] of recording.cases.entries()) {
    const options = optionsOf({}, file)
    const found = Float32Array.from(logits)
    const context = { promptIds: recording.prompt, vocabSize: found.length, unusableIds: [] }
    createLogitProcessor(options, context)(found, generated)
    const minKeep = num_beams > 1 ? Math.max(2, 1 + options.eosTokenIds.length) : 1
    if (options.temperature > 0) filterLogits(found, { ...options, minKeep })
    assert.deepEqual(
      [...found],
      processed.map((value) => (value === null ? -Infinity : Math.fround(value))),
      `case ${i}: ${JSON.stringify(file)}`,
    )
  }
})

test('the repetition penalty reaches each token of prompt and answer once, and no id outside the vocabulary', () => {
  const logits = Float32Array.of(2, -2, 2, -2)
  penalizeRepetition(logits, { prompt: [0, 1, 0, -200, 99], generated: [1, 1] }, 2)
  assert.deepEqual([...logits], [1, -4, 2, -2])
})

test('presence is subtracted once and frequency once per occurrence, over the answer only', () => {
  const logits = Float32Array.of(4, 4, 4)
  penalizeOccurrence(logits, [1, 2, 1], 0.5, 0.25)
  assert.deepEqual([...logits], [4, 3, 3.25])
  const options = optionsOf({ presencePenalty: 0.5, frequencyPenalty: 0.25 })
  const again = Float32Array.of(4, 4, 4)
  createLogitProcessor(options, { promptIds: [0, 0], vocabSize: 3, unusableIds: [] })(
    again,
    [1, 2, 1],
  )
  assert.deepEqual(again, logits)
})

test('a logit bias is added before the repetition penalty', () => {
  const logits = Float32Array.of(1, 1)
  const options = optionsOf({ logitBias: { 0: -3, 1: 3 }, repetitionPenalty: 2 })
  createLogitProcessor(options, { promptIds: [0, 1], vocabSize: 2, unusableIds: [] })(logits, [])
  assert.deepEqual([...logits], [-4, 2])
})

test('a token that is no text is never left, whatever its bias', () => {
  const logits = Float32Array.of(1, 2, 3, 4)
  const options = optionsOf({ logitBias: { 3: 100 } })
  createLogitProcessor(options, { promptIds: [], vocabSize: 4, unusableIds: [2, 3, 4] })(
    logits,
    [0],
  )
  assert.deepEqual([...logits], [1, 2, -Infinity, -Infinity])
})

test('a logit bias outside the vocabulary is an input error', () => {
  const options = optionsOf({ logitBias: { 7: 1 } })
  assert.throws(
    () => createLogitProcessor(options, { promptIds: [], vocabSize: 7, unusableIds: [] }),
    (error) => error instanceof InputError && /below 7, .* 7 came/.test(error.message),
  )
})
