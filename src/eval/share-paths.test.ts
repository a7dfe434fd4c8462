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

const at = (part: string, i: number) => `images/${part}/${i}/image.png`
const count = (length: number, name: (i: number) => string) =>
  Array.from({ length }, (_, i) => name(i))
const one = count(4000, (i) => at('test', i))

// A folder that not all of them have made every path look at all names that have it.
for (const [kind, names, own] of [
  ['of one ending', one, ['test', 'train']],
  ['in two groups', ['test', 'train'].flatMap((part) => count(2000, (i) => at(part, i))), ['test']],
  ['with an odd one among them', [...one, 'other/image.png'], ['test', 'train']],
] as const) {
  test(`many names ${kind} are told apart in time that grows with them`, () => {
    const paths = ['test', 'train'].flatMap((part) => count(8000, (i) => `sq/${at(part, i)}`))
    const start = performance.now()
    const shares = sharePaths(names, paths)
    assert.ok(performance.now() - start < 5000)
    assert.deepEqual(
      shares.get(at('test', 7)),
      own.map((part) => `sq/${at(part, 7)}`),
    )
  })
}
