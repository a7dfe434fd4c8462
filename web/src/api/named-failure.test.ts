import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiFailure } from './client.ts'
import { namedFailure } from './named-failure.ts'

const NAMES = [[], ['good.png', 'broken.png'], [], ['more.png']]

function told(message: string, param: string | null = null): string {
  return namedFailure(new ApiFailure(400, 'INPUT_IMAGE', message, param), NAMES)
}

test('of several files the one that cannot be read is named', () => {
  const place = 'messages[1].content[1].image_url.url'
  assert.equal(told('no picture.', place), 'broken.png: no picture.')
  assert.equal(told('no picture.', 'messages[3].content[0]'), 'more.png: no picture.')
  assert.equal(told('no picture.'), 'no picture.')
  assert.equal(told('no picture.', 'messages[1].content[7]'), 'no picture.')
  assert.equal(namedFailure(new Error('gone'), NAMES), 'gone')
})

test('a name stands in the place of the path that a message begins with', () => {
  const path = 'messages[3].content[0].image_url'
  assert.equal(told(`${path}: a request may have 3.`), 'more.png: a request may have 3.')
  assert.equal(told(`${path}: too large.`, path), 'more.png: too large.')
  assert.equal(told(`${path} should be a URL.`), 'more.png should be a URL.')
})
