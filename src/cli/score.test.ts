import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeLines } from './score.ts'

test('a score that several versions of a judge gave is told with a warning, and how many replies are of each', () => {
  const versions = ['j-0314', 'j-0613']
  const facts = { reviews: 24, calls: 16, cached: 8, cost: 0, nonsense: [], suspicious: [] }
  const mixed = { judge: 'j', versions, repliesOf: { 'j-0314': 8, 'j-0613': 16 }, ...facts }
  const pinned = { judge: 'j', versions: versions.slice(0, 1), ...facts }
  const lines = judgeLines({ judged: [mixed, pinned], agreement: null })
  assert.deepEqual(
    lines.map((line) => line.includes('warning')),
    [false, true, false],
  )
  assert.match(lines[1]!, /8 of j-0314, 16 of j-0613; .*--cache-dir/)
})
