/** An answer that is stopped while it is given. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadModel } from '../../src/index.ts'
import { collectGarbage } from '../collect-garbage.ts'

test('an aborted answer is what there was until then', async () => {
  await using model = await loadModel('fixtures/inference/llava-mlp', { precision: 'f32' })
  const controller = new AbortController()
  let heard = ''
  const request = { prompt: 'Hello', maxTokens: 2000, ignoreEos: true, signal: controller.signal }
  for await (const event of model.stream(request)) {
    if (event.type === 'text') {
      heard += event.text
      controller.abort()
      continue
    }
    assert.equal(event.finishReason, 'abort')
    assert.ok(event.tokens.length > 0 && event.tokens.length < 2000)
    assert.equal(event.usage.completionTokens, event.tokens.length)
    assert.ok(event.text !== '' && heard !== '')
  }
})

/** Memory comes back late and in pieces. Each call has a cache of more than 1 MiB: those of 200 would be many times this. */
const NOISE_BYTES = 32 << 20

test('200 calls aborted at any moment leave memory as it was', async () => {
  // What is kept between calls, rows of pictures and caches of prompts, is full after the first calls; so are what the engine and the decoders keep.
  const options = { precision: 'f32', kvBytes: 1 << 20 } as const
  await using model = await loadModel('fixtures/inference/llava-mlp', options)
  const picture = 'fixtures/pictures/photo-640x480.jpg'
  const run = async (calls: number) => {
    for (let i = 0; i < calls; i++) {
      const controller = new AbortController()
      // From before the picture is read to the middle of the answer.
      const timer = setTimeout(() => controller.abort(), (i * 7) % 24)
      const data = new Uint8Array(64 * 64 * 3).fill(i % 8)
      const image = i % 4 === 0 ? picture : { data, width: 64, height: 64 }
      const answer = await model.generate({
        prompt: 'USER: <image>\nWhat is it? ASSISTANT:',
        images: [image],
        maxTokens: 1000,
        ignoreEos: true,
        signal: controller.signal,
      })
      clearTimeout(timer)
      assert.equal(answer.finishReason, 'abort')
    }
    collectGarbage()
    return process.memoryUsage().rss
  }
  // Busy threads take memory once and keep it; a leak takes as much again in each next 200 calls.
  let before = await run(100)
  const growths: number[] = []
  while (growths.length < 5 && !growths.some((bytes) => bytes < NOISE_BYTES)) {
    const after = await run(200)
    growths.push(after - before)
    before = after
  }
  const told = growths.map((bytes) => (bytes / 2 ** 20).toFixed(0)).join(', ')
  assert.ok(Math.min(...growths) < NOISE_BYTES, `${told} MiB more, each after 200 calls`)
})
