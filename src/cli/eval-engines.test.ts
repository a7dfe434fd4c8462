import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Arguments } from './arguments.ts'
import { JUDGE_OPTIONS, judgeLimits, judgesOf } from './eval-engines.ts'
import { UsageError } from './usage-error.ts'
import type { Session } from './verb.ts'

const args = (values: Readonly<Record<string, readonly string[]>>) =>
  new Arguments(JUDGE_OPTIONS, new Map(Object.entries(values)), [])

test('what judges may take is a count and amounts, and prices are two', () => {
  const limits = (price: string, cost = '1', calls = '9') =>
    judgeLimits(args({ 'judge-price': [price], 'judge-cost': [cost], 'judge-calls': [calls] }))
  assert.deepEqual(limits('1.5,0'), { calls: 9, cost: 1, promptPrice: 1.5, completionPrice: 0 })
  assert.deepEqual(limits('1, 2', '0', '0').calls, 0)
  // ',' was a price of nothing, and nothing ever passed the limit.
  for (const price of [',', '1,', '-1,2', '1,2,3', '1', 'a,b', '1,Infinity'])
    assert.throws(() => limits(price), UsageError, price)
  for (const cost of ['-3', '-0.5']) assert.throws(() => limits('1,1', cost), UsageError, cost)
  for (const calls of ['1.5', '-1'])
    assert.throws(() => limits('1,1', '1', calls), UsageError, calls)
  assert.throws(() => judgeLimits(args({ 'judge-cost': ['1'] })), UsageError)
})

test('two judges are compared; a third would be paid for nothing', async () => {
  const judges = (count: number) =>
    judgesOf(
      args({
        judge: Array.from({ length: count }, () => 'http://127.0.0.1:9/v1'),
        'judge-model': Array.from({ length: count }, (_, i) => `m${i}`),
      }),
      { environment: {} } as Session,
    )
  assert.equal((await judges(2)).judges.length, 2)
  await assert.rejects(judges(3), UsageError)
})
