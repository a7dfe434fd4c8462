import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Rng } from '../core/rng.ts'
import { BatchSchedule } from './batch-schedule.ts'
import { drawEpoch } from './draw-epoch.ts'
import { mixIndices } from './mix.ts'
import { packRows } from './pack-rows.ts'
import { BATCHINGS, planEpoch, type BatchOptions, type SampleLength } from './plan-epoch.ts'
import { usableRecords } from './usable-records.ts'

const lengths: fc.Arbitrary<SampleLength[]> = fc.array(
  fc.record({
    words: fc.integer({ min: 1, max: 300 }),
    tokens: fc.integer({ min: 1, max: 1000 }),
    hasMedia: fc.boolean(),
  }),
  { minLength: 1, maxLength: 120 },
)
const batches: fc.Arbitrary<BatchOptions> = fc.record({
  batching: fc.constantFrom(...BATCHINGS),
  batchSize: fc.integer({ min: 1, max: 6 }),
  accumulation: fc.integer({ min: 1, max: 4 }),
  rowTokens: fc.constant(1000),
})
const seeds = fc.integer({ min: 0, max: 2 ** 31 })

const sorted = (numbers: Iterable<number>) => [...numbers].sort((a, b) => a - b)
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)

test('every plan shows every sample once, repeats with its seed, and fills its steps', () => {
  fc.assert(
    fc.property(lengths, batches, seeds, (all, options, seed) => {
      const plan = planEpoch(all, options, new Rng(seed))
      assert.deepEqual(sorted(plan.flat(2)), upTo(all.length))
      assert.deepEqual(planEpoch(all, options, new Rng(seed)), plan)
      const size = options.batchSize * options.accumulation
      for (const step of plan) assert.ok(step.flat().length <= size && step.length > 0)
      if (options.batching === 'perModality') return
      assert.equal(plan.length, Math.ceil(all.length / size))
      for (const step of plan.slice(0, -1)) assert.equal(step.flat().length, size)
    }),
  )
})

const isMixed = (step: readonly (readonly number[])[], all: readonly SampleLength[]) =>
  new Set(step.flat().map((sample) => all[sample]!.hasMedia)).size > 1

test('grouped steps are of one modality but for what is left at the end; perModality steps are always', () => {
  fc.assert(
    fc.property(lengths, batches, seeds, (all, options, seed) => {
      const size = options.batchSize * options.accumulation
      const grouped = planEpoch(all, { ...options, batching: 'grouped' }, new Rng(seed))
      const left = [true, false].map((media) => {
        const count = all.filter(({ hasMedia }) => hasMedia === media).length
        return count === 0 ? 0 : count % size || size
      })
      const whole = Math.floor((all.length - left[0]! - left[1]!) / size)
      for (const step of grouped.slice(0, whole)) assert.ok(!isMixed(step, all))
      const apart = planEpoch(all, { ...options, batching: 'perModality' }, new Rng(seed))
      for (const step of apart) assert.ok(!isMixed(step, all))
    }),
  )
})

test('grouping evens out the micro-batches of a step', () => {
  const rng = new Rng(3)
  const all = upTo(512).map((i) => ({
    words: 1 + rng.integer(200),
    tokens: 1,
    hasMedia: i % 2 === 0,
  }))
  const spread = (batching: 'grouped' | 'mixed') =>
    planEpoch(all, { batching, batchSize: 8, accumulation: 4, rowTokens: 1 }, new Rng(0))
      .map((step) => {
        const totals = step.map((batch) => batch.reduce((sum, i) => sum + all[i]!.words, 0))
        return Math.max(...totals) - Math.min(...totals)
      })
      .reduce((sum, one) => sum + one, 0)
  assert.ok(spread('grouped') < 0.2 * spread('mixed'), `${spread('grouped')}, ${spread('mixed')}`)
})

test('packed rows hold every sample once and no more than they may; no two half-full rows are left', () => {
  const tokens = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 60 })
  fc.assert(
    fc.property(tokens, (all) => {
      const rows = packRows(upTo(all.length), (sample) => all[sample]!, 100)
      assert.deepEqual(sorted(rows.flat()), upTo(all.length))
      const fill = rows.map((row) => row.reduce((sum, sample) => sum + all[sample]!, 0))
      assert.ok(fill.every((sum) => sum <= 100))
      assert.ok(fill.filter((sum) => sum <= 50).length <= 1)
      const least = Math.ceil(all.reduce((a, b) => a + b, 0) / 100)
      assert.ok(
        rows.length <= (11 / 9) * Math.max(least, all.filter((n) => n > 50).length) + 2 ||
          rows.length <= 1.7 * least + 1,
      )
    }),
  )
  assert.throws(() => packRows([4], () => 101, 100), { code: 'INPUT_TOO_LONG' })
})

const range = (start: number, length: number) => upTo(length).map((i) => start + i)

test('sources with weights get their shares, and every record its turn', () => {
  const sources = [range(0, 58), range(58, 23), range(81, 77)]
  const weighted = sources.map((samples) => ({ samples, weight: 1 }))
  const seen = new Int32Array(158)
  for (let epoch = 0; epoch < 40; epoch++) {
    const drawn = drawEpoch(weighted, epoch, 7)
    assert.equal(drawn.length, 158)
    assert.deepEqual(drawEpoch(weighted, epoch, 7), drawn)
    for (const samples of sources) {
      const own = drawn.filter((sample) => samples.includes(sample))
      assert.ok(Math.abs(own.length - 158 / 3) < 1)
    }
    for (const sample of drawn) seen[sample]!++
  }
  for (const samples of sources) {
    const own = samples.map((sample) => seen[sample]!)
    assert.ok(Math.max(...own) - Math.min(...own) <= 1, 'used evenly over epochs')
  }
})

