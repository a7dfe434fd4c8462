/** Every family over every kind of tiny checkpoint. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FAMILIES } from '../src/families/index.ts'
import { familyCases } from './families.cases.ts'
import { tinyConfig } from './tiny/checkpoint.ts'
import { TINY_CHECKPOINTS } from './tiny/checkpoints.ts'

for (const checkpoint of TINY_CHECKPOINTS) familyCases(checkpoint)

test('every family has a tiny checkpoint', () => {
  const covered = new Set(TINY_CHECKPOINTS.map((checkpoint) => tinyConfig(checkpoint).family))
  assert.deepEqual(
    FAMILIES.map(({ name }) => name).filter((name) => !covered.has(name)),
    [],
  )
})
