import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Answer, Model } from '../index.ts'
import { showAnswer } from './show-answer.ts'
import { Terminal, type TerminalStreams } from './terminal.ts'

const ANSWER: Answer = {
  text: 'A cat.\x1b]0;gone\x07',
  tokens: [1, 2],
  finishReason: 'length',
  usage: { promptTokens: 600, imageTokens: 576, cachedTokens: 0, completionTokens: 2 },
  timings: {
    preprocessMs: 10,
    visionMs: 120,
    prefillMs: 70,
    decodeMs: 100,
    firstTokenMs: 100,
    totalMs: 200,
  },
}

/** A model that says `answer`, and what a terminal or a file then shows. */
async function shown(answer: Answer, isTTY: boolean): Promise<{ out: string; err: string }> {
  const written = { out: '', err: '' }
  const stream = (name: 'out' | 'err') => ({
    isTTY,
    write: (text: string) => void (written[name] += text),
  })
  const streams = { stdout: stream('out'), stderr: stream('err') } as unknown as TerminalStreams
  const model = {
    generate: async () => answer,
    async *stream() {
      for (const text of ['A ', 'cat.\x1b]0;gone\x07']) yield { type: 'text', text }
      yield { type: 'done', ...answer }
    },
  } as unknown as Model
  await showAnswer(model, { prompt: 'What?' }, new Terminal(streams, { NO_COLOR: '1' }))
  return written
}

test('a terminal sees the answer grow, without control characters, and how fast it came', async () => {
  const { out, err } = await shown(ANSWER, true)
  assert.equal(out, 'A cat.\ufffd]0;gone\ufffd\n')
  assert.equal(
    err,
    '576 + 24 tokens in, 2 out in 0.2 s: 20.0 a second, the first after 0.1 s; waited 0.0 s for pixels, encoded 0.1 s; cut at --max-tokens\n',
  )
})

test('a file gets the text as it is, and nothing else', async () => {
  assert.deepEqual(await shown(ANSWER, false), { out: `${ANSWER.text}\n`, err: '' })
})

test('several answers come under their numbers', async () => {
  const sequences = [
    { text: 'A cat.', tokens: [1], score: -0.5 },
    { text: 'A dog.', tokens: [2], score: -1.25 },
  ]
  const { out } = await shown({ ...ANSWER, sequences }, false)
  assert.equal(out, '1. (score -0.500)\nA cat.\n2. (score -1.250)\nA dog.\n')
})
