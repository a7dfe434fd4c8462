import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decoderLayer, type DecoderConfig } from '../decoder/decoder.ts'
import { Graph, lower, printGraph, type LinearPrecision } from './index.ts'

const LINEAR = `
graph linear
  input x float32[T,40]
  parameter w float32[3,40]
  parameter b float32[3]
  v3 float32[T,3] = Linear(x, w, b)
  output y = v3`

/** What stays of `linear` in each precision. */
const LOWERED: { readonly [P in LinearPrecision]: string } = {
  f32: `
graph linear
  input x float32[T,40]
  parameter w float32[3,40]
  parameter b float32[3]
  v2 float32[T,3] = FusedMatMul(x, w) transB=1
  v4 float32[T,3] = Add(v2, b)
  output y = v4`,
  int8: `
graph linear
  input x float32[T,40]
  parameter w.int8 int8[40,3]
  parameter w.scale float32[3]
  parameter b float32[3]
  v4 float32[T,40] = Abs(x)
  v5 float32[T,1] = ReduceMax(v4) axes=[-1] keepdims=1
  v7 float32[T,1] = Max(v5, 9.99999993922529e-9)
  v9 float32[T,1] = Mul(v7, 0.007874015718698502)
  v10 uint8[T,1] = Expand(128) shape=[T,1]
  v11 uint8[T,40] = QuantizeLinear(x, v9, v10) axis=1 block_size=40
  v13 float32[T,3] = MatMulIntegerToFloat(v11, w.int8, 1, w.scale, 128)
  v14 float32[T,3] = Mul(v13, v9)
  v16 float32[T,3] = Add(v14, b)
  output y = v16`,
  int8a16: `
graph linear
  input x float32[T,40]
  parameter w.int8 int8[40,3]
  parameter w.scale float32[3]
  parameter b float32[3]
  v4 float32[T,40] = Abs(x)
  v5 float32[T,1] = ReduceMax(v4) axes=[-1] keepdims=1
  v7 float32[T,1] = Max(v5, 9.99999993922529e-9)
  v9 float32[T,1] = Mul(v7, 0.007874015718698502)
  v10 uint8[T,1] = Expand(128) shape=[T,1]
  v11 uint8[T,40] = QuantizeLinear(x, v9, v10) axis=1 block_size=40
  v13 float32[T,40] = DequantizeLinear(v11, 1, 128)
  v14 float32[T,40] = Div(x, v9)
  v15 float32[T,40] = Sub(v14, v13)
  v17 uint8[T,40] = QuantizeLinear(v15, 0.003937007859349251, 128)
  v18 uint8[1,T,40] = Unsqueeze(v11) axes=[0]
  v19 uint8[1,T,40] = Unsqueeze(v17) axes=[0]
  v20 uint8[2,T,40] = Concat(v18, v19) axis=0
  v22 float32[2,T,3] = MatMulIntegerToFloat(v20, w.int8, 1, w.scale, 128)
  v24 float32[T,3] = Gather(v22, 0) axis=0
  v26 float32[T,3] = Gather(v22, 1) axis=0
  v28 float32[T,3] = Mul(v26, 0.003937007859349251)
  v29 float32[T,3] = Add(v24, v28)
  v30 float32[T,3] = Mul(v29, v9)
  v32 float32[T,3] = Add(v30, b)
  output y = v32`,
  q8: `
graph linear
  input x float32[T,40]
  parameter w.q8 uint8[3,2,32]
  parameter w.scale float32[3,2]
  parameter b float32[3]
  v3 float32[T,3] = MatMulNBits(x, w.q8, w.scale, none) K=40 N=3 bits=8 block_size=32 accuracy_level=4
  v5 float32[T,3] = Add(v3, b)
  output y = v5`,
  q4: `
graph linear
  input x float32[T,40]
  parameter w.q4 uint8[3,2,16]
  parameter w.scale float32[3,2]
  parameter w.offset float32[3,2]
  parameter b float32[3]
  v3 float32[T,3] = MatMulNBits(x, w.q4, w.scale, none) K=40 N=3 bits=4 block_size=32 accuracy_level=4
  v5 float32[T,64] = Pad(x) pads=[0,0,0,24]
  v6 float32[T,2,32] = Reshape(v5) shape=[T,2,32]
  v7 float32[T,2] = ReduceSum(v6) axes=[-1] keepdims=0
  v8 float32[T,3] = FusedMatMul(v7, w.offset) transB=1
  v9 float32[T,3] = Add(v3, v8)
  v11 float32[T,3] = Add(v9, b)
  output y = v11`,
  q4b128: `
graph linear
  input x float32[T,40]
  parameter w.q4b128 uint8[3,1,64]
  parameter w.scale float32[3,1]
  parameter w.zeroPoint uint8[3,1]
  parameter b float32[3]
  v4 float32[T,3] = MatMulNBits(x, w.q4b128, w.scale, w.zeroPoint) K=40 N=3 bits=4 block_size=128 accuracy_level=4
  v6 float32[T,3] = Add(v4, b)
  output y = v6`,
}

