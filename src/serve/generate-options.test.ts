import assert from 'node:assert/strict'
import { test } from 'node:test'

import { InputError } from '../core/errors.ts'
import { GENERATE_DEFAULTS, OPTION_NAMES, parseGenerateOptions } from './generate-options.ts'
import { parseGenerationConfig } from './generation-config.ts'

const parse = (input: unknown, file: object = {}) =>
  parseGenerateOptions(input, parseGenerationConfig(file))

function refuses(input: unknown, pattern: RegExp, code = 'INPUT_OPTION', file: object = {}): void {
  assert.throws(
    () => parse(input, file),
    (error) => {
      assert.ok(error instanceof InputError)
      assert.match(error.message, pattern)
      assert.equal(error.code, code)
      return true
    },
  )
}

test('without options and file the contract’s defaults hold', () => {
  const options = parse({})
  for (const [name, value] of Object.entries(GENERATE_DEFAULTS)) {
    assert.equal(options[name as keyof typeof GENERATE_DEFAULTS], value, name)
  }
  assert.deepEqual(
    [options.stop, options.logitBias.size, options.responseFormat, options.signal],
    [[], 0, { type: 'text' }, undefined],
  )
  assert.deepEqual(
    parse(Object.fromEntries(OPTION_NAMES.map((name) => [name, undefined]))),
    options,
  )
})

test('every option of the contract is taken', () => {
  const { signal } = new AbortController()
  const given = {
    maxTokens: 7,
    temperature: 0.5,
    topP: 0.9,
    topK: 3,
    minP: 0.1,
    seed: -4,
    repetitionPenalty: 1.1,
    presencePenalty: -1,
    frequencyPenalty: 2,
    numBeams: 2,
    lengthPenalty: -1,
    earlyStopping: 'never',
    n: 2,
    ignoreEos: true,
    logprobs: true,
    topLogprobs: 5,
    signal,
    responseFormat: { type: 'text' },
    cacheSalt: 'tenant',
    priority: -1.5,
  } as const
  const options = parse({ ...given, stop: 'END', logitBias: { 3: -100 } })
  for (const [name, value] of Object.entries(given))
    assert.deepEqual(options[name as keyof typeof given], value, name)
  assert.deepEqual([options.stop, [...options.logitBias]], [['END'], [[3, -100]]])
})

test('unknown options are refused by name, with the nearest known one', () => {
  refuses(
    { max_tokens: 3 },
    /^generate: max_tokens is not a known name; did you mean maxTokens\.$/,
    'INPUT_UNKNOWN_OPTION',
  )
  refuses({ topk: 1 }, /did you mean topK\.$/, 'INPUT_UNKNOWN_OPTION')
  refuses(
    { zzzzzzzzzz: 3 },
    /zzzzzzzzzz is not a known name; known are maxTokens, temperature,/,
    'INPUT_UNKNOWN_OPTION',
  )
})

