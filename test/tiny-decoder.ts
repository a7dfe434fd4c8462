/** A decoder with random weights, small enough to run many times: what tests of serving need. */
import { allocate } from '../src/core/dtype.ts'
import { Rng } from '../src/core/rng.ts'
import { elementCount } from '../src/core/shape.ts'
import { hostTensor, type HostTensor } from '../src/core/tensor.ts'
import type { DecoderConfig } from '../src/decoder/decoder.ts'
import { liveParameters, lower, writeOnnx, type Graph, type Value } from '../src/graph/index.ts'
import type { Runtime, Session } from '../src/runtime/runtime.ts'
import { cacheScales } from '../src/serve/calibrate-cache.ts'
import {
  decoderGraph,
  int8DecodeGraph,
  int8PrefillGraph,
  segmentedGraph,
  type CacheForm,
} from '../src/serve/decoder-graph.ts'
import { DecoderRunner } from '../src/serve/decoder-runner.ts'
import { coarseLayer } from '../src/serve/exact-runs.ts'
import { EmbeddingTable } from '../src/serve/embedding-table.ts'
import { SEGMENTS } from '../src/serve/segmented-prefill.ts'
import type { EmbeddedPrompt } from '../src/serve/sequence-group.ts'

/** Grouped heads of a width that the operator does not take as it is. */
export const TINY: DecoderConfig = {
  kind: 'llama',
  hiddenSize: 48,
  intermediateSize: 96,
  numLayers: 2,
  attention: {
    numHeads: 4,
    numKvHeads: 2,
    headDim: 12,
    bias: true,
    outputBias: false,
    slidingWindow: null,
  },
  mlpBias: false,
  vocabSize: 64,
  epsilon: 1e-5,
  rope: { theta: 10000, factor: 1 },
  tieEmbeddings: false,
  maxPositions: 512,
}

export type TinyWeights = 'f32' | 'int8' | 'q4'

export class TinyDecoder {
  readonly runner: DecoderRunner
  readonly table: EmbeddingTable
  readonly config: DecoderConfig

  private constructor(runner: DecoderRunner, table: EmbeddingTable) {
    this.runner = runner
    this.table = table
    this.config = runner.config
  }

  /**
   * The weights depend on the config only: two forms of cache have the same. `scale`: the scales of an int8 cache to those
   * that fit.
   */
  static async create(
    runtime: Runtime,
    form: CacheForm,
    {
      config = TINY,
      weights = 'f32',
      scale = 1,
    }: { config?: DecoderConfig; weights?: TinyWeights; scale?: number } = {},
  ): Promise<TinyDecoder> {
    const graphs =
      form === 'f32' ? [decoderGraph(config)] : [int8PrefillGraph(config), int8DecodeGraph(config)]
    const sessions: Session[] = []
    for (const graph of graphs) sessions.push(await createSession(runtime, graph, weights))
    const [prefill, decode] = [sessions[0]!, sessions.at(-1)!]
    const makeSegmented = () => createSession(runtime, segmentedGraph(config, SEGMENTS), weights)
    const parts = {
      cacheForm: form,
      coarseLayer: coarseLayer(decoderGraph(config), () => weights),
      prefill,
      decode,
      singleStream: null,
      makeSegmented: form === 'f32' ? makeSegmented : null,
    }
    const runner = new DecoderRunner({ runtime, config, sessions: parts })
    const rows = draw('embedding', [config.vocabSize, config.hiddenSize], 1)
    const table = new EmbeddingTable(rows)
    const scales = await cacheScales(runner, table)
    const sized = (sizes: Float32Array) => sizes.map((size) => size * scale)
    const all = scales?.map(({ key, value }) => ({ key: sized(key), value: sized(value) }))
    if (all) runner.setCacheScales(all)
    return new TinyDecoder(runner, table)
  }

  prompt(ids: readonly number[]): EmbeddedPrompt {
    return {
      keys: ids,
      embeddings: async (from) => {
        const rows = new Float32Array((ids.length - from) * this.config.hiddenSize)
        this.table.copyRows(ids.slice(from), rows)
        return rows
      },
    }
  }

  dispose(): Promise<void> {
    return this.runner.dispose()
  }
}

/** Ids of a tiny vocabulary. */
export function drawIds(count: number, seed: number): number[] {
  const rng = new Rng(seed)
  return Array.from({ length: count }, () => Math.floor(rng.uniform() * TINY.vocabSize))
}

async function createSession(
  runtime: Runtime,
  source: Graph,
  weights: TinyWeights,
): Promise<Session> {
  const { graph } = lower(source, () => weights)
  const initializers = liveParameters(graph).map((value) => [value.name, weight(value)] as const)
  return runtime.createSession(writeOnnx(graph), { initializers: new Map(initializers) })
}

function weight({ name, shape, dtype }: Value): HostTensor {
  const dims = shape as readonly number[]
  if (dtype === 'int8') return drawBytes(name, dims, dtype, (u) => Math.round(254 * u - 127))
  if (dtype === 'uint8') return drawBytes(name, dims, dtype, (u) => Math.floor(256 * u))
  // Of 8 bits there is one for each output, of 4 bits one for each block.
  if (name.endsWith('.scale')) return filled(dims, dims.length === 1 ? 0.0015 : 0.02)
  if (name.endsWith('.offset')) return draw(name, dims, 0.01)
  if (name.endsWith('Norm.weight') || name === 'decoder.norm.weight') return filled(dims, 1)
  return draw(name, dims, dims.length === 2 ? 1 / Math.sqrt(dims[1]!) : 0.3)
}

function draw(name: string, shape: readonly number[], size: number): HostTensor {
  const rng = new Rng(seedOf(name))
  const data = Float32Array.from({ length: elementCount(shape) }, () => size * rng.normal())
  return hostTensor('float32', shape, data)
}

/** `byteOf` takes a number of [0, 1). */
function drawBytes(
  name: string,
  shape: readonly number[],
  dtype: 'int8' | 'uint8',
  byteOf: (uniform: number) => number,
): HostTensor {
  const rng = new Rng(seedOf(name))
  const data = allocate(dtype, elementCount(shape)) as Int8Array | Uint8Array
  return hostTensor(
    dtype,
    shape,
    data.map(() => byteOf(rng.uniform())),
  )
}

function filled(shape: readonly number[], value: number): HostTensor {
  return hostTensor('float32', shape, new Float32Array(elementCount(shape)).fill(value))
}

function seedOf(name: string): number {
  return [...name].reduce((seed, letter) => (seed * 31 + letter.charCodeAt(0)) % 1_000_003, 7)
}