const LAYER = `
graph layer
  input positions int64[B,T]
  input cos float32[positions,8]
  input sin float32[positions,8]
  input mask float32[B,1,T,T]
  input x float32[B,T,32]
  parameter decoder.layers.0.attentionNorm.weight float32[32]
  parameter decoder.layers.0.attention.q.weight float32[32,32]
  parameter decoder.layers.0.attention.k.weight float32[16,32]
  parameter decoder.layers.0.attention.v.weight float32[16,32]
  parameter decoder.layers.0.attention.o.weight float32[32,32]
  parameter decoder.layers.0.mlpNorm.weight float32[32]
  parameter decoder.layers.0.mlp.gate.weight float32[48,32]
  parameter decoder.layers.0.mlp.up.weight float32[48,32]
  parameter decoder.layers.0.mlp.down.weight float32[32,48]
  v6 float32[B,T,32], v7 float32[B,T,1] = SimplifiedLayerNormalization(x, decoder.layers.0.attentionNorm.weight) epsilon=0.000001 axis=-1
  v9 float32[B,T,32] = Linear(v6, decoder.layers.0.attention.q.weight, none)
  v11 float32[B,T,16] = Linear(v6, decoder.layers.0.attention.k.weight, none)
  v13 float32[B,T,16] = Linear(v6, decoder.layers.0.attention.v.weight, none)
  v14 float32[B,T,2,16] = Reshape(v9) shape=[B,T,2,16]
  v15 float32[B,2,T,16] = Transpose(v14) perm=[0,2,1,3]
  v16 float32[B,2,T,16] = RotaryEmbedding(v15, positions, cos, sin)
  v17 float32[B,T,1,16] = Reshape(v11) shape=[B,T,1,16]
  v18 float32[B,1,T,16] = Transpose(v17) perm=[0,2,1,3]
  v19 float32[B,1,T,16] = RotaryEmbedding(v18, positions, cos, sin)
  v20 float32[B,T,1,16] = Reshape(v13) shape=[B,T,1,16]
  v21 float32[B,1,T,16] = Transpose(v20) perm=[0,2,1,3]
  v22 float32[B,2,T,16], v23 float32[B,2,T,T] = GroupedAttention(v16, v19, v21, mask) scale=0.25
  v24 float32[B,T,2,16] = Transpose(v22) perm=[0,2,1,3]
  v25 float32[B,T,32] = Reshape(v24) shape=[B,T,32]
  v27 float32[B,T,32] = Linear(v25, decoder.layers.0.attention.o.weight, none)
  v28 float32[B,T,32] = Add(x, v27)
  v30 float32[B,T,32], v31 float32[B,T,1] = SimplifiedLayerNormalization(v28, decoder.layers.0.mlpNorm.weight) epsilon=0.000001 axis=-1
  v33 float32[B,T,48] = Linear(v30, decoder.layers.0.mlp.gate.weight, none)
  v34 float32[B,T,48] = QuickGelu(v33) alpha=1
  v36 float32[B,T,48] = Linear(v30, decoder.layers.0.mlp.up.weight, none)
  v37 float32[B,T,48] = Mul(v34, v36)
  v39 float32[B,T,32] = Linear(v37, decoder.layers.0.mlp.down.weight, none)
  v40 float32[B,T,32] = Add(v28, v39)
  output y = v40`

