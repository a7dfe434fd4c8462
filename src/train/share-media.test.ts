import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InputError } from '../core/errors.ts'
import { shareMedia, type MediaRange } from './share-media.ts'

/** Shares pictures and clips of so many rows out to sequences of so many places. */
function shared(
  places: readonly number[],
  { pictures, clips }: { readonly pictures: readonly number[]; readonly clips: readonly number[] },
) {
  const rows = (list: readonly number[], from: number, to: number) =>
    list.slice(from, to).reduce((sum, one) => sum + one, 0)
  const fills = (sequence: number, { from, to }: MediaRange) =>
    rows(pictures, from.pictures, to.pictures) + rows(clips, from.clips, to.clips) ===
    places[sequence]
  const all = { pictures: pictures.length, clips: clips.length }
  const ranges = shareMedia(all, { sequences: places.length, fills, where: 'sample 0' })
  return ranges.map(({ from, to }) => [to.pictures - from.pictures, to.clips - from.clips])
}

test('each sequence has the next pictures and clips that fill it', () => {
  const [pictures, clips] = [
    [4, 5, 4],
    [7, 3],
  ]
  assert.deepEqual(shared([7, 4, 0, 9, 3], { pictures, clips }), [
    [0, 1],
    [1, 0],
    [0, 0],
    [2, 0],
    [0, 1],
  ])
  // 4 + 3 fills the first as well, and leaves what nothing takes.
  assert.deepEqual(shared([7, 7], { pictures: [4], clips: [7, 3] }), [
    [0, 1],
    [1, 1],
  ])
})

test('what fills in several ways, or in none, is refused', () => {
  const isRefused = (message: RegExp) => (error: Error) =>
    error instanceof InputError && message.test(error.message)
  assert.throws(
    () => shared([4, 4], { pictures: [4], clips: [4] }),
    isRefused(/its pictures \(1\) and clips \(1\) in one way, and are by several/),
  )
  assert.throws(
    () => shared([4, 3], { pictures: [4], clips: [4] }),
    isRefused(/by no way of sharing them/),
  )
})
