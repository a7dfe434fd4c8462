import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

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
