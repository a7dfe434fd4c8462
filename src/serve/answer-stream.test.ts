import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'

import { loadTokenizer } from '../text/node.ts'
import { AnswerStream, readTokens, type AnswerStreamOptions } from './answer-stream.ts'

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
    open: '',
    endBefore: () => open,
  }
}

const llama = await loadTokenizer('fixtures/text/tokenizers/llava-mlp')

function byteName(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
}

function runLlama(ids: readonly number[], stop: readonly string[]) {
  const stream = new AnswerStream(llama.stream({ wholeRuns: true }), {
    ...options,
    maxTokens: ids.length,
    stop,
  })
  let given = ''
  for (const id of ids) {
    given += stream.push({ id, logprob: 0, top: [] })
    if (stream.finishReason !== undefined) break
  }
  assert.equal(stream.text, given)
  return { text: given, tokens: stream.tokens.length, stop: stream.stopString }
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

// LLaMA's line feed is a byte: its run was held until another token came, and the answer went on meanwhile.
test('a stop string in a run of bytes ends the answer at its own token', () => {
  const letter = llama.idOf('a')!
  const bytes = (...list: number[]) => list.map((byte) => llama.idOf(byteName(byte))!)
  const cases: [ids: number[], stop: string, expected: { text: string; tokens: number }][] = [
    [[letter, ...bytes(0x0a), letter], '\n', { text: 'a', tokens: 2 }],
    [[letter, ...bytes(0x0a, 0x0a, 0x0a)], '\n\n', { text: 'a', tokens: 3 }],
    [[letter, ...bytes(0x0a, 0x41)], 'a\n', { text: '', tokens: 2 }],
    [[letter, ...bytes(0xe2, 0x82, 0xac, 0x0a)], '\n', { text: 'a€', tokens: 5 }],
    [[...bytes(0x0a, 0xe2, 0x82, 0xac, 0x0a), letter], '€', { text: '\n', tokens: 4 }],
    // Of a broken run no character is left, as the whole text has it.
    [[...bytes(0x41, 0xff, 0x0a), letter], '\n', { text: '\ufffd\ufffd', tokens: 3 }],
    [[...bytes(0x41, 0xff, 0x42), letter], '\ufffd', { text: '', tokens: 4 }],
  ]
  for (const [ids, stop, expected] of cases) {
    assert.deepEqual(runLlama(ids, [stop, 'never']), { ...expected, stop }, JSON.stringify(stop))
  }
})

test('an answer ends with the first token whose text holds a stop string, bytes or not', () => {
  const byte = fc.constantFrom(0x0a, 0x41, 0x62, 0xe2, 0x82, 0xac, 0xff)
  const id = fc.oneof(
    byte.map((value) => llama.idOf(byteName(value))!),
    fc.constantFrom('a', 'b', '▁a', '▁').map((token) => llama.idOf(token)!),
  )
  const ids = fc.array(id, { minLength: 1, maxLength: 12 })
  const stop = fc.constantFrom('\n', 'a', 'b\n', '\nA', '€', 'A€', ' a')
  fc.assert(
    fc.property(ids, stop, (list, word) => {
      const stopped = runLlama(list, [word])
      const whole = llama.decode(list, { skipSpecial: true })
      // What comes later may break the bytes of a run and change how it reads, so only what came counts.
      const written = (count: number) => llama.decode(list.slice(0, count), { skipSpecial: true })
      assert.ok(written(stopped.tokens).startsWith(stopped.text))
      assert.equal(written(stopped.tokens - 1).includes(word), false)
      if (whole.includes(word)) assert.equal(stopped.stop, word)
      const read = readTokens(list, llama.stream({ wholeRuns: true }), [word])
      read.abort()
      assert.deepEqual([read.text, read.stopString], [stopped.text, stopped.stop])
    }),
    { numRuns: 2000 },
  )
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
