import assert from 'node:assert/strict'
import { test } from 'node:test'
import { int8Saturates, X64_PRECISE } from './int8-check.ts'
import { cpuFeatures, createRuntime } from './node.ts'

test('int8 products are exact where the processor or the session promises it', async () => {
  const runtime = await createRuntime()
  const { vnni, neon } = cpuFeatures()
  if (vnni || neon) assert.equal(await int8Saturates(runtime), false)
  assert.equal(await int8Saturates(runtime, X64_PRECISE), false)
  runtime.dispose()
})
