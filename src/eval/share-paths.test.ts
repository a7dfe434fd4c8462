import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { sharePaths } from './share-paths.ts'

const folder = fc.constantFrom('a', 'b', 'c', 'd')
const place = fc.array(folder, { maxLength: 3 }).map((folders) => [...folders, 'i.png'].join('/'))
const places = (minLength: number) => fc.uniqueArray(place, { minLength, maxLength: 6 })

const shared = (one: string, other: string) => {
  const folders = new Set(other.split('/').slice(0, -1))
  return one
    .split('/')
    .slice(0, -1)
    .filter((part) => folders.has(part)).length
}

test('a path is of the name that shares more folders with it than any other name', () => {
  fc.assert(
    fc.property(places(1), places(0), (names, paths) => {
      const shares = sharePaths(names, paths)
      for (const name of names) {
        const others = names.filter((one) => one !== name)
        const own = paths.filter((path) =>
          others.every((one) => shared(one, path) < shared(name, path)),
        )
        assert.deepEqual(shares.get(name), own)
      }
    }),
  )
})

test('many names of one ending are told apart in time that grows with them', () => {
  const at = (part: string, i: number) => `images/${part}/${i}/image.png`
  const names = Array.from({ length: 4000 }, (_, i) => at('test', i))
  const paths = ['test', 'train'].flatMap((part) =>
    Array.from({ length: 8000 }, (_, i) => `sq/${at(part, i)}`),
  )
  const start = performance.now()
  const shares = sharePaths(names, paths)
  assert.ok(performance.now() - start < 5000)
  assert.deepEqual(shares.get(at('test', 7)), [
    'sq/images/test/7/image.png',
    'sq/images/train/7/image.png',
  ])
})
