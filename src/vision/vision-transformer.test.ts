/** The towers against their papers' formulas, number by number, on one tile. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Rng } from '../core/rng.ts'
import { elementCount } from '../core/shape.ts'
import { hostTensor, type HostTensor } from '../core/tensor.ts'
import { Graph, liveParameters } from '../graph/index.ts'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { runGraph } from '../../test/run-graph.ts'
import { scalarAttention } from '../../test/scalar-attention.ts'
import {
  featureRows,
  featureWidth,
  patchesPerSide,
  visionTower,
  type VisionConfig,
} from './vision-transformer.ts'

let runtime: Runtime
before(async () => {
  runtime = await createRuntime()
})
after(() => runtime.dispose())

/** float32 through two blocks. */
const TOLERANCE = 1e-4

const BASE = {
  imageSize: 9,
  patchSize: 4,
  hiddenSize: 8,
  intermediateSize: 12,
  numLayers: 2,
  numHeads: 2,
  epsilon: 1e-5,
  isStandardised: false,
  patchMerge: 1,
} as const

const TOWERS: Readonly<Record<string, VisionConfig>> = {
  'CLIP, its last but one block': {
    ...BASE,
    kind: 'clip',
    activation: 'quickGelu',
    hasClassToken: true,
    hasPreNorm: true,
    hasPatchBias: false,
    hasAttentionBias: true,
    featureLayers: [1],
    dropFirstRow: true,
  },
  'SigLIP, all rows of the last block': {
    ...BASE,
    kind: 'siglip',
    activation: 'geluTanh',
    hasClassToken: false,
    hasPreNorm: false,
    hasPatchBias: true,
    hasAttentionBias: true,
    featureLayers: [2],
    dropFirstRow: false,
  },
  'ViT, three layers beside one another, the class token kept': {
    ...BASE,
    kind: 'vit',
    activation: 'gelu',
    hasClassToken: true,
    hasPreNorm: false,
    hasPatchBias: true,
    hasAttentionBias: true,
    featureLayers: [0, 2, 1],
    dropFirstRow: false,
  },
  'ViT, squares of 2 × 2 patches, channels standardised': {
    ...BASE,
    imageSize: 16,
    kind: 'vit',
    activation: 'gelu',
    hasClassToken: true,
    hasPreNorm: false,
    hasPatchBias: true,
    hasAttentionBias: true,
    featureLayers: [1, 2],
    dropFirstRow: true,
    isStandardised: true,
    patchMerge: 2,
  },
}

describe('a tower computes its formula', () => {
  for (const [name, config] of Object.entries(TOWERS)) {
    test(name, async () => {
      const g = new Graph('tower')
      const side = config.imageSize
      g.output('y', visionTower(g, config, g.input('pixels', 'float32', ['I', 3, side, side])))
      const rng = new Rng(3)
      const draw = (shape: readonly number[], scale: number) =>
        hostTensor(
          'float32',
          shape,
          Float32Array.from({ length: elementCount(shape) }, () => scale * rng.normal()),
        )
      const values: Record<string, HostTensor> = { pixels: draw([2, 3, side, side], 1) }
      for (const value of liveParameters(g)) values[value.name] = draw(value.shape as number[], 0.4)
      const { y } = await runGraph(runtime, g, values)
      assert.deepEqual(y!.shape, [2, featureRows(config), featureWidth(config)])
      const perTile = 3 * side * side
      for (const tile of [0, 1]) {
        const pixels = values['pixels']!.data.subarray(tile * perTile, (tile + 1) * perTile)
        const expected = scalarTower(
          config,
          pixels as Float32Array,
          (path) => values[path]!.data as Float32Array,
        )
        const actual = y!.data.subarray(tile * expected.length, (tile + 1) * expected.length)
        expected.forEach((value, i) =>
          assert.ok(
            Math.abs(Number(actual[i]) - value) <= TOLERANCE * Math.max(1, Math.abs(value)),
            `${i}: ${actual[i]} is not ${value}`,
          ),
        )
      }
    })
  }
})

test('blocks behind the last feature layer are not built', () => {
  const g = new Graph('tower')
  const config = { ...TOWERS['CLIP, its last but one block']!, featureLayers: [0] }
  visionTower(g, config, g.input('pixels', 'float32', ['I', 3, 9, 9]))
  assert.ok(![...g.parameters.keys()].some((name) => name.includes('layers')))
})

type Rows = number[][]
type Weights = (path: string) => Float32Array

/** Features of one tile, row after row. */
function scalarTower(config: VisionConfig, pixels: Float32Array, weights: Weights): number[] {
  let rows = scalarEmbeddings(config, pixels, weights)
  const states = [rows]
  for (let layer = 0; layer < Math.max(...config.featureLayers); layer++) {
    rows = scalarBlock(config, rows, { weights, path: `vision.layers.${layer}` })
    states.push(rows)
  }
  const kept = rows.map((_, i) => i).slice(config.dropFirstRow ? 1 : 0)
  const features = kept.map((row) => config.featureLayers.flatMap((layer) => states[layer]![row]!))
  const { isStandardised } = config
  const [weight, bias] = isStandardised
    ? [weights('standardise.weight'), weights('standardise.bias')]
    : [null, null]
  const scaled = features.map((row) =>
    row.map((value, i) => (weight && bias ? value * weight[i]! + bias[i]! : value)),
  )
  return scalarMerge(config, scaled)
}

