import assert from 'node:assert/strict'
import { test } from 'node:test'

import fc from 'fast-check'

import { filterLogits, type SamplingFilters } from './sampling-filters.ts'

const NEUTRAL: SamplingFilters = { temperature: 1, topK: 0, topP: 1, minP: 0, minKeep: 1 }

/** Few distinct values, so that ties are common; −Infinity stands for tokens that are already banned. */
const logitArrays = fc
  .array(
    fc.oneof(
      fc.integer({ min: -6, max: 6 }),
      fc.float({ min: -30, max: 30, noNaN: true }),
      fc.constant(-Infinity),
    ),
    {
      minLength: 1,
      maxLength: 60,
    },
  )
  .filter((values) => values.some(Number.isFinite))
  .map((values) => Float32Array.from(values))

/** Ids from the best down, by sorting: of equal logits the larger id first. */
function rank(logits: Float32Array): number[] {
  return [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || b - a)
}

function keptIds(logits: Float32Array): number[] {
  return [...logits.keys()].filter((id) => logits[id] !== -Infinity)
}

test('top-k keeps the k best and all that equal the last of them', () => {
  fc.assert(
    fc.property(logitArrays, fc.integer({ min: 1, max: 70 }), (logits, k) => {
      const last = logits[rank(logits)[Math.min(k, logits.length) - 1]!]!
      const expected = keptIds(logits).filter((id) => logits[id]! >= last)
      filterLogits(logits, { ...NEUTRAL, topK: k })
      assert.deepEqual(keptIds(logits), expected)
    }),
  )
})

test('top-p keeps the shortest beginning of the ranking that holds the mass, and at least minKeep', () => {
  fc.assert(
    fc.property(
      logitArrays,
      fc.double({ min: 0, max: 0.9999, noNaN: true }),
      fc.integer({ min: 1, max: 4 }),
      (logits, topP, minKeep) => {
        const ranked = rank(logits)
        const masses = ranked.map((id) => Math.exp(logits[id]! - logits[ranked[0]!]!))
        const total = masses.reduce((sum, mass) => sum + mass, 0)
        const above = ranked.map(
          (_, i) => masses.slice(0, i).reduce((sum, mass) => sum + mass, 0) / total,
        )
        fc.pre(above.every((mass) => Math.abs(mass - topP) > 1e-12 || mass === 0)) // a cut within rounding is either way
        const kept = ranked.filter((_, i) => above[i]! < topP || i < minKeep)
        const expected = kept.filter((id) => logits[id] !== -Infinity).sort((a, b) => a - b)
        filterLogits(logits, { ...NEUTRAL, topP, minKeep })
        assert.deepEqual(keptIds(logits), expected)
      },
    ),
  )
})

test('min-p keeps what is at least that share of the best', () => {
  const logits = Float32Array.from([0, Math.log(0.5), Math.log(0.099), -Infinity])
  filterLogits(logits, { ...NEUTRAL, minP: 0.1 })
  assert.deepEqual(keptIds(logits), [0, 1])
  filterLogits(logits, { ...NEUTRAL, minP: 1, minKeep: 2 })
  assert.deepEqual(keptIds(logits), [0, 1])
  filterLogits(logits, { ...NEUTRAL, minP: 1 })
  assert.deepEqual(keptIds(logits), [0])
})

test('a view into a larger buffer is filtered like an array of its own', () => {
  const buffer = Float32Array.of(99, 1, 2, 3, 99)
  filterLogits(buffer.subarray(1, 4), { ...NEUTRAL, topP: 0.5 })
  assert.deepEqual([...buffer], [99, -Infinity, -Infinity, 3, 99])
})