test('without weights an epoch is every sample once; an empty source takes nothing', () => {
  const plain = [
    { samples: range(0, 3), weight: null },
    { samples: range(3, 2), weight: null },
  ]
  assert.deepEqual([...drawEpoch(plain, 4, 1)], [0, 1, 2, 3, 4])
  const weighted = [
    { samples: [], weight: 5 },
    { samples: range(0, 4), weight: 1 },
  ]
  assert.deepEqual(sorted(drawEpoch(weighted, 0, 1)), [0, 1, 2, 3])
})

test('every epoch has as many steps, weights or not', () => {
  fc.assert(
    fc.property(
      lengths,
      batches,
      seeds,
      fc.integer({ min: 1, max: 9 }),
      (all, options, seed, ratio) => {
        const half = Math.floor(all.length / 2)
        const sources = [
          { start: 0, length: half, weight: ratio },
          { start: half, length: all.length - half, weight: 1 },
        ]
        const schedule = new BatchSchedule({ ...options, lengths: all, sources, seed })
        const steps = schedule.stepsPerEpoch
        for (let epoch = 1; epoch < 5; epoch++) {
          schedule.at(epoch, steps - 1)
          assert.throws(() => schedule.at(epoch, steps), { message: /has no step/ })
        }
      },
    ),
    { numRuns: 60 },
  )
})

test('a schedule that goes on from its state shows what an uninterrupted one shows', () => {
  fc.assert(
    fc.property(
      lengths,
      batches,
      seeds,
      fc.nat(60),
      fc.boolean(),
      (all, options, seed, stop, hasWeights) => {
        const half = Math.floor(all.length / 2)
        const weight = hasWeights ? 1 : null
        const sources = [
          { start: 0, length: half, weight },
          { start: half, length: all.length - half, weight },
        ]
        const make = (state?: BatchSchedule['state']) =>
          new BatchSchedule({ ...options, lengths: all, sources, seed }, state)
        const whole = make()
        for (let i = 0; i < stop; i++) whole.next()
        const state = JSON.parse(JSON.stringify(whole.state)) as BatchSchedule['state']
        const resumed = make(state)
        for (let i = 0; i < 12; i++) assert.deepEqual(resumed.next(), whole.next())
      },
    ),
    { numRuns: 60 },
  )
})

test('epochs differ, seeds differ, and another run is refused', () => {
  const all = upTo(40).map((i) => ({ words: i + 1, tokens: i + 1, hasMedia: i % 3 > 0 }))
  const options = {
    batching: 'mixed',
    batchSize: 4,
    accumulation: 1,
    rowTokens: 99,
    lengths: all,
    seed: 0,
  } as const
  const schedule = new BatchSchedule(options)
  assert.equal(schedule.stepsPerEpoch, 10)
  assert.notDeepEqual(schedule.at(0, 0), schedule.at(1, 0))
  assert.notDeepEqual(schedule.at(0, 0), new BatchSchedule({ ...options, seed: 1 }).at(0, 0))
  const { state } = schedule
  const others = [
    { seed: 1 },
    { batchSize: 5 },
    { lengths: all.slice(1) },
    { batching: 'grouped' as const },
  ]
  for (const other of others) {
    assert.throws(() => new BatchSchedule({ ...options, ...other }, state), {
      code: 'CONFIG_RESUME_DATA',
    })
  }
})

test('a smaller mix lies inside a larger one, and sources keep their shares', () => {
  fc.assert(
    fc.property(
      seeds,
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      (seed, a, b) => {
        const [small, large] = [Math.min(a, b), Math.max(a, b)].map((ratio) =>
          mixIndices(500, ratio, seed),
        )
        const outer = new Set(large)
        assert.ok([...small!].every((index) => outer.has(index)))
      },
    ),
  )
  assert.equal(mixIndices(100, 1, 3).length, 100)
  const half = mixIndices(20_000, 0.5, 0)
  const first = half.filter((index) => index < 4000).length
  // Five standard deviations of a fair coin.
  assert.ok(Math.abs(first - 2000) < 5 * Math.sqrt(1000))
  assert.ok(Math.abs(half.length - 10_000) < 5 * Math.sqrt(5000))
  for (const ratio of [0, -1, 1.1, NaN]) {
    assert.throws(() => mixIndices(5, ratio, 0), { code: 'CONFIG_MIX_RATIO' })
  }
})

test('what is usable keeps its number in the data set and its source', () => {
  const fact = { modality: 'text', words: 3, tokens: null, sizes: [] } as const
  const seen = {
    ...fact,
    modality: 'image',
    tokens: { total: 9, longest: 9, media: 4, learnt: 2 },
  } as const
  const sources = [
    { name: 'a', path: '', start: 0, length: 3, weight: 1 },
    { name: 'b', path: '', start: 3, length: 2, weight: 2 },
  ]
  const usable = usableRecords({ sources }, [fact, null, seen, null, seen])
  assert.deepEqual([...usable.indices], [0, 2, 4])
  assert.deepEqual(usable.lengths[0], { words: 3, tokens: 3, hasMedia: false })
  assert.deepEqual(usable.lengths[1], { words: 3, tokens: 9, hasMedia: true })
  assert.deepEqual(usable.sources, [
    { start: 0, length: 2, weight: 1 },
    { start: 2, length: 1, weight: 2 },
  ])
})
