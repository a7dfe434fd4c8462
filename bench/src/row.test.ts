import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatRow, rowToJson, type Row } from './row.ts'

const ROW: Row = {
  name: 'prefill',
  what: '600 tokens in',
  unit: 'ms',
  ours: { samples: [100, 120, 110] },
  comparisons: [{ label: 'peer', measured: { samples: [200, 300, 220] }, bar: 2.5 }],
  limit: 105,
  floor: { value: 55, from: 'operations' },
}

test('a row says what was reached and what was not', () => {
  assert.equal(
    formatRow(ROW),
    [
      'prefill: 600 tokens in',
      '  ours                                 110 [100–120] ms  limit 105 ms MISSED',
      '  peer                                 220 [200–300] ms  ratio 2.00 [2.00–2.50]  bar 2.50 MISSED',
      '  floor 55.0 ms (operations): 50 % of it reached',
    ].join('\n'),
  )
})

test('a program reads the same verdicts', () => {
  const { reached, share, comparisons } = rowToJson(ROW) as {
    reached: boolean
    share: number
    comparisons: { reached: boolean; ratio: { median: number } }[]
  }
  assert.equal(reached, false)
  assert.equal(share, 0.5)
  assert.equal(comparisons[0]?.reached, false)
  assert.equal(comparisons[0]?.ratio.median, 2)
})
