/** An answer that is stopped while it is given. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadModel } from '../../src/index.ts'

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
