import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { Rng } from '../core/rng.ts'
import { beamSearch, type BeamSearch } from './beam-search.ts'
import { parseGenerateOptions } from './generate-options.ts'
import { parseGenerationConfig } from './generation-config.ts'
import { createLogitProcessor } from './logit-processors.ts'

type Recording = {
  readonly tables: readonly { readonly bigram: number[][]; readonly place: number[][] }[]
  readonly searches: readonly {
    readonly table: number
    readonly prompt: number[]
    readonly max_new_tokens: number
    readonly eos_token_id: number[] | null
    readonly options: Record<string, unknown>
    readonly ids: number[][]
    readonly scores: number[]
  }[]
}

const recording = JSON.parse(readFileSync('fixtures/generation/beams.json', 'utf8')) as Recording

/** torch adds up scores in float32, we in float64: 16 steps of numbers below 200. */
const SCORE_TOLERANCE = 1e-6

/** The recorded model: logits follow from the last id and the number of ids. It keeps rows as a KV cache does. */
function tableModel(number: number, prompt: readonly number[]) {
  const { bigram, place } = recording.tables[number]!
  let rows: number[][] = [[...prompt]]
  const logitsOf = (ids: readonly number[]) => {
    const offsets = place[ids.length % place.length]!
    return Float32Array.from(bigram[ids.at(-1)!]!, (value, i) => value + offsets[i]!)
  }
  return {
    vocabSize: place[0]!.length,
    firstLogits: logitsOf(prompt),
    step: async (ids: readonly number[], parents: readonly number[]) => {
      rows = parents.map((parent, i) => [...rows[parent]!, ids[i]!])
      return rows.map(logitsOf)
    },
  }
}

function searchOf(
  recorded: Recording['searches'][number],
  changes: Partial<BeamSearch> = {},
): BeamSearch {
  const { prompt, max_new_tokens, eos_token_id, options: given } = recorded
  const config = parseGenerationConfig({ max_new_tokens, eos_token_id, ...given })
  const options = parseGenerateOptions({}, config)
  const model = tableModel(recorded.table, prompt)
  const context = { promptIds: prompt, vocabSize: model.vocabSize, unusableIds: [] }
  return {
    ...options,
    ...model,
    process: createLogitProcessor(options, context),
    topLogprobs: undefined,
    ...changes,
  }
}

test('beams and scores are those of transformers, whatever ends them early', async () => {
  for (const [i, recorded] of recording.searches.entries()) {
    const beams = await beamSearch(searchOf(recorded))
    const what = `search ${i}: ${JSON.stringify([recorded.options, recorded.eos_token_id])}`
    assert.deepEqual(
      beams.map(({ tokens }) => tokens),
      recorded.ids,
      what,
    )
    beams.forEach(({ score }, k) => {
      const expected = recorded.scores[k]!
      assert.ok(
        Math.abs(score - expected) <= SCORE_TOLERANCE * Math.max(1, Math.abs(expected)),
        `${what}: ${score} ${expected}`,
      )
    })
  }
})

const SOME = recording.searches.filter(({ eos_token_id }) => eos_token_id !== null).slice(0, 12)

test('log-probabilities of a beam are the model’s own: without processors they add up to its score', async () => {
  for (const recorded of SOME.filter(({ options }) => Object.keys(options).length === 1)) {
    for (const { tokens, logprobs, score } of await beamSearch(
      searchOf(recorded, { topLogprobs: 3 }),
    )) {
      assert.deepEqual(
        logprobs.map(({ id }) => id),
        tokens,
      )
      const mean = logprobs.reduce((sum, { logprob }) => sum + logprob, 0) / tokens.length
      assert.ok(Math.abs(mean - score) < 1e-6)
      assert.ok(
        logprobs.every(({ top, logprob }) => top.length === 3 && top[0]!.logprob >= logprob),
      )
    }
  }
})

