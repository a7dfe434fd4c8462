import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measureFloor } from './bench-floor.ts'

test('measuring the floor ends with its signal', async () => {
  const reason = new Error('enough')
  const signal = AbortSignal.abort(reason)
  await assert.rejects(measureFloor(['f32'], { threads: 1, signal }), reason)
})
