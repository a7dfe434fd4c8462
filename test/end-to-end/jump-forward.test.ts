/** Text that a form forces is read in one run; answers are what they are without. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import {
  loadModel,
  type GenerateOptions,
  type Model,
  type ResponseFormat,
} from '../../src/index.ts'
import { rounds } from '../thorough.ts'

let model: Model

before(async () => {
  model = await loadModel('fixtures/inference/mini-vit-crop', { precision: 'f32' })
})
after(() => model.dispose())

const FORMATS: readonly ResponseFormat[] = [
  {
    type: 'json_schema',
    schema: {
      type: 'object',
      properties: {
        description: { type: 'string', maxLength: 8 },
        isDangerous: { type: 'boolean' },
        kinds: { type: 'array', items: { enum: ['a cat', 'a dog'] }, maxItems: 3 },
      },
      required: ['description', 'isDangerous', 'kinds'],
      additionalProperties: false,
    },
  },
  { type: 'regex', pattern: '(?:ab){3}[0-9]-the end of it' },
  { type: 'choice', choices: ['The first of them.', 'The second of them, which is longer.'] },
  { type: 'ebnf', grammar: 'root ::= "<a>" [a-z]{2,5} "</a>" root | "ⴰⵣⵓⵍ"' },
]

function request(options: GenerateOptions) {
  return {
    messages: [{ role: 'user', content: 'Describe it.' } as const],
    maxTokens: 90,
    ...options,
  }
}

test('an answer in a form has the same tokens with jumps as without, alone and beside others', async () => {
  const cases = fc.record({
    responseFormat: fc.constantFrom(...FORMATS),
    temperature: fc.constantFrom(0, 0.7, 1.5),
    seed: fc.nat(1000),
    repetitionPenalty: fc.constantFrom(1, 1.3),
    topLogprobs: fc.constantFrom(0, 2),
    maxTokens: fc.constantFrom(3, 17, 90),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(cases, { minLength: 1, maxLength: 3 }), async (options) => {
      const all = (jumpForward: boolean) =>
        model.generateBatch(options.map((one) => request({ ...one, jumpForward })))
      const [with_, without] = [await all(true), await all(false)]
      for (const [i, answer] of with_.entries()) {
        assert.deepEqual(answer.tokens, without[i]?.tokens)
        assert.equal(answer.text, without[i]?.text)
        assert.equal(answer.finishReason, without[i]?.finishReason)
        assert.equal(answer.usage.completionTokens, without[i]?.usage.completionTokens)
        assert.equal(answer.logprobs?.length, without[i]?.logprobs?.length)
      }
    }),
    { numRuns: rounds(8, 25), seed: 11 },
  )
  assert.ok(model.stats().counters.jumps > 0)
})

test('where activations are rounded to 8 bits every token takes its step (a run gave other numbers)', async () => {
  for (const precision of ['q8', 'q4'] as const) {
    const path = 'fixtures/inference/mini-vit-crop'
    await using rounded = await loadModel(path, { precision, kvCache: 'f32' })
    for (const responseFormat of FORMATS) {
      const tokens = async (jumpForward: boolean) =>
        (await rounded.generate(request({ responseFormat, jumpForward }))).tokens
      assert.deepEqual(await tokens(true), await tokens(false))
    }
    assert.equal(rounded.stats().counters.jumps, 0)
  }
})

test('forced tokens take no step of their own', async () => {
  // Letters that this vocabulary knows as bytes only: there is one way to write them.
  const text = 'ⴰⵣⵓⵍ ⴰⵎⴰⵣⵉⵖ'
  const steps = async (jumpForward: boolean) => {
    const { steps: before, jumpedTokens } = model.stats().counters
    const format = { type: 'choice', choices: [text] } as const
    const answer = await model.generate(request({ responseFormat: format, jumpForward }))
    assert.equal(answer.text, text)
    const { counters } = model.stats()
    return { steps: counters.steps - before, jumped: counters.jumpedTokens - jumpedTokens }
  }
  const without = await steps(false)
  assert.ok(without.steps >= 30 && without.jumped === 0, JSON.stringify(without))
  const { steps: left, jumped } = await steps(true)
  assert.ok(left <= 20 && jumped >= 10, JSON.stringify({ left, jumped }))
})

test('a process that does nothing else waits for its answer (it once ended with exit code 13)', () => {
  const index = new URL('../../src/index.js', import.meta.url).href
  const program = `
    const { loadModel } = await import(${JSON.stringify(index)})
    const model = await loadModel('fixtures/inference/mini-vit-crop', { precision: 'f32' })
    const format = { type: 'regex', pattern: '[ab]{12}-[0-9]{3}' }
    const { text } = await model.generate({ prompt: 'a', maxTokens: 60, responseFormat: format })
    console.log(text)
    await model.dispose()`
  const args = ['--input-type=module', '-e', program]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  assert.match(stdout, /^[ab]{12}-[0-9]{3}\n$/)
})
