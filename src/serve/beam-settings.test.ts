import assert from 'node:assert/strict'
import { test } from 'node:test'

import { beamSettings } from './beam-settings.ts'
import { parseGenerateOptions } from './generate-options.ts'
import { parseGenerationConfig } from './generation-config.ts'

const context = { promptIds: [], vocabSize: 5, unusableIds: [4] }
const settingsOf = (request: object) =>
  beamSettings(
    parseGenerateOptions(request, parseGenerationConfig({ eos_token_id: [0, 1] })),
    context,
  )

test('without a temperature beams are ranked, and only processors change their scores', () => {
  const { process, uniform, eosTokenIds, topLogprobs } = settingsOf({ numBeams: 2, topK: 1 })
  const logProbs = Float32Array.of(-1, -2, -3, -4, 0)
  process(logProbs, [])
  assert.deepEqual([...logProbs], [-1, -2, -3, -4, -Infinity])
  assert.deepEqual([uniform, eosTokenIds, topLogprobs], [undefined, [0, 1], undefined])
})

test('with a temperature they are drawn, from one token more than there are end tokens at least', () => {
  const { process, uniform } = settingsOf({
    numBeams: 2,
    temperature: 0.5,
    topK: 1,
    topP: 0.1,
    minP: 1,
  })
  const logProbs = Float32Array.of(-1, -2, -3, -4, 0)
  process(logProbs, [])
  assert.deepEqual([...logProbs], [-2, -4, -6, -Infinity, -Infinity])
  assert.notEqual(uniform!(), uniform!())
  assert.equal(
    settingsOf({ numBeams: 2, temperature: 1 }).uniform!(),
    settingsOf({ numBeams: 2, temperature: 1 }).uniform!(),
  )
})

test('ignoreEos leaves no end token, and two tokens to draw from at least', () => {
  const drawn = { numBeams: 2, temperature: 1, topK: 1, ignoreEos: true }
  const { process, eosTokenIds } = settingsOf(drawn)
  assert.deepEqual(eosTokenIds, [])
  const logProbs = Float32Array.of(-1, -2, -3, -4, 0)
  process(logProbs, [])
  assert.deepEqual([...logProbs], [-1, -2, -Infinity, -Infinity, -Infinity])
})
