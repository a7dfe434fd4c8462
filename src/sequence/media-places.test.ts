import assert from 'node:assert/strict'
import { test } from 'node:test'

import { InputError } from '../core/errors.ts'
import { checkMediaPlaces } from './media-places.ts'

const NONE = { places: 0, given: 0 }

function message(images: { places: number; given: number }, videos = NONE): string {
  try {
    checkMediaPlaces(images, videos)
  } catch (error) {
    assert.ok(error instanceof InputError)
    return `${error.code} ${error.message}`
  }
  return ''
}

test('as many pictures as places are right', () => {
  assert.equal(message(NONE), '')
  assert.equal(message({ places: 2, given: 2 }, { places: 1, given: 1 }), '')
})

test('a place without picture and a picture without place are told apart', () => {
  assert.equal(
    message({ places: 2, given: 1 }),
    'INPUT_IMAGE_PLACES sequence: the prompt has 2 image placeholders but 1 image came with it; send one image per placeholder.',
  )
  assert.match(message({ places: 0, given: 1 }), /has no image placeholders but 1 image came/)
  assert.match(
    message(NONE, { places: 1, given: 0 }),
    /^INPUT_VIDEO_PLACES .* has 1 video placeholder but no videos came/,
  )
})

test('a picture at the tag of a clip is told where pictures stand, and both counts are named', () => {
  assert.equal(
    message({ places: 0, given: 1 }, { places: 1, given: 0 }),
    'INPUT_IMAGE_PLACES sequence: the prompt has no image placeholders but 1 image came with it, and 1 video placeholder but no videos came with it; in this model a picture stands at <image>.',
  )
  assert.match(
    message({ places: 0, given: 1 }, { places: 0, given: 2 }),
    /no image placeholders but 1 image .* no video placeholders but 2 videos .* one video per video/,
  )
})

test('a clip at the tag of a picture is told where clips stand', () => {
  assert.equal(
    message({ places: 1, given: 0 }, { places: 0, given: 1 }),
    'INPUT_IMAGE_PLACES sequence: the prompt has 1 image placeholder but no images came with it, and no video placeholders but 1 video came with it; in this model a clip stands at <video>.',
  )
})
