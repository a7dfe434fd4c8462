import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Feeds, Runtime, Session, Tensor } from '../runtime/runtime.ts'
import type { VisionConfig } from '../vision/vision-transformer.ts'
import { VisionRunner } from './vision-runner.ts'

const VISION: VisionConfig = {
  kind: 'clip',
  imageSize: 2,
  patchSize: 1,
  hiddenSize: 4,
  intermediateSize: 4,
  numLayers: 1,
  numHeads: 1,
  activation: 'gelu',
  epsilon: 1e-5,
  hasClassToken: true,
  hasPreNorm: true,
  hasPatchBias: false,
  featureLayers: [1],
  dropFirstRow: true,
}
const PROJECTOR = { depth: 2, activation: 'gelu', inputSize: 4, hiddenSize: 2, bias: true } as const
/** One tile gives four rows of two numbers. */
const TILE_BYTES = 4 * 2 * 4
const TILE = 3 * 2 * 2

/** A runner whose session answers with the sum of the pixels, and how often it ran. */
function countingRunner(cacheBytes: number) {
  const counted = { runs: 0, tensors: 0 }
  const tensor = (data: Float32Array): Tensor => {
    counted.tensors++
    return { data, dispose: () => counted.tensors-- } as unknown as Tensor
  }
  const tower = {
    async run(inputs: Feeds, outputs: Feeds) {
      counted.runs++
      await Promise.resolve()
      const pixels = inputs['pixelValues']!.data as Float32Array
      if (Number.isNaN(pixels[0])) throw new Error('stopped')
      ;(outputs['features']!.data as Float32Array).fill(pixels.reduce((a, b) => a + b, 0))
    },
    dispose() {},
  } as unknown as Session
  const runtime = { tensor: (_: string, __: unknown, data: Float32Array) => tensor(data) }
  const runner = new VisionRunner({
    runtime: runtime as unknown as Runtime,
    sessions: { tower, projector: null },
    vision: VISION,
    projector: PROJECTOR,
    cacheBytes,
  })
  const encode = (hash: string, ...tiles: number[]) => {
    const pixelValues = Float32Array.from(
      { length: tiles.length * TILE },
      (_, i) => tiles[Math.floor(i / TILE)]!,
    )
    return runner.encode({ hash, pixelValues }, {})
  }
  return { runner, counted, encode }
}

test('tiles go through one by one, each into its place', async () => {
  const { encode, counted } = countingRunner(0)
  const rows = await encode('a', 1, 2)
  assert.deepEqual([...rows], [...Array<number>(8).fill(12), ...Array<number>(8).fill(24)])
  assert.deepEqual(counted, { runs: 2, tensors: 0 })
})

test('a picture that comes again is not encoded again', async () => {
  const { encode, counted, runner } = countingRunner(10 * TILE_BYTES)
  const first = await encode('a', 1)
  assert.equal(await encode('a', 1), first)
  assert.equal(counted.runs, 1)
  assert.ok(runner.has('a') && !runner.has('b'))
})

test('the picture that was longest not asked for goes when there is no more room', async () => {
  const { encode, runner } = countingRunner(2 * TILE_BYTES)
  await encode('a', 1)
  await encode('b', 2)
  await encode('a', 1)
  await encode('c', 3)
  assert.deepEqual(
    ['a', 'b', 'c'].map((hash) => runner.has(hash)),
    [true, false, true],
  )
  await encode('large', 1, 2, 3)
  assert.deepEqual(
    ['a', 'c', 'large'].map((hash) => runner.has(hash)),
    [true, true, false],
  )
})

test('one picture asked for twice at once takes the room of one', async () => {
  const { encode, runner } = countingRunner(2 * TILE_BYTES)
  await Promise.all([encode('a', 1), encode('a', 1)])
  await encode('b', 2)
  assert.ok(runner.has('a') && runner.has('b'))
})

test('a run that is stopped leaves nothing behind', async () => {
  const { encode, counted, runner } = countingRunner(2 * TILE_BYTES)
  await assert.rejects(encode('a', NaN), /stopped/)
  assert.equal(counted.tensors, 0)
  assert.ok(!runner.has('a'))
})