/** Patch by patch: squares from the top left on, and in each the patches likewise. */
function scalarMerge(config: VisionConfig, rows: Rows): number[] {
  const { patchMerge: m } = config
  if (m === 1) return rows.flat()
  const side = patchesPerSide(config)
  const places = Array.from({ length: side / m }, (_, i) => i * m)
  return places.flatMap((top) =>
    places.flatMap((left) =>
      Array.from(
        { length: m * m },
        (_, i) => [top + Math.floor(i / m), left + (i % m)] as const,
      ).flatMap(([y, x]) => rows[y * side + x]!),
    ),
  )
}

function scalarEmbeddings(config: VisionConfig, pixels: Float32Array, weights: Weights): Rows {
  const { imageSize, patchSize, hiddenSize } = config
  const side = Math.floor(imageSize / patchSize)
  const kernel = weights('vision.patchEmbedding.weight')
  const patches = Array.from({ length: side * side }, (_, patch) => {
    const [top, left] = [Math.floor(patch / side) * patchSize, (patch % side) * patchSize]
    return Array.from({ length: hiddenSize }, (_, d) => {
      let sum = config.hasPatchBias ? weights('vision.patchEmbedding.bias')[d]! : 0
      for (let c = 0; c < 3; c++) {
        for (let y = 0; y < patchSize; y++) {
          for (let x = 0; x < patchSize; x++) {
            const pixel = pixels[(c * imageSize + top + y) * imageSize + left + x]!
            sum += pixel * kernel[((d * 3 + c) * patchSize + y) * patchSize + x]!
          }
        }
      }
      return sum
    })
  })
  const rows = config.hasClassToken ? [[...weights('vision.classEmbedding')], ...patches] : patches
  const positions = weights('vision.positionEmbedding.weight')
  const placed = rows.map((row, i) => row.map((value, d) => value + positions[i * hiddenSize + d]!))
  return config.hasPreNorm
    ? placed.map((row) => norm(row, { weights, path: 'vision.preNorm', config }))
    : placed
}

function scalarBlock(
  config: VisionConfig,
  rows: Rows,
  { weights, path }: { readonly weights: Weights; readonly path: string },
): Rows {
  const normed = rows.map((row) => norm(row, { weights, path: `${path}.attentionNorm`, config }))
  const project = (part: string, input: Rows) =>
    input.map((row) => dense(row, weights, `${path}.attention.${part}`))
  const flat = (part: string) => Float32Array.from(project(part, normed).flat())
  const attended = scalarAttention(
    { q: flat('q'), k: flat('k'), v: flat('v') },
    {
      numHeads: config.numHeads,
      numKvHeads: config.numHeads,
      headDim: config.hiddenSize / config.numHeads,
      isCausal: false,
    },
  )
  const back = project(
    'o',
    rows.map((_, i) => [...attended.subarray(i * config.hiddenSize, (i + 1) * config.hiddenSize)]),
  )
  const middle = rows.map((row, i) => row.map((value, d) => value + back[i]![d]!))
  return middle.map((row) => {
    const hidden = dense(
      norm(row, { weights, path: `${path}.mlpNorm`, config }),
      weights,
      `${path}.mlp.up`,
    )
    const lifted = dense(hidden.map(ACTIVATIONS[config.activation]!), weights, `${path}.mlp.down`)
    return row.map((value, d) => value + lifted[d]!)
  })
}

const ACTIVATIONS: Readonly<Record<string, (a: number) => number>> = {
  quickGelu: (a) => a / (1 + Math.exp(-1.702 * a)),
  geluTanh: (a) => 0.5 * a * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (a + 0.044715 * a ** 3))),
  gelu: (a) => 0.5 * a * (1 + erf(a / Math.SQRT2)),
}

function dense(row: readonly number[], weights: Weights, path: string): number[] {
  const bias = weights(`${path}.bias`)
  const weight = weights(`${path}.weight`)
  return Array.from(bias, (b, n) =>
    row.reduce((sum, value, k) => sum + value * weight[n * row.length + k]!, b),
  )
}

function norm(
  row: readonly number[],
  {
    weights,
    path,
    config,
  }: { readonly weights: Weights; readonly path: string; readonly config: VisionConfig },
): number[] {
  const mean = row.reduce((a, b) => a + b, 0) / row.length
  const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length
  const [weight, bias] = [weights(`${path}.weight`), weights(`${path}.bias`)]
  return row.map(
    (value, d) => (weight[d]! * (value - mean)) / Math.sqrt(variance + config.epsilon) + bias[d]!,
  )
}

/** Source: Abramowitz and Stegun 7.1.26; off by 1.5e-7 at most. */
function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x))
  const series =
    t *
    (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
  return Math.sign(x) * (1 - series * Math.exp(-x * x))
}
