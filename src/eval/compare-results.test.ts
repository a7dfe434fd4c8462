import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Rng } from '../core/rng.ts'
import { compareResults, parseResult, type ComparedResult } from './compare-results.ts'
import { pairedBootstrap } from './metrics/intervals.ts'

function result(
  scores: readonly number[],
  given: readonly string[],
  recipe: object = {},
  margin = 1,
): ComparedResult {
  return {
    benchmark: 'pope',
    recipe: { hash: String(scores), ...recipe },
    metrics: [],
    outcomes: scores.map((value, i) => ({
      id: String(i),
      score: value,
      given: given[i]!,
      read: '',
      expected: 'yes',
      margin,
    })),
  }
}

test('right and wrong are tested by McNemar, changes listed, near-ties told apart', () => {
  const a = result([1, 1, 0, 1], ['yes', 'yes', 'no', 'yes'], {
    model: { precision: 'f32', weights: 'w' },
  })
  const b = result(
    [1, 0, 0, 1],
    ['yes', 'no', 'nope', 'yes'],
    { model: { precision: 'q4', weights: 'w' } },
    0.01,
  )
  const comparison = compareResults(a, b)
  assert.equal(comparison.test, 'mcnemar')
  assert.equal(comparison.pValue, 1)
  assert.deepEqual(comparison.means, [0.75, 0.5])
  assert.deepEqual(
    comparison.changed.map(({ id, given, isNearTie }) => [id, given, isNearTie]),
    [['1', ['yes', 'no'], true]],
  )
  assert.deepEqual([comparison.otherTexts, comparison.nearTies], [2, 2])
  assert.deepEqual(comparison.recipeDiffers, ['model.precision'])
})

test('scores in between are tested by a paired bootstrap', () => {
  const scores = Array.from({ length: 60 }, (_, i) => (i % 10) / 10)
  const texts = scores.map(String)
  const better = scores.map((value) => Math.min(1, value + 0.1))
  const comparison = compareResults(result(scores, texts), result(better, texts))
  assert.equal(comparison.test, 'bootstrap')
  assert.ok(comparison.pValue < 0.01)
  assert.ok(comparison.difference.low! > 0.08 && comparison.difference.high! <= 0.1 + 1e-9)
  assert.equal(compareResults(result(scores, texts), result(scores, texts)).pValue, 1)
})

test('the bootstrap is symmetric: runs the other way round give the same chance', () => {
  const pairs = Array.from({ length: 40 }, (_, i): [number, number] => [(i * 7) % 5, (i * 3) % 5])
  const there = pairedBootstrap(pairs, new Rng(1))
  const back = pairedBootstrap(
    pairs.map(([a, b]) => [b, a]),
    new Rng(1),
  )
  assert.equal(there.pValue, back.pValue)
  assert.ok(Math.abs(there.mean + back.mean) < 1e-12)
})

test('a single question has no interval, and no number of resamples makes a chance of nothing', () => {
  // They were [difference, difference], and p = 0.
  const one = compareResults(result([0.2], ['x']), result([0.9], ['y']))
  assert.deepEqual([one.difference.low, one.difference.high, one.pValue], [null, null, 1])
  const always = Array.from({ length: 30 }, (): [number, number] => [0.1, 0.9])
  const { pValue } = pairedBootstrap(always, new Rng(0))
  assert.ok(pValue > 0 && pValue < 0.01, String(pValue))
  // Two questions gave 0.001, where a sign test gives a half.
  assert.equal(pairedBootstrap(always.slice(0, 2), new Rng(0)).pValue, 0.5)
  const equal = Array.from({ length: 30 }, (): [number, number] => [0.4, 0.4])
  assert.equal(pairedBootstrap(equal, new Rng(0)).pValue, 1)
})

test('other benchmarks, other questions and other files are refused', () => {
  const a = result([1], ['x'])
  assert.throws(() => compareResults(a, { ...a, benchmark: 'mme' }), { code: 'INPUT_RUNS_DIFFER' })
  assert.throws(() => compareResults(a, result([1, 1], ['x', 'y'])), { code: 'INPUT_RUNS_DIFFER' })
  assert.throws(() => parseResult({ benchmark: 'pope' }, 'a.json'), { code: 'INPUT_RESULT_BROKEN' })
})
