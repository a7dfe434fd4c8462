import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jsonText, parseJson } from './json-numbers.ts'

const TEXT = `{
  "initializer_factor": 1.0,
  "text_config": {
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "hidden_size": 64
  },
  "image_mean": [
    0.0,
    0.5,
    -1.50
  ],
  "model_max_length": 1000000000000000019884624838656,
  "said": "\\"1.0\\", 2.0"
}
`

test('what is read and written again is the same text', () => {
  assert.equal(jsonText(parseJson(TEXT)), TEXT)
  assert.deepEqual(JSON.parse(JSON.stringify(parseJson(TEXT))), JSON.parse(TEXT))
})

test('where a copy changes one number, only that one is written otherwise', () => {
  const json = parseJson(TEXT) as { text_config: object }
  const changed = { ...json, text_config: { ...json.text_config, rope_theta: 1e6 }, dtype: 'x' }
  const wanted = TEXT.replace('10000.0', '1000000').replace('2.0"', '2.0",\n  "dtype": "x"')
  assert.equal(jsonText(changed), wanted)
})

test('text that is not JSON is refused as JSON.parse refuses it', () => {
  for (const text of ['', '{', '[1.]', '[01.0]', '{"a": 1.0,}'])
    assert.throws(() => parseJson(text), SyntaxError, text)
})
