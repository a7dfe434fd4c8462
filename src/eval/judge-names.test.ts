import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeNames } from './judge-names.ts'
import type { Judge } from './judge.ts'

const judge = (name: string, place?: string): Judge => ({
  name,
  ...(place === undefined ? {} : { place }),
  identity: { name, place },
  ask: async () => ({ text: '', promptTokens: 0, completionTokens: 0 }),
})

test('a judge is called by its model, and by its place where another is called the same', async () => {
  assert.deepEqual(await judgeNames([judge('org/m', 'a'), judge('n', 'b')]), [
    { shown: 'org/m', file: 'org_m' },
    { shown: 'n', file: 'n' },
  ])
  // On some disks these are one file.
  for (const [one, other] of [
    ['m', 'm'],
    ['org/m', 'org_m'],
    ['M', 'm'],
  ] as const) {
    const names = await judgeNames([judge(one, 'here'), judge(other, 'there')])
    assert.deepEqual(
      names.map(({ shown }) => shown),
      [`${one} (here)`, `${other} (there)`],
    )
    assert.equal(new Set(names.map(({ file }) => file.toLowerCase())).size, 2)
  }
  const [first] = await judgeNames([judge('m'), judge('m', 'there')])
  assert.match(first!.shown, /^m \([\da-f]{8}\)$/)
})