test('rows continue rows of the call before, at most numBeams', async () => {
  for (const recorded of SOME) {
    const search = searchOf(recorded)
    let rows = 1
    await beamSearch({
      ...search,
      step: (ids, parents) => {
        assert.equal(ids.length, parents.length)
        assert.ok(ids.length <= search.numBeams && parents.every((parent) => parent < rows))
        rows = ids.length
        return search.step(ids, parents)
      },
    })
  }
})

test('an abort between or during steps gives the best so far, and starts no further step', async () => {
  for (const isDuring of [false, true]) {
    const controller = new AbortController()
    const search = searchOf(SOME[0]!, { signal: controller.signal, eosTokenIds: [], maxTokens: 6 })
    let steps = 0
    const beams = await beamSearch({
      ...search,
      step: async (ids, parents) => {
        if (++steps === 3) controller.abort()
        if (isDuring) controller.signal.throwIfAborted()
        return search.step(ids, parents)
      },
    })
    assert.equal(steps, 3)
    assert.equal(beams.length, search.numBeams)
    assert.ok(
      beams.every(
        ({ finishReason, tokens }) =>
          finishReason === 'abort' && tokens.length === (isDuring ? 3 : 4),
      ),
    )
  }
})

test('a failing step is not taken for an abort', async () => {
  const search = searchOf(SOME[0]!)
  await assert.rejects(
    beamSearch({ ...search, step: () => Promise.reject(new Error('broken')) }),
    /broken/,
  )
})

test('a stop string ends a beam as an end token does', async () => {
  const recorded = recording.searches.find(
    ({ eos_token_id, ids, max_new_tokens }) =>
      eos_token_id?.length === 1 && ids[0]!.length < max_new_tokens,
  )!
  const [end] = recorded.eos_token_id!
  const isStopped = (tokens: readonly number[]) => tokens.at(-1) === end
  const beams = await beamSearch(searchOf(recorded, { isStopped, eosTokenIds: [] }))
  assert.deepEqual(
    beams.map(({ tokens }) => tokens),
    recorded.ids,
  )
  assert.ok(
    beams.every(
      ({ tokens, finishReason }) => (finishReason === 'stop') === (tokens.at(-1) === end),
    ),
  )
})

test('a vocabulary with fewer tokens than beams gives the sequences that there are', async () => {
  const logits = Float32Array.of(0, 1)
  const beams = await beamSearch({
    numBeams: 4,
    maxTokens: 1,
    lengthPenalty: 1,
    earlyStopping: false,
    eosTokenIds: [],
    firstLogits: logits,
    step: async () => [],
    process: () => {},
  })
  assert.deepEqual(
    beams.map(({ tokens }) => tokens),
    [[1], [0]],
  )
})

test('drawn beams repeat with their seed and differ from the best ones', async () => {
  const draw = async (seed: number) => {
    const rng = new Rng(seed)
    return beamSearch(searchOf(recording.searches[1]!, { uniform: () => rng.uniform() }))
  }
  assert.deepEqual(await draw(1), await draw(1))
  assert.notDeepEqual(await draw(1), await draw(2))
})

test('the first drawn continuation is as frequent as it is likely', async () => {
  const rng = new Rng(9)
  const counts = [0, 0, 0]
  const draws = 6000
  for (let i = 0; i < draws; i++) {
    const [best] = await beamSearch({
      numBeams: 1,
      maxTokens: 1,
      lengthPenalty: 1,
      earlyStopping: false,
      eosTokenIds: [],
      firstLogits: Float32Array.from([0.6, 0.3, 0.1], Math.log),
      step: async () => [],
      process: () => {},
      uniform: () => rng.uniform(),
    })
    counts[best!.tokens[0]!]!++
  }
  ;[0.6, 0.3, 0.1].forEach((p, id) =>
    assert.ok(Math.abs(counts[id]! / draws - p) < 4 * Math.sqrt(0.25 / draws), `${counts}`),
  )
})
