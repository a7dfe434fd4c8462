import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PrecisionName } from '../choose-precision.ts'
import { openParts } from '../load-checkpoint.ts'
import { MemoryPlanner, type MemoryPlan } from './plan-memory.ts'

const { config, close } = await openParts('mini', {})
close()
/** What `inspect mini --plan` plans for: a clip of 16 frames and text. */
const PROMPT = { tokens: 1784, tiles: 16, clipRows: 784 }

function planOf(precision: PrecisionName, isTableWidened: boolean): MemoryPlan {
  const planner = new MemoryPlanner(config, { isInt8Exact: true, isTableWidened })
  return planner.plan(planner.choose(precision, { maxRows: 16 }), PROMPT)
}

// Once int8 was planned at 372 MiB and q4 at 288: without the widened table, and without what each node takes.
test('the model in the package takes what is planned, in 32, 8 and 4 bits', () => {
  /** The kernel's peak in MiB, for a clip of 16 frames and 1,000 tokens: docs/decisions.md. */
  const measured = { f32: 1156, int8: 561, q4: 461 } as const
  for (const [precision, mebibytes] of Object.entries(measured)) {
    const ratio = (mebibytes << 20) / planOf(precision as keyof typeof measured, true).total
    assert.ok(ratio > 0.9 && ratio < 1.1, `${precision}: ${ratio}`)
  }
})

test('a table that is widened is held beside the weights, and while a float32 head is packed from it not twice', () => {
  const { vocabSize, hiddenSize } = config.decoder
  const table = 4 * vocabSize * hiddenSize
  const more = (precision: PrecisionName, part: 'loading' | 'workspace') =>
    planOf(precision, true)[part] - planOf(precision, false)[part]
  assert.deepEqual([more('q4', 'loading'), more('q4', 'workspace')], [table, table])
  assert.deepEqual([more('f32', 'loading'), more('f32', 'workspace')], [0, table])
})
