import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiFailure } from './client.ts'
import { namedFailure } from './media-tokens.ts'

test('of several files the one that cannot be read is named', () => {
  const failure = (param: string | null) => new ApiFailure(400, 'INPUT_IMAGE', 'no picture.', param)
  const names = ['good.png', 'broken.png']
  const place = 'messages[0].content[1].image_url.url'
  assert.equal(namedFailure(failure(place), names), 'broken.png: no picture.')
  assert.equal(namedFailure(failure(null), names), 'no picture.')
  assert.equal(namedFailure(failure('messages[0].content[7]'), names), 'no picture.')
  assert.equal(namedFailure(new Error('gone'), names), 'gone')
})
