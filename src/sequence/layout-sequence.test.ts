import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InputError } from '../core/errors.ts'
import { foldPlaces, layoutSequence, type MediaRows } from './layout-sequence.ts'

const image = (rows: number): MediaRows => ({ kind: 'image', rows })
const video = (rows: number): MediaRows => ({ kind: 'video', rows })
const APART = { image: 100, video: 200 }
const SHARED = { image: -200, video: -200 }

test('each place is as long as what stands in it', () => {
  const { inputIds, imageSlots, order } = layoutSequence([1, 100, 2, 100], APART, [
    image(2),
    image(1),
  ])
  assert.deepEqual(inputIds, [1, 100, 100, 2, 100])
  assert.deepEqual([...imageSlots], [1, 2, 4])
  assert.deepEqual(order, [0, 1])
})

test('pictures and clips with places of their own find them whatever their order', () => {
  const { inputIds, order } = layoutSequence([200, 1, 100], APART, [image(1), video(2)])
  assert.deepEqual(inputIds, [200, 200, 1, 100])
  assert.deepEqual(order, [1, 0])
})

test('in places of one kind they stand in the order in which they are given', () => {
  const { inputIds, order } = layoutSequence([-200, 1, -200], SHARED, [video(2), image(1)])
  assert.deepEqual(inputIds, [-200, -200, 1, -200])
  assert.deepEqual(order, [0, 1])
})

test('an empty picture leaves its place empty', () => {
  const { inputIds, imageSlots } = layoutSequence([1, 100, 2], APART, [image(0)])
  assert.deepEqual(inputIds, [1, 2])
  assert.equal(imageSlots.length, 0)
})

test('places and what came must be as many', () => {
  const refused = (ids: number[], places: typeof APART, media: MediaRows[], message: RegExp) =>
    assert.throws(
      () => layoutSequence(ids, places, media),
      (error) => error instanceof InputError && message.test(error.message),
    )
  refused([100], APART, [], /1 image placeholder but no images/)
  refused([100], APART, [image(1), video(1)], /no video placeholders but 1 video/)
  refused([-200, -200], SHARED, [video(1)], /2 placeholders but 1 picture or clip/)
  refused([1], SHARED, [video(1)], /no placeholders but 1 picture or clip/)
  refused([1], SHARED, [image(1)], /no image placeholders but 1 image/)
  assert.throws(() => layoutSequence([1], { image: null, video: null }, [image(1)]), InputError)
})

test('places that are repeated already are folded back, others stay', () => {
  const places = { image: 9, video: 8 }
  const media = [
    { kind: 'image', rows: 3 },
    { kind: 'video', rows: 2 },
    { kind: 'image', rows: 1 },
  ] as const
  const folded = [1, 9, 2, 8, 9, 3]
  assert.deepEqual(foldPlaces([1, 9, 9, 9, 2, 8, 8, 9, 3], places, media), folded)
  assert.deepEqual(foldPlaces(folded, places, media), folded)
  assert.deepEqual(foldPlaces([9, 9, 1], places, media), [9, 9, 1])
})
