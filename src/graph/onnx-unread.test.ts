import assert from 'node:assert/strict'
import { fromBinary } from '@bufbuild/protobuf'
import { test } from 'node:test'
import type { DecoderConfig } from '../decoder/decoder.ts'
import { decoderGraph, int8DecodeGraph, int8PrefillGraph } from '../serve/decoder-graph.ts'
import type { Graph } from './graph.ts'
import { lower } from './lower.ts'
import { writeOnnx } from './onnx-writer.ts'
import { ModelProtoSchema } from './onnx_pb.ts'

const CONFIG: DecoderConfig = {
  kind: 'llama',
  hiddenSize: 32,
  intermediateSize: 48,
  numLayers: 3,
  attention: {
    numHeads: 2,
    numKvHeads: 2,
    headDim: 16,
    bias: false,
    outputBias: false,
    slidingWindow: null,
  },
  mlpBias: false,
  vocabSize: 50,
  epsilon: 1e-5,
  rope: { theta: 1e4, factor: 1 },
  tieEmbeddings: false,
  maxPositions: 64,
}

/** Keys and values that attention gives out: how many, and those that nothing reads. */
function presents(graph: Graph): { total: number; unread: readonly string[] } {
  const bytes = writeOnnx(lower(graph, () => 'int8').graph)
  const written = fromBinary(ModelProtoSchema, bytes).graph
  const nodes = written?.node ?? []
  const read = new Set([
    ...nodes.flatMap(({ input }) => input),
    ...(written?.output ?? []).map(({ name }) => name),
  ])
  const made = nodes
    .filter(({ opType }) => opType === 'GroupQueryAttention')
    .flatMap(({ output }) => output.slice(1))
  return { total: made.length, unread: made.filter((name) => !read.has(name)) }
}

test('all keys and values that attention gives out are read, so that their memory comes back', () => {
  for (const make of [decoderGraph, int8DecodeGraph, int8PrefillGraph]) {
    assert.deepEqual(presents(make(CONFIG)), { total: 6, unread: [] })
  }
})
