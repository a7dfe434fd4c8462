import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tokensPerSecond } from './tokens-per-second.ts'

test('an answer that comes in one piece tells no rate', () => {
  const rate = (completionTokens: number, firstMs: number, totalMs: number) =>
    tokensPerSecond({
      usage: { promptTokens: 1, imageTokens: 0, cachedTokens: 0, completionTokens },
      firstMs,
      totalMs,
    })
  assert.equal(rate(26, 500, 501), null)
  assert.equal(rate(26, 500, 500), null)
  assert.equal(rate(1, 500, 900), null)
  assert.equal(rate(21, 500, 1500), 20)
})