test('a linear layer prints as it was written', () => {
  assert.equal(printGraph(linearGraph()), LINEAR.trimStart())
})

for (const [precision, text] of Object.entries(LOWERED)) {
  test(`a linear layer lowered to ${precision}`, () => {
    const { graph } = lower(linearGraph(), () => precision as LinearPrecision)
    assert.equal(printGraph(graph), text.trimStart())
  })
}

test('a layer of the decoder over a whole sequence', () => {
  assert.equal(printGraph(layerGraph()), LAYER.trimStart())
})

test('a layer may be lowered in parts; what is not linear stays', () => {
  const { graph, linears } = lower(layerGraph(), (name) => (name.includes('.mlp.') ? 'q8' : 'f32'))
  const lines = printGraph(graph).split('\n')
  const count = (op: string) => lines.filter((line) => line.includes(`= ${op}(`)).length
  assert.deepEqual(
    linears.map(({ name, precision }) => `${name.split('.').at(-2)} ${precision}`),
    ['q f32', 'k f32', 'v f32', 'o f32', 'gate q8', 'up q8', 'down q8'],
  )
  assert.equal(count('MatMulNBits'), 3)
  assert.equal(count('Linear'), 0)
  // q, k, v, o, and the scores of the lowered attention.
  assert.equal(count('FusedMatMul'), 5)
  assert.equal(count('SimplifiedLayerNormalization'), 2)
  assert.deepEqual(
    graph.inputs.map(({ name }) => name),
    ['positions', 'cos', 'sin', 'mask', 'x'],
  )
})

test('several outputs of one node print beside each other', () => {
  const g = new Graph('other')
  const x = g.input('x', 'float32', [6])
  const parts = g.node('Split', [x], { axis: 0, split: [2, 4] }).outputs
  g.output('first', parts[0]!)
  g.output('second', parts[1]!)
  assert.equal(
    printGraph(g),
    `
graph other
  input x float32[6]
  v1 float32[2], v2 float32[4] = Split(x) axis=0 split=[2,4]
  output first = v1
  output second = v2`.trimStart(),
  )
})

function linearGraph(): Graph {
  const g = new Graph('linear')
  const x = g.input('x', 'float32', ['T', 40])
  g.output('y', g.op('Linear', [x, g.parameter('w', [3, 40]), g.parameter('b', [3])]))
  return g
}

const CONFIG: DecoderConfig = {
  kind: 'llama',
  hiddenSize: 32,
  intermediateSize: 48,
  numLayers: 1,
  attention: {
    numHeads: 2,
    numKvHeads: 1,
    headDim: 16,
    bias: false,
    outputBias: false,
    slidingWindow: null,
  },
  mlpBias: false,
  vocabSize: 10,
  epsilon: 1e-6,
  rope: { theta: 1e4, factor: 1 },
  tieEmbeddings: false,
  maxPositions: 64,
}

function layerGraph(): Graph {
  const g = new Graph('layer')
  const cache = {
    positions: g.input('positions', 'int64', ['B', 'T']),
    cos: g.input('cos', 'float32', ['positions', 8]),
    sin: g.input('sin', 'float32', ['positions', 8]),
    visible: g.input('mask', 'float32', ['B', 1, 'T', 'T']),
  }
  const x = g.input('x', 'float32', ['B', 'T', 32])
  g.output('y', decoderLayer(g, CONFIG, { index: 0, x, cache }).output)
  return g
}
