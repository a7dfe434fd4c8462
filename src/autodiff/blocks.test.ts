/** Gradients of the blocks that models are made of: a tower with its projector, and a layer of the decoder. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Rng } from '../core/rng.ts'
import { elementCount } from '../core/shape.ts'
import { hostTensor, type HostTensor } from '../core/tensor.ts'
import { decoderLayer, type DecoderConfig } from '../decoder/decoder.ts'
import { resolveShape } from '../graph/dimension.ts'
import { Graph, type Value } from '../graph/index.ts'
import { causalMask } from '../layers/grouped-attention.ts'
import { projector } from '../projector/projector.ts'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { visionTower, type VisionConfig } from '../vision/vision-transformer.ts'
import { GraphRunner, runGraph, type HostTensors } from '../../test/run-graph.ts'
import { differentiate, keepProducts, splitBackward } from './differentiate.ts'

let runtime: Runtime
before(async () => {
  runtime = await createRuntime()
})
after(() => runtime.dispose())

const SIZES = new Map([
  ['I', 2],
  ['B', 2],
  ['T', 5],
  ['positions', 8],
])

/** float32 sums in the order of another graph. */
const SAME = 1e-5

/** Differences of float32 results: their rounding over the step. */
const DIFFERENCE = 2e-3

const CLIP: VisionConfig = {
  kind: 'clip',
  imageSize: 9,
  patchSize: 4,
  hiddenSize: 8,
  intermediateSize: 12,
  numLayers: 2,
  numHeads: 2,
  activation: 'quickGelu',
  epsilon: 1e-2,
  hasClassToken: true,
  hasPreNorm: true,
  hasPatchBias: false,
  hasAttentionBias: true,
  featureLayers: [1, 2],
  dropFirstRow: true,
  isStandardised: false,
  patchMerge: 1,
}

const LLAMA: DecoderConfig = {
  kind: 'qwen2',
  hiddenSize: 16,
  intermediateSize: 24,
  numLayers: 1,
  attention: {
    numHeads: 4,
    numKvHeads: 2,
    headDim: 4,
    bias: true,
    outputBias: false,
    slidingWindow: null,
  },
  mlpBias: false,
  vocabSize: 10,
  epsilon: 1e-2,
  rope: { theta: 100, factor: 1 },
  tieEmbeddings: false,
  maxPositions: 8,
}

function towerGraph(config: VisionConfig): Graph {
  const g = new Graph('tower')
  const { imageSize } = config
  const pixelValues = g.input('pixelValues', 'float32', ['I', 3, imageSize, imageSize])
  const features = visionTower(g, config, pixelValues)
  const inputSize = features.shape[2] as number
  const shape = { depth: 2, activation: 'gelu', inputSize, hiddenSize: 6, bias: true } as const
  g.output('y', projector(g, shape, features))
  return g
}

function layerGraph(): Graph {
  const g = new Graph('layer')
  const x = g.input('x', 'float32', ['B', 'T', LLAMA.hiddenSize])
  const positions = g.input('positions', 'int64', ['B', 'T'])
  const halfHead = LLAMA.attention.headDim / 2
  const cos = g.input('cos', 'float32', ['positions', halfHead])
  const sin = g.input('sin', 'float32', ['positions', halfHead])
  const visible = causalMask(g, { positions, segments: null, slidingWindow: 3 })
  const cache = { positions, cos, sin, visible }
  g.output('y', decoderLayer(g, LLAMA, { index: 0, x, cache }).output)
  return g
}

const BLOCKS = [
  { name: 'CLIP with an MLP projector', graph: towerGraph(CLIP), input: 'pixelValues' },
  {
    name: 'SigLIP with an MLP projector',
    graph: towerGraph({
      ...CLIP,
      kind: 'siglip',
      activation: 'geluTanh',
      hasClassToken: false,
      hasPreNorm: false,
      hasPatchBias: true,
      hasAttentionBias: true,
      featureLayers: [2],
      dropFirstRow: false,
      isStandardised: false,
      patchMerge: 1,
    }),
    input: 'pixelValues',
  },
  {
    name: 'merged patches of standardised features',
    graph: towerGraph({
      ...CLIP,
      featureLayers: [2],
      isStandardised: true,
      patchMerge: 2,
    }),
    input: 'pixelValues',
  },
  { name: 'a layer of the decoder', graph: layerGraph(), input: 'x' },
]

