import assert from 'node:assert/strict'
import { test } from 'node:test'

import { AnswerStream, type AnswerStreamOptions } from './answer-stream.ts'

const END = 0
const WORDS = ['</s>', 'Hello', ' wor', 'ld', '##', '#', ' é']

const options: AnswerStreamOptions = {
  maxTokens: 10,
  stop: [],
  ignoreEos: false,
  eosTokenIds: [END],
  logprobs: false,
}

/** Gives each word one character late, as a decoder that waits for the rest of a character does. */
function lateDecoder() {
  let open = ''
  return {
    push(id: number) {
      const text = open + WORDS[id]!
      open = text.slice(-1)
      return text.slice(0, -1)
    },
    end: () => open,
  }
}

function run(ids: readonly number[], changes: Partial<AnswerStreamOptions> = {}) {
  const stream = new AnswerStream(lateDecoder(), { ...options, ...changes })
  let given = ''
  for (const id of ids) {
    given += stream.push({ id, logprob: -id, top: [] })
    if (stream.finishReason !== undefined) break
  }
  if (stream.finishReason === undefined) given += stream.abort()
  assert.equal(stream.text, given)
  return {
    text: stream.text,
    tokens: stream.tokens,
    finishReason: stream.finishReason,
    logprobs: stream.logprobs,
  }
}

test('an end token ends the answer and is not part of it', () => {
  const { text, tokens, finishReason } = run([1, 2, 3, END, 1])
  assert.deepEqual(
    { text, tokens, finishReason },
    { text: 'Hello world', tokens: [1, 2, 3], finishReason: 'stop' },
  )
})

test('ignoreEos takes an end token as any other', () => {
  const { text, finishReason } = run([1, END, 2], { ignoreEos: true, maxTokens: 3 })
  assert.deepEqual({ text, finishReason }, { text: 'Hello</s> wor', finishReason: 'length' })
})

test('the last token allowed ends with length, an end token in its place with stop', () => {
  assert.equal(run([1, 2, 3], { maxTokens: 2 }).finishReason, 'length')
  assert.equal(run([1, END], { maxTokens: 2 }).finishReason, 'stop')
})

test('a stop string is not in the text, its tokens are counted', () => {
  const { text, tokens, finishReason } = run([1, 4, 5, 2, 3], { stop: ['###'] })
  assert.deepEqual(
    { text, tokens, finishReason },
    { text: 'Hello', tokens: [1, 4, 5, 2], finishReason: 'stop' },
  )
})

test('a stop string that the very last characters complete still counts', () => {
  const { text, finishReason } = run([1, 4, 5], { stop: ['###'], maxTokens: 3 })
  assert.deepEqual({ text, finishReason }, { text: 'Hello', finishReason: 'stop' })
  assert.equal(run([1, 4, 5, END], { stop: ['###'] }).text, 'Hello')
})

test('an abort gives out what was held back', () => {
  const { text, finishReason } = run([1, 4], { stop: ['###'] })
  assert.deepEqual({ text, finishReason }, { text: 'Hello##', finishReason: 'abort' })
})

test('an abort after the end changes nothing', () => {
  const stream = new AnswerStream(lateDecoder(), options)
  stream.push({ id: 1, logprob: 0, top: [] })
  stream.push({ id: END, logprob: 0, top: [] })
  assert.equal(stream.abort(), '')
  assert.deepEqual([stream.text, stream.finishReason], ['Hello', 'stop'])
})

test('log-probabilities belong to the tokens, one each', () => {
  const { logprobs } = run([1, 2, END], { logprobs: true })
  assert.deepEqual(
    logprobs.map(({ id, logprob }) => [id, logprob]),
    [
      [1, -1],
      [2, -2],
    ],
  )
})