test('all faults come at once', () => {
  const wrong: [object, RegExp][] = [
    [{ maxTokens: 0 }, /maxTokens should be a whole number from 1, 0 came/],
    [{ maxTokens: 1.5 }, /maxTokens/],
    [{ temperature: -1 }, /temperature should be 0 or more, -1 came/],
    [{ temperature: Infinity }, /temperature should be 0 or more, Infinity came/],
    [{ temperature: '1' }, /temperature should be 0 or more, "1" came/],
    [{ topP: 1.1 }, /topP should be a number from 0 to 1/],
    [{ topK: -1 }, /topK/],
    [{ minP: NaN }, /minP should be a number from 0 to 1, NaN came/],
    [{ seed: 0.5 }, /seed should be a whole number/],
    [{ repetitionPenalty: 0 }, /repetitionPenalty should be a number from 0.000001 to 1000000/],
    [{ presencePenalty: 3 }, /presencePenalty should be a number from -2 to 2/],
    [{ logitBias: { 5: 1, a: 1 } }, /logitBias should be an object of token ids.*, "a": 1 came/],
    [{ logitBias: { 5: 101 } }, /100 each, "5": 101 came/],
    [{ logitBias: { 3: 101 } }, /logitBias/],
    ...['', '1e3', '0x10', ' 5 ', '5.0', '05'].map((id): [object, RegExp] => [
      { logitBias: { [id]: 1 } },
      /logitBias should be an object of token ids/,
    ]),
    [{ numBeams: 0 }, /numBeams/],
    [{ earlyStopping: 'always' }, /earlyStopping should be true, false or 'never', "always" came/],
    [{ stop: ['a', ''] }, /stop should be a text or a list of texts, none empty/],
    [{ stop: '\ud83d' }, /half a character/],
    [{ topLogprobs: 21 }, /topLogprobs should be a whole number from 0 to 20/],
    [{ responseFormat: { type: 'json' } }, /responseFormat should be .*json_schema/],
    [{ responseFormat: { type: 'json_object' }, numBeams: 2 }, /not offered with numBeams 2/],
    [{ responseFormat: { type: 'json_object' }, ignoreEos: true }, /ignoreEos contradicts/],
    [{ signal: {} }, /signal should be an AbortSignal, an object came/],
    [{ temperature: null }, /temperature should be 0 or more, null came/],
  ]
  for (const [input, pattern] of wrong) refuses(input, pattern)
  refuses({ maxTokens: 0, topP: 2, seed: 'x' }, /maxTokens[^]*topP[^]*seed/)
  refuses(null, /the options should be an object, null came/)
})

test('temperatures that float32 cannot divide by are the nearest that it can', () => {
  const resolved = [0, 5e-324, 1e-40, 0.7, 1e300].map(
    (temperature) => parse({ temperature }).temperature,
  )
  assert.deepEqual(resolved, [0, 0, 0, 0.7, 1e30])
})

test('options that exclude each other are refused', () => {
  refuses({ n: 2 }, /n 2 with temperature 0 would give the same answer 2 times/)
  refuses({ n: 4, numBeams: 3 }, /n 4 is more than numBeams 3/)
  refuses({ topLogprobs: 3, logprobs: false }, /contradicts logprobs false/)
  assert.equal(parse({ topLogprobs: 3 }).logprobs, true)
})

test('beams all come back unless fewer are asked for', () => {
  assert.equal(parse({ numBeams: 4 }).n, 4)
  assert.equal(parse({ numBeams: 4, n: 1 }).n, 1)
})

test('a request goes before the file, the file before the defaults', () => {
  const file = {
    repetition_penalty: 1.2,
    max_new_tokens: 50,
    num_beams: 3,
    length_penalty: 2,
    stop_strings: '##',
    early_stopping: true,
  }
  const { repetitionPenalty, maxTokens, numBeams, lengthPenalty, stop, earlyStopping } = parse(
    { maxTokens: 9, stop: [] },
    file,
  )
  assert.deepEqual(
    [repetitionPenalty, maxTokens, numBeams, lengthPenalty, stop, earlyStopping],
    [1.2, 9, 3, 2, [], true],
  )
  assert.deepEqual(parse({}, file).stop, ['##'])
})

test('a file samples only if it says do_sample, and then means transformers’ defaults', () => {
  const sampling = ({
    temperature,
    topP,
    topK,
  }: {
    temperature: number
    topP: number
    topK: number
  }) => [temperature, topP, topK]
  assert.deepEqual(sampling(parse({}, { temperature: 0.9, top_p: 0.6 })), [0, 0.6, 0])
  assert.deepEqual(sampling(parse({}, { do_sample: true })), [1, 1, 50])
  assert.deepEqual(
    sampling(parse({}, { do_sample: true, temperature: 0.7, top_p: 0.8, top_k: 20 })),
    [0.7, 0.8, 20],
  )
  assert.deepEqual(
    sampling(parse({ temperature: 0 }, { do_sample: true, temperature: 0.7 })),
    [0, 1, 50],
  )
  assert.deepEqual(
    sampling(parse({ temperature: 0.3 }, { temperature: 0.9, top_p: 0.6 })),
    [0.3, 0.6, 0],
  )
  assert.deepEqual(sampling(parse({ temperature: 0.3, topK: 0 }, { do_sample: true })), [0.3, 1, 0])
})
