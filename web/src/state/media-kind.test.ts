import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { isMoving, mediaKind } from './media-kind.ts'

const MOVING = readFileSync('fixtures/pictures/animated-160x160.gif')

test('a GIF with frames after its first is a clip, one without is a picture', async () => {
  assert.equal(isMoving(MOVING), true)
  const still = stillOf(MOVING)
  assert.equal(isMoving(still), false)
  assert.equal(await mediaKind(new File([MOVING], 'a.gif', { type: 'image/gif' })), 'video')
  assert.equal(await mediaKind(new File([still], 'a.gif', { type: 'image/gif' })), 'image')
})

/** The first frame alone: everything from the second image descriptor on is cut off. */
function stillOf(gif: Uint8Array): Uint8Array<ArrayBuffer> {
  for (let length = 14; length < gif.length; length++) {
    if (isMoving(gif.subarray(0, length)))
      return Uint8Array.from([...gif.subarray(0, length - 1), 0x3b])
  }
  return assert.fail('it has one frame')
}

test('no bytes at all make it go on for ever', () => {
  for (const bytes of [
    [],
    [0x47],
    Array.from({ length: 64 }, () => 0x21),
    Array.from({ length: 64 }, () => 0x2c),
  ]) {
    assert.equal(typeof isMoving(Uint8Array.from(bytes)), 'boolean')
  }
})

test('files are told apart by their type, and by their name where there is none', async () => {
  const kindOf = (name: string, type: string) => mediaKind(new File(['x'], name, { type }))
  assert.equal(await kindOf('a.jpg', 'image/jpeg'), 'image')
  assert.equal(await kindOf('a.PNG', ''), 'image')
  assert.equal(await kindOf('a', 'video/mp4'), 'video')
  assert.equal(await kindOf('a.y4m', ''), 'video')
  assert.equal(await kindOf('a.mkv', 'application/octet-stream'), 'video')
  assert.equal(await kindOf('a.svg', 'image/svg+xml'), null)
  assert.equal(await kindOf('a.txt', 'text/plain'), null)
})
