import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProjectorConfig } from '../projector/projector.ts'
import type { Feeds, Runtime, Session, Tensor } from '../runtime/runtime.ts'
import type { RowMap } from '../sequence/arrange-image-tokens.ts'
import type { VisionConfig } from '../vision/vision-transformer.ts'
import { visionGraph, visionHalves, VisionRunner } from './vision-runner.ts'

const VISION: VisionConfig = {
  kind: 'siglip',
  imageSize: 4,
  patchSize: 2,
  hiddenSize: 2,
  intermediateSize: 4,
  numLayers: 1,
  numHeads: 1,
  activation: 'gelu',
  epsilon: 1e-6,
  hasClassToken: false,
  hasPreNorm: false,
  hasPatchBias: true,
  hasAttentionBias: true,
  featureLayers: [1],
  dropFirstRow: false,
  isStandardised: false,
  patchMerge: 1,
}
const PROJECTOR: ProjectorConfig = {
  depth: 2,
  activation: 'gelu',
  inputSize: 2,
  hiddenSize: 3,
  bias: true,
}
const AVERAGE: RowMap = {
  rows: 1,
  taps: 4,
  indices: Int32Array.of(0, 1, 2, 3),
  weights: new Float32Array(4).fill(0.25),
  combine: 'sum',
}
const PIXELS = 3 * 4 * 4
type FakeTensor = Tensor & { readonly shape: readonly number[]; readonly data: Float32Array }

/** Sessions that write what `fill` makes of their input, and count their runs. */
function fake(fill: (input: FakeTensor, output: FakeTensor) => void): Session & { runs: number } {
  const session = {
    runs: 0,
    async run(feeds: Feeds, fetches: Feeds) {
      session.runs++
      fill(Object.values(feeds)[0] as FakeTensor, Object.values(fetches)[0] as FakeTensor)
    },
    dispose() {},
  }
  return session as unknown as Session & { runs: number }
}

const runtime = {
  tensor: (dtype: string, shape: readonly number[], data: Float32Array) => ({
    dtype,
    shape,
    data,
    dispose() {},
  }),
} as unknown as Runtime

function runner(tower: Session, projector: Session | null, cacheBytes = 1e6): VisionRunner {
  const sessions = { tower, projector }
  return new VisionRunner({ runtime, sessions, vision: VISION, projector: PROJECTOR, cacheBytes })
}

/** Rows 0, 1, 2, … times the first pixel. */
function rising(input: FakeTensor, output: FakeTensor): void {
  const width = output.shape.at(-1)!
  output.data.forEach((_, i) => (output.data[i] = Math.floor(i / width) * input.data[0]!))
}

function frame(hash: string, value: number) {
  return { hash, pixelValues: async () => new Float32Array(PIXELS).fill(value) }
}

test('a frame is encoded once, however often it comes, and so is a picture', async () => {
  const tower = fake(rising)
  const vision = runner(tower, null)
  const first = await vision.encodeFrame(frame('a', 2), AVERAGE, {})
  assert.deepEqual([...first], [3, 3, 3])
  assert.equal(await vision.encodeFrame(frame('a', 2), AVERAGE, {}), first)
  assert.equal(tower.runs, 1)
  // Unpooled it is another thing.
  assert.equal((await vision.encodeFrame(frame('a', 2), null, {})).length, 4 * 3)
  await vision.encode(frame('a', 2), {})
  assert.equal(tower.runs, 2)
})

test('where the halves are apart, the pool works on what the tower gives', async () => {
  const tower = fake(rising)
  const projector = fake((input, output) => {
    assert.deepEqual(input.shape, [1, output.shape[1], 2])
    output.data.forEach((_, i) => (output.data[i] = input.data[Math.floor(i / 3) * 2]! ** 2))
  })
  const vision = runner(tower, projector)
  assert.deepEqual([...(await vision.encodeFrame(frame('a', 2), AVERAGE, {}))], [9, 9, 9])
  const whole = await vision.encode(frame('a', 2), {})
  assert.deepEqual([...whole], [0, 0, 0, 4, 4, 4, 16, 16, 16, 36, 36, 36])
})

test('tiles of a picture go through one by one and stay in order', async () => {
  const tower = fake(rising)
  const values = Float32Array.from({ length: 3 * PIXELS }, (_, i) => Math.floor(i / PIXELS))
  const picture = { hash: 'p', pixelValues: async () => values }
  const rows = await runner(tower, null).encode(picture, {})
  assert.equal(tower.runs, 3)
  assert.deepEqual([rows[3], rows[15], rows[27]], [0, 1, 2])
})

test('a tile is encoded once, in one picture or in several that are kept', async () => {
  const tower = fake(rising)
  const vision = runner(tower, null)
  const picture = (...values: number[]) => ({
    hash: values.join(' '),
    pixelValues: async () =>
      Float32Array.from(
        { length: values.length * PIXELS },
        (_, i) => values[Math.floor(i / PIXELS)]!,
      ),
  })
  const firstOf = async (...values: number[]) => {
    const rows = await vision.encode(picture(...values), {})
    return values.map((_, tile) => rows[tile * 12 + 3])
  }
  assert.deepEqual(await firstOf(5, 6, 5), [5, 6, 5])
  assert.equal(tower.runs, 2)
  assert.deepEqual(await firstOf(7, 6, 7, 5), [7, 6, 7, 5])
  assert.equal(tower.runs, 3)
  await vision.encode(picture(5, 6), { salt: 'of another' })
  assert.equal(tower.runs, 5)
})

