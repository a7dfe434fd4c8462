import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Rng } from '../core/rng.ts'
import { parseGenerateOptions } from './generate-options.ts'
import { parseGenerationConfig } from './generation-config.ts'
import { createSampler, drawToken } from './sampler.ts'

const VOCABULARY = 50
const context = { promptIds: [1, 2, 3], vocabSize: VOCABULARY, unusableIds: [] }
const optionsOf = (request: object) => parseGenerateOptions(request, parseGenerationConfig())

/** Different logits at each place of the answer, the same for every run. */
function logitsAt(step: number): Float32Array {
  const rng = new Rng(step)
  return Float32Array.from({ length: VOCABULARY }, () => 2 * rng.normal())
}

function answer(request: object, index = 0, length = 20): number[] {
  const sample = createSampler(optionsOf(request), context, index)
  const ids: number[] = []
  while (ids.length < length) ids.push(sample(logitsAt(ids.length), ids).id)
  return ids
}

test('temperature 0 takes the first of the largest logits', () => {
  const sample = createSampler(optionsOf({}), { ...context, vocabSize: 4 })
  assert.equal(sample(Float32Array.of(1, 3, 3, 2), []).id, 1)
})

test('equal seeds give equal answers; other seeds and other samples of one request give others', () => {
  const request = { temperature: 1, seed: 7, n: 3 }
  assert.deepEqual(answer(request), answer(request))
  const others = [
    answer(request, 1),
    answer(request, 2),
    answer({ ...request, seed: 8 }),
    answer({ ...request, seed: 7 + 2 ** 32 }),
  ]
  const distinct = new Set([answer(request), ...others].map((ids) => ids.join()))
  assert.equal(distinct.size, 5)
})

test('an answer does not depend on what is sampled between its tokens', () => {
  const request = { temperature: 1, seed: 3 }
  const [first, second] = [
    createSampler(optionsOf(request), context, 0),
    createSampler(optionsOf(request), context, 1),
  ]
  const ids: number[] = []
  while (ids.length < 20) {
    second(logitsAt(ids.length), ids)
    ids.push(first(logitsAt(ids.length), ids).id)
  }
  assert.deepEqual(ids, answer(request))
})

test('the answer to a seed is the same in every version', () => {
  assert.deepEqual(
    answer({ temperature: 1, seed: 1, topP: 0.9 }, 0, 8),
    [26, 20, 49, 33, 13, 27, 20, 49],
  )
})

test('tokens are drawn as often as they are likely', () => {
  const rng = new Rng(5)
  const logits = Float32Array.from([0.5, 0.2, 0, 0.3], Math.log)
  const counts = [0, 0, 0, 0]
  const draws = 20_000
  for (let i = 0; i < draws; i++) counts[drawToken(logits, rng.uniform())]!++
  const deviation = 4 * Math.sqrt(0.25 / draws) // four standard deviations
  ;[0.5, 0.2, 0, 0.3].forEach((p, id) =>
    assert.ok(Math.abs(counts[id]! / draws - p) < deviation, `${id}: ${counts[id]}`),
  )
  assert.equal(counts[2], 0)
})

test('a draw at the very end of the range is a token that may be drawn', () => {
  assert.equal(drawToken(Float32Array.of(0, 0, -Infinity), 1 - 2 ** -53), 1)
  assert.equal(drawToken(Float32Array.of(-Infinity, 0), 0), 1)
})

test('log-probabilities are the model’s own, before temperature, penalties and bans', () => {
  const request = {
    logprobs: true,
    topLogprobs: 2,
    temperature: 0.5,
    topK: 1,
    logitBias: { 2: 100 },
  }
  const sample = createSampler(optionsOf(request), { ...context, vocabSize: 3 })
  const chosen = sample(Float32Array.from([0.5, 0.3, 0.2], Math.log), [])
  assert.equal(chosen.id, 2)
  assert.ok(Math.abs(chosen.logprob - Math.log(0.2)) < 1e-6)
  assert.deepEqual(
    chosen.top.map(({ id }) => id),
    [0, 1],
  )
})

test('logits that are not numbers are reported, never sampled', () => {
  for (const temperature of [0, 1]) {
    const sample = createSampler(optionsOf({ temperature }), { ...context, vocabSize: 2 })
    assert.throws(() => sample(Float32Array.of(0, NaN), []), /^Error: internal: /)
    assert.throws(() => sample(Float32Array.of(-Infinity, -Infinity), []), /^Error: internal: /)
  }
})
