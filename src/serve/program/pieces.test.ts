import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gen, select, video, type GenOptions } from './pieces.ts'

test('options that a place would drop are refused by name, and so are unknown ones', () => {
  const refused = {
    n: 2,
    numBeams: 4,
    lengthPenalty: 2,
    earlyStopping: true,
    lookup: true,
    logprobs: true,
    topLogprobs: 3,
    signal: new AbortController().signal,
    maxToken: 3,
  }
  for (const [name, value] of Object.entries(refused)) {
    const options = { [name]: value } as GenOptions
    assert.throws(() => gen('a', options), new RegExp(`^InputError: gen: ${name} is not`), name)
  }
  assert.throws(() => gen('a', { numBeams: 4, n: 2 } as GenOptions), /n is not[^]*numBeams is not/)
  const taken = { maxTokens: 3, regex: 'a', jumpForward: false, temperature: undefined } as const
  assert.deepEqual(gen('a', taken), { type: 'gen', name: 'a', options: taken })
})

test('a place without a name is refused', () => {
  for (const name of [undefined, '', 3]) {
    assert.throws(() => gen(name as string), { code: 'INPUT_OPTION', message: /name should be a/ })
    assert.throws(() => select(name as string, ['a']), { code: 'INPUT_OPTION' })
  }
})

test('options that are no object are refused, and none may be null', () => {
  const other = 5 as never
  for (const write of [
    () => gen('a', other),
    () => select('a', ['b'], other),
    () => video('c', other),
  ]) {
    assert.throws(write, { code: 'INPUT_OPTION', message: /options should be an object, 5 came/ })
  }
  assert.deepEqual(gen('a', null), gen('a'))
  assert.deepEqual(select('a', ['b'], null), select('a', ['b']))
  assert.deepEqual(video('c', null), video('c'))
})
