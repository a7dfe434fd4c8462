import assert from 'node:assert/strict'
import { test } from 'node:test'
import { int8Saturates, LARGEST_WEIGHT_WITHOUT_VNNI } from './int8-check.ts'
import { cpuFeatures, createRuntime } from './node.ts'
import type { Runtime } from './runtime.ts'

test('int8 products are exact with VNNI or NEON, and everywhere for weights of seven bits', async () => {
  const runtime = await createRuntime()
  const { vnni, neon } = cpuFeatures()
  if (vnni || neon) assert.equal(await int8Saturates(runtime), false)
  assert.equal(await int8Saturates(runtime, LARGEST_WEIGHT_WITHOUT_VNNI), false)
  runtime.dispose()
})

test('a product that saturates in 16 bits is noticed', async () => {
  assert.equal(await int8Saturates(saturatingRuntime()), true)
})

/** Computes as a processor without VNNI: pairs of products are added in 16 bits. */
function saturatingRuntime(): Runtime {
  const pair = (weight: number) => Math.max(-32768, Math.min(32767, 255 * weight * 2))
  return {
    tensor: (_: unknown, shape: readonly number[]) => ({
      shape,
      data: new Float32Array((shape[0] as number) * (shape[1] as number)),
      dispose: () => undefined,
    }),
    createSession: async () => ({
      run: async (_: unknown, { y }: { y: { data: Float32Array } }) => {
        y.data.forEach((_value, i) => (y.data[i] = (32 * pair(i % 2 ? -127 : 127)) / (255 * 127)))
      },
      dispose: () => undefined,
    }),
  } as unknown as Runtime
}
