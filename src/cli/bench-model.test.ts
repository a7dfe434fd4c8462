import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadModel, type Model } from '../index.ts'
import { measureModel, type BenchPlan } from './bench-model.ts'

function planOf(steps: string[]): BenchPlan {
  const { signal } = new AbortController()
  const onStep = (step: string) => void steps.push(step)
  return { rounds: 1, prefill: [64], streams: [1, 3], tokens: 8000, signal, onStep }
}

test('the tokens of a decode rate are those that came, where the context ends answers early', async () => {
  const maxContext = 40
  const generate = async ({ inputIds, maxTokens }: { inputIds: number[]; maxTokens: number }) => ({
    usage: { completionTokens: Math.min(maxTokens, maxContext - inputIds.length) },
    timings: { decodeMs: 1000 },
  })
  const model = {
    config: { maxContext, image: null, decoder: { vocabSize: 4 } },
    tokenizer: { tokenOf: String, specialIds: new Set() },
    generate,
    generateBatch: (requests: Parameters<typeof generate>[0][]) =>
      Promise.all(requests.map(generate)),
  }
  const { decode } = await measureModel(model as unknown as Model, planOf([]))
  assert.deepEqual(
    decode.map(({ streams, tokensPerSecond }) => [streams, tokensPerSecond.median]),
    [
      [1, 23],
      [3, 69],
    ],
  )
})

test('what the context does not hold is left out and said', async () => {
  const options = { precision: 'f32', maxContext: 17 } as const
  await using model = await loadModel('fixtures/inference/llava-mlp', options)
  const steps: string[] = []
  const speeds = await measureModel(model, planOf(steps))
  assert.deepEqual(speeds, { vision: null, prefill: [], decode: [] })
  assert.deepEqual(
    steps,
    ['picture', 'prompt of 64', 'answers'].map((what) => `no ${what}: the context holds 17`),
  )
})
