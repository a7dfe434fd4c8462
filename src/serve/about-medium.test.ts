/** Of several media that are wrong the first is told, whichever is found out first. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InputError } from '../core/errors.ts'
import { aboutMedium, inOrderOf } from './about-medium.ts'

test('of several that fail the first in order is told, though a later one fails before it', async () => {
  const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
  const began: string[] = []
  const read = async (medium: string) => {
    began.push(medium)
    await later(medium === 'slow' ? 20 : 1)
    throw new InputError('INPUT_IMAGE_UNREADABLE', `${medium} is broken`)
  }
  const reading = inOrderOf(['slow', 'quick'], (medium) => aboutMedium(medium, read(medium)))
  assert.deepEqual(began, ['slow', 'quick'], 'both at once')
  await assert.rejects(reading, { message: 'slow is broken', medium: 'slow' })
})

test('what comes of all is in their order', async () => {
  const lengths = await inOrderOf(['aa', 'b', 'ccc'], async ({ length }) => {
    await new Promise((resolve) => setTimeout(resolve, length))
    return length
  })
  assert.deepEqual(lengths, [2, 1, 3])
})