// Once only the tiles of cut pictures were known by their pixels.
test('a tile is encoded once, as a picture of its own, as a tile of one and as a frame', async () => {
  const tower = fake(rising)
  const vision = runner(tower, null)
  const whole = await vision.encode(frame('alone', 5), {})
  const cut = await vision.encode(
    { hash: 'cut', pixelValues: async () => new Float32Array(2 * PIXELS).fill(5) },
    {},
  )
  assert.deepEqual([...cut], [...whole, ...whole])
  assert.deepEqual([...(await vision.encode(frame('of the cut one', 5), {}))], [...whole])
  assert.deepEqual([...(await vision.encodeFrame(frame('unpooled', 5), null, {}))], [...whole])
  const pooled = await vision.encodeFrame(frame('pooled', 5), AVERAGE, {})
  assert.deepEqual([...pooled], [7.5, 7.5, 7.5])
  assert.equal(tower.runs, 1)
  await vision.encodeFrame(frame('pooled', 5), AVERAGE, { salt: 'of another' })
  assert.equal(tower.runs, 2)
  // The name of a pooled frame once ended as that of a whole tile under this salt.
  const other = await vision.encode(frame('alone', 5), { salt: 'of another pooled' })
  assert.deepEqual([...other], [...whole])
  assert.equal(tower.runs, 3)
})

test('what is kept pooled serves frames with equal pixels, and is encoded anew to be whole', async () => {
  const tower = fake(rising)
  const vision = runner(tower, null)
  const first = await vision.encodeFrame(frame('a', 5), AVERAGE, {})
  assert.equal(await vision.encodeFrame(frame('b', 5), AVERAGE, {}), first)
  assert.equal(tower.runs, 1)
  await vision.encode(frame('whole', 5), {})
  assert.equal(tower.runs, 2)
})

test('where pooling comes before the projector, pictures and frames share nothing', async () => {
  const tower = fake(rising)
  const projector = fake((_, output) => output.data.fill(1))
  const vision = runner(tower, projector)
  await vision.encode(frame('whole', 5), {})
  await vision.encodeFrame(frame('a', 5), AVERAGE, {})
  assert.equal(tower.runs, 2)
  await vision.encodeFrame(frame('b', 5), AVERAGE, {})
  await vision.encode(frame('whole again', 5), {})
  assert.equal(tower.runs, 2)
})

test('a picture that was stopped midway is made whole', async () => {
  let stops = true
  const tower = fake((input, output) => {
    if (stops && input.data[0] === 2) throw new Error('stopped')
    rising(input, output)
  })
  const vision = runner(tower, null)
  const values = Float32Array.from({ length: 3 * PIXELS }, (_, i) => 1 + Math.floor(i / PIXELS))
  const picture = { hash: 'p', pixelValues: async () => values }
  await assert.rejects(vision.encode(picture, {}), /stopped/)
  stops = false
  const rows = await vision.encode(picture, {})
  assert.deepEqual([rows[3], rows[15], rows[27]], [1, 2, 3])
})

test('the oldest rows are forgotten when the cache is full', async () => {
  const tower = fake(rising)
  const vision = runner(tower, null, 30)
  await vision.encodeFrame(frame('a', 1), AVERAGE, {})
  await vision.encodeFrame(frame('b', 2), AVERAGE, {})
  await vision.encodeFrame(frame('c', 3), AVERAGE, {})
  await vision.encodeFrame(frame('a', 1), AVERAGE, {})
  assert.equal(tower.runs, 4)
})

test('pixels of what is kept are not asked for, and frames are kept all or not at all', async () => {
  const vision = runner(fake(rising), null)
  const first = await vision.encodeFrame(frame('a', 1), AVERAGE, {})
  const unknown = { hash: 'a', pixelValues: () => Promise.reject(new Error('decoded')) }
  assert.equal(await vision.encodeFrame(unknown, AVERAGE, {}), first)
  assert.deepEqual(vision.keptFrames(['a', 'a'], AVERAGE, {}), [first, first])
  assert.equal(vision.keptFrames(['a', 'b'], AVERAGE, {}), null)
  assert.equal(vision.keptFrames(['a'], null, {}), null)
  assert.equal(vision.keptFrames(['a'], AVERAGE, { salt: 'of another' }), null)
})

test('the two halves have the parameters of the whole', () => {
  const names = (...graphs: { parameters: ReadonlyMap<string, unknown> }[]) =>
    graphs.flatMap(({ parameters }) => [...parameters.keys()]).sort()
  const { tower, projector } = visionHalves(VISION, PROJECTOR)
  assert.deepEqual(names(tower, projector), names(visionGraph(VISION, PROJECTOR)))
})