for (const { name, graph, input } of BLOCKS) {
  const wrt = [input, ...graph.parameters.keys()]

  test(`${name}: each gradient is the slope along itself`, async () => {
    const values = drawValues(graph)
    const gradients = await runGraph(runtime, differentiate(graph, { wrt }), values)
    const runner = await GraphRunner.create(runtime, graph)
    for (const parameter of wrt) {
      const direction = unit(gradients[`gradient.${parameter}`] as HostTensor)
      const slope = await slopeAlong(runner, values, { parameter, direction: direction.data })
      const distance = Math.abs(slope - direction.length) / Math.max(1, direction.length)
      assert.ok(distance < DIFFERENCE, `${parameter}: ${direction.length}, slope ${slope}`)
    }
    runner.dispose()
  })

  test(`${name}: kept values give the gradients of recomputed ones`, async () => {
    const values = drawValues(graph)
    const together = await runGraph(runtime, differentiate(graph, { wrt }), values)
    for (const keep of [undefined, keepProducts]) {
      const { forward, backward, kept } = splitBackward(graph, { wrt, keep })
      const first = await runGraph(runtime, forward, values)
      const second = await runGraph(runtime, backward, { ...values, ...first })
      assert.equal(kept.length > 0, keep !== undefined)
      for (const key of Object.keys(second)) assertSame(second[key], together[key], key)
    }
  })
}

function drawValues(graph: Graph): HostTensors {
  const rng = new Rng(5)
  const output = graph.outputs[0]?.value as Value
  const named = [...graph.inputs, ...graph.parameters.values(), { ...output, name: 'gradient.y' }]
  return Object.fromEntries(
    named.map(({ name, dtype, shape }) => {
      const numbers = resolveShape(shape, SIZES)
      const count = { length: elementCount(numbers) }
      if (dtype === 'int64') {
        const positions = BigInt64Array.from(count, (_, i) => BigInt(i % (numbers[1] as number)))
        return [name, hostTensor('int64', numbers, positions)]
      }
      const size = name.endsWith('orm.weight') ? 1 : 0
      const data = Float32Array.from(count, () => size + 0.5 * rng.normal())
      return [name, hostTensor('float32', numbers, data)]
    }),
  )
}

function unit({ data }: HostTensor): { data: Float32Array; length: number } {
  const numbers = data as Float32Array
  const length = Math.sqrt(numbers.reduce((sum, value) => sum + value * value, 0))
  return { data: numbers.map((value) => value / length), length }
}

/** Fourth-order differences of Σ y ∘ gradient.y. */
async function slopeAlong(
  runner: GraphRunner,
  values: HostTensors,
  { parameter, direction }: { readonly parameter: string; readonly direction: Float32Array },
): Promise<number> {
  const { shape, data } = values[parameter] as HostTensor
  const seed = (values['gradient.y'] as HostTensor).data as Float32Array
  const lossAt = async (step: number) => {
    const moved = (data as Float32Array).map((value, i) => value + step * (direction[i] as number))
    const result = await runner.run({ ...values, [parameter]: hostTensor('float32', shape, moved) })
    const y = result['y']?.data as Float32Array
    return y.reduce((sum, value, i) => sum + value * (seed[i] as number), 0)
  }
  const h = 0.01
  const near = ((await lossAt(h)) - (await lossAt(-h))) / (2 * h)
  const far = ((await lossAt(2 * h)) - (await lossAt(-2 * h))) / (4 * h)
  return (4 * near - far) / 3
}

function assertSame(actual: HostTensor | undefined, expected: HostTensor | undefined, key: string) {
  const [came, right] = [actual?.data as Float32Array, expected?.data as Float32Array]
  assert.equal(came.length, right.length)
  const largest = right.reduce((a, b) => Math.max(a, Math.abs(b)), 0.1)
  came.forEach((value, i) => {
    assert.ok(Math.abs(value - (right[i] as number)) <= SAME * largest, `${key}[${i}]`)
  })
}
