import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alternate, median, range, ratio, warmUp, type Contender } from './rounds.ts'

test('every contender runs once a round, and another one begins each time', async () => {
  const order: string[] = []
  const contender = (label: string): Contender => ({
    label,
    sample: async (round) => (order.push(`${label}${round}`), round),
  })
  const measured = await alternate([contender('a'), contender('b')], 2)
  assert.deepEqual(order, ['b1', 'a1', 'a2', 'b2'])
  assert.deepEqual(measured.get('a'), { samples: [1, 2] })
})

test('what is far slower than the fastest of its kind does not take part', async () => {
  const taking = (label: string, ms: number): Contender => ({ label, sample: async () => ms })
  const kept = await warmUp([taking('slow', 140), taking('fast', 100), taking('near', 120)])
  assert.deepEqual(
    kept.map(({ label }) => label),
    ['fast', 'near'],
  )
  assert.deepEqual(await warmUp([]), [])
})

test('ratios are taken round by round', () => {
  const times = ratio({ samples: [10, 40, 30] }, { samples: [5, 10, 10] })
  assert.deepEqual(times.samples, [2, 4, 3])
  assert.equal(median(times), 3)
  assert.equal(median({ samples: [1, 4] }), 2.5)
  assert.deepEqual(range(times), [2, 4])
})
