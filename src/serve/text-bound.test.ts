import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkTextFits } from './text-bound.ts'

test('a text is refused where the longest token alone would fill more than the context with it', () => {
  const bound = { maxContext: 10, longestToken: 8 }
  checkTextFits(80, bound)
  assert.throws(() => checkTextFits(81, bound), {
    code: 'INPUT_CONTEXT',
    message: /its 81 characters are at least 11 tokens, 1 more than the context of 10/,
  })
})
