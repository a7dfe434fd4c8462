/** The first space of an answer where a word's token holds it, as in LLaMA's vocabulary. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { loadModel, type GenerateRequest, type Model } from '../../src/index.ts'
import { startServer, type TestServer } from './serve-setup.ts'

let model: Model
let server: TestServer

before(async () => {
  model = await loadModel('fixtures/inference/llava-mlp', { precision: 'f32' })
  server = await startServer({ model })
})
after(async () => {
  await server.close()
  await model.dispose()
})

async function textOf(request: GenerateRequest): Promise<string> {
  const { text } = await model.generate(request)
  let streamed = ''
  for await (const event of model.stream(request)) if (event.type === 'text') streamed += event.text
  assert.equal(streamed, text)
  return text
}

/** Lets `▁red` come first and nothing end. */
function beginsWithSpace() {
  const [red] = model.tokenizer.encode('red')
  assert.equal(model.tokenizer.tokenOf(red!)?.[0], '▁')
  return { logitBias: { [red!]: 100 }, maxTokens: 3, ignoreEos: true }
}

// The form counted the space of the first token and the text lost it.
test('an answer in a form has the spaces that the form asks for', async () => {
  const forms: readonly [form: GenerateRequest['responseFormat'], expected: RegExp][] = [
    [{ type: 'choice', choices: [' yes', ' no'] }, /^ (yes|no)$/],
    [{ type: 'choice', choices: ['  two'] }, /^ {2}two$/],
    [{ type: 'regex', pattern: ' [a-c]{2,4}' }, /^ [a-c]{2,4}$/],
    [{ type: 'choice', choices: ['yes', 'no'] }, /^(yes|no)$/],
  ]
  const messages = [{ role: 'user', content: 'Hi' } as const]
  for (const [responseFormat, expected] of forms) {
    for (const prompt of [{ messages }, { prompt: 'Is it?' }]) {
      for (const stop of [[], ['never']]) {
        const request = { ...prompt, responseFormat, stop, maxTokens: 60, temperature: 1, seed: 2 }
        assert.match(await textOf(request), expected)
      }
    }
  }
})

test('prompt and answer are together what all ids decode to; an answer in a chat begins a text', async () => {
  const options = beginsWithSpace()
  const prompt = 'the picture of a red apple'
  const inputIds = model.tokenizer.encode(prompt, { addBos: true })
  const { tokens } = await model.generate({ inputIds, ...options })
  const whole = model.tokenizer.decode([...inputIds, ...tokens], { skipSpecial: true })
  assert.match(whole.slice(prompt.length), /^ red/)
  for (const input of [{ prompt }, { inputIds }]) {
    assert.equal(prompt + (await textOf({ ...input, ...options })), whole)
    assert.equal(prompt + (await textOf({ ...input, ...options, stop: ['never'] })), whole)
    const beams = await model.generate({ ...input, ...options, numBeams: 2 })
    assert.match(beams.text, /^ red/)
  }
  const messages = [{ role: 'user', content: 'Hi' } as const]
  assert.match(await textOf({ messages, ...options }), /^red/)
  // Behind the mark of a beginning nothing is continued.
  assert.match(await textOf({ inputIds: inputIds.slice(0, 1), ...options }), /^red/)
})

test('a completion over HTTP is the text behind its prompt', async () => {
  const { logitBias: logit_bias, maxTokens: max_tokens } = beginsWithSpace()
  const body = { prompt: 'an apple', logit_bias, max_tokens, ignore_eos: true }
  const response = await server.fetch(`${server.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const { choices } = (await response.json()) as { choices: { text: string }[] }
  assert.match(choices[0]?.text ?? '', /^ red/)
})

// A continuation that began with a space was scored with another before it.
test('the text of an answer scores the tokens of that answer', async () => {
  const options = beginsWithSpace()
  const begun = [
    { role: 'user', content: 'Hi' } as const,
    { role: 'assistant', content: 'It is' } as const,
  ]
  for (const input of [
    { prompt: 'Is it?' },
    { messages: begun.slice(0, 1) },
    { messages: begun },
  ]) {
    const { text, tokens } = await model.generate({ ...input, ...options })
    const score = await model.score({ ...input, continuation: text })
    assert.deepEqual(score.tokens, tokens, JSON.stringify(input))
  }
})
