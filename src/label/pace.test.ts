/** The rate is that of the last half minute. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pace } from './pace.ts'

test('what was done before does not count, and what was slow long ago is forgotten', () => {
  let now = 0
  const pace = new Pace(() => now, 100)
  assert.equal(pace.perSecond(100), null)
  for (now = 1000; now <= 60_000; now += 1000) pace.note(100 + now / 1000)
  now = 60_000
  assert.equal(pace.perSecond(160), 1)
  for (now = 61_000; now <= 100_000; now += 1000) pace.note(160 + (now - 60_000) / 100)
  now = 100_000
  assert.equal(pace.perSecond(560), 10)
})
