import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { TypedArray } from '../core/dtype.ts'
import { ShapeError } from '../core/errors.ts'
import { Rng } from '../core/rng.ts'
import { elementCount } from '../core/shape.ts'
import { hostTensor, type HostTensor } from '../core/tensor.ts'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { decoderGraph } from '../serve/decoder-graph.ts'
import { visionGraph } from '../serve/vision-runner.ts'
import { rotaryTables } from '../layers/rotary.ts'
import type { DecoderConfig } from '../decoder/decoder.ts'
import type { VisionConfig } from '../vision/vision-transformer.ts'
import { runGraph } from '../../test/run-graph.ts'
import { scalarAttention, scalarRotary } from '../../test/scalar-attention.ts'
import {
  Graph,
  liveParameters,
  lower,
  writeOnnx,
  type LinearPrecision,
  type OpName,
} from './index.ts'

let runtime: Runtime
before(async () => {
  runtime = await createRuntime()
})
after(() => runtime.dispose())

/** float32 sums in another order, of numbers of size 1. */
const TOLERANCE = 2e-5

const rng = new Rng(5)
const normal = (...shape: number[]) => floats(shape, () => rng.normal())

/** One use of an op: inputs, attributes, and what its first output must hold. */
type Use = {
  readonly inputs: readonly (HostTensor | null)[]
  readonly attributes?: Readonly<Record<string, unknown>>
  readonly expected: ArrayLike<number>
}

const x = normal(2, 3, 4)
const y = normal(2, 3, 4)
const small = normal(3, 1)

const USES: Readonly<Partial<Record<OpName, readonly Use[]>>> = {
  Abs: [unary(Math.abs)],
  Relu: [unary((a) => Math.max(0, a))],
  Gelu: [
    unary((a) => (a * (1 + erf(a / Math.SQRT2))) / 2),
    unary((a) => 0.5 * a * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (a + 0.044715 * a ** 3))), {
      approximate: 'tanh',
    }),
  ],
  QuickGelu: [1, 1.702].map((alpha) => unary((a) => a / (1 + Math.exp(-alpha * a)), { alpha })),
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: binary((a, b) => a / b),
  Max: binary((a, b) => Math.max(a, b)),
  FusedMatMul: [
    {
      inputs: [x, normal(5, 4)],
      attributes: { transB: 1, alpha: 0.5 },
      get expected() {
        const b = this.inputs[1]!.data
        return at([6, 5], (i, j) => 0.5 * sum(4, (k) => num(x, i * 4 + k) * Number(b[j * 4 + k])))
      },
    },
  ],
  Reshape: [{ inputs: [x], attributes: { shape: [6, 4] }, expected: x.data as Float32Array }],
  Transpose: [
    {
      inputs: [x],
      attributes: { perm: [2, 0, 1] },
      expected: at([4, 2, 3], (k, i, j) => num(x, (i * 3 + j!) * 4 + k)),
    },
  ],
  Concat: [
    {
      inputs: [x, y],
      attributes: { axis: 0 },
      expected: [...x.data, ...y.data].map(Number),
    },
  ],
  Unsqueeze: [{ inputs: [x], attributes: { axes: [0] }, expected: Array.from(x.data, Number) }],
  Slice: [
    {
      inputs: [x],
      attributes: { starts: [1, 0], ends: [3, 2], axes: [1, 2] },
      expected: at([2, 2, 2], (i, j, k) => num(x, (i * 3 + j + 1) * 4 + k!)),
    },
  ],
  Pad: [
    {
      inputs: [x],
      attributes: { pads: [0, 1, 0, 0, 0, 2] },
      expected: at([2, 4, 6], (i, j, k) =>
        j === 0 || k! > 3 ? 0 : num(x, (i * 3 + j - 1) * 4 + k!),
      ),
    },
  ],
  Gather: [
    {
      inputs: [normal(5, 2), hostTensor('int64', [3], BigInt64Array.of(4n, 0n, 4n))],
      attributes: { axis: 0 },
      get expected() {
        return at([3, 2], (i, j) => num(this.inputs[0]!, [4, 0, 4][i]! * 2 + j))
      },
    },
  ],
  ReduceMax: [
    {
      inputs: [x],
      attributes: { axes: [-1], keepdims: 1 },
      expected: at([6, 1], (i) => Math.max(...[0, 1, 2, 3].map((k) => num(x, i * 4 + k)))),
    },
  ],
  ReduceSum: [
    {
      inputs: [x],
      attributes: { axes: [1], keepdims: 0 },
      expected: at([2, 4], (i, k) => sum(3, (j) => num(x, (i * 3 + j) * 4 + k))),
    },
  ],
  LayerNormalization: [normalization(true)],
  SimplifiedLayerNormalization: [normalization(false)],
  QuantizeLinear: [
    {
      // Halves go to even, what is too large stays at the end.
      inputs: [floats([5], (i) => [0.25, 0.75, -1, 300, -300][i]!), scalar(0.5), byte(128)],
      expected: [128, 130, 126, 255, 0],
    },
    {
      // One scale for each row.
      inputs: [
        floats([2, 3], (i) => i - 3),
        floats([2, 1], (i) => i + 1),
        hostTensor('uint8', [2, 1], Uint8Array.of(128, 128)),
      ],
      attributes: { axis: 1, block_size: 3 },
      expected: [125, 126, 127, 128, 128, 129],
    },
  ],
  Expand: [{ inputs: [byte(128)], attributes: { shape: [2, 1] }, expected: [128, 128] }],
  DequantizeLinear: [
    {
      inputs: [hostTensor('uint8', [3], Uint8Array.of(0, 128, 255)), scalar(0.5), byte(128)],
      expected: [-64, 0, 63.5],
    },
  ],
  MatMulIntegerToFloat: [integerProduct()],
  MatMulNBits: [blockProduct(8, 32), blockProduct(4, 32), blockProduct(4, 128)],
  MultiHeadAttention: [patchAttention()],
  GroupQueryAttention: [cachedAttention(null), cachedAttention(3), cachedAttention(1)],
}

describe('every op of the inference graphs comes back from the engine as its formula', () => {
  for (const [op, uses] of Object.entries(USES)) {
    uses.forEach((use, i) =>
      test(uses.length > 1 ? `${op} ${i + 1}` : op, async () => {
        const g = new Graph(op)
        const values: Record<string, HostTensor> = {}
        const inputs = use.inputs.map((tensor, i) => {
          if (!tensor) return null
          values[`x${i}`] = tensor
          return g.input(`x${i}`, tensor.dtype, tensor.shape)
        })
        const node = g.node(op as OpName, inputs, use.attributes)
        node.outputs.forEach((value, i) => g.output(`y${i}`, value))
        const { y0 } = await runGraph(runtime, g, values)
        assertClose(y0!.data, use.expected)
      }),
    )
  }

  test('the table above holds all of them', () => {
    const used = new Set<OpName>()
    for (const precision of ['f32', 'int8', 'int8a16', 'q8', 'q4', 'q4b128'] as const) {
      for (const graph of inferenceGraphs(precision)) {
        for (const { op } of graph.nodes) used.add(op)
      }
    }
    assert.deepEqual([...used].sort(), Object.keys(USES).sort())
  })
})

test('symbols get their sizes when a graph runs', async () => {
  const g = new Graph('symbols')
  const a = g.input('a', 'float32', ['B', 'T', 4])
  const b = g.input('b', 'float32', ['S', 4])
  const rows = g.op('Reshape', [a], { shape: ['B*T', 4] })
  const joined = g.op('Concat', [rows, b], { axis: 0 }) // [B·T + S, 4]
  const [front, back] = g.node('Split', [joined], { axis: 0, split: ['B*T', 'S'] }).outputs
  g.output('joined', joined)
  g.output('grouped', g.op('Reshape', [front!], { shape: ['B', 2, 'T', 2] }))
  g.output('later', g.op('Slice', [back!], { starts: [1], ends: ['S'], axes: [0] }))
  g.output('wide', g.op('Expand', [g.scalar(7)], { shape: ['T', 'S'] }))
  for (const [batch, length, keys] of [
    [2, 3, 5],
    [1, 1, 1],
  ] as const) {
    const values = { a: normal(batch, length, 4), b: normal(keys, 4) }
    const result = await runGraph(runtime, g, values)
    assert.deepEqual([...result['joined']!.data], [...values.a.data, ...values.b.data])
    assert.deepEqual(result['joined']!.shape, [batch * length + keys, 4])
    assert.deepEqual(result['grouped']!.shape, [batch, 2, length, 2])
    assert.deepEqual([...result['grouped']!.data], [...values.a.data])
    assert.deepEqual([...result['later']!.data], [...values.b.data].slice(4))
    assert.deepEqual(result['wide']!.shape, [length, keys])
    assert.ok(result['wide']!.data.every((value: number | bigint) => value === 7))
  }
})

test('a symbol that no input has by itself is told when the graph is written', () => {
  const g = new Graph('lost')
  const a = g.input('a', 'float32', ['B*T', 'S', 4])
  g.output('y', g.op('Reshape', [a], { shape: ['B', 'S', 'T', 4] }))
  assert.throws(
    () => writeOnnx(g),
    (error) =>
      error instanceof ShapeError &&
      error.message.startsWith('lost: no input has the dimension B by itself'),
  )
})

test('parameters are inputs or weights handed over, with the same result', async () => {
  const g = new Graph('weights')
  const input = g.input('x', 'float32', ['T', 4])
  const tied = g.parameter('table', [3, 4])
  const once = g.op('FusedMatMul', [input, tied], { transB: 1 })
  g.output('y', g.op('Add', [once, g.op('FusedMatMul', [input, tied], { transB: 1 })]))
  g.op('Neg', [g.parameter('unread', [2])])
  assert.deepEqual(
    liveParameters(g).map(({ name }) => name),
    ['table'],
  )

  const values = { x: normal(2, 4), table: normal(3, 4) }
  const expected = at(
    [2, 3],
    (i, j) => 2 * sum(4, (k) => num(values.x, i * 4 + k) * num(values.table, j * 4 + k)),
  )
  const asInputs = await runtime.createSession(writeOnnx(g, { parameters: 'inputs' }))
  assert.deepEqual(asInputs.inputNames, ['x', 'table'])
  asInputs.dispose()
  assertClose((await runGraph(runtime, g, values))['y']!.data, expected)

  const session = await runtime.createSession(writeOnnx(g), {
    initializers: new Map([['table', values.table]]),
  })
  assert.deepEqual(session.inputNames, ['x'])
  const input1 = runtime.tensor('float32', [2, 4], values.x.data)
  const output = runtime.tensor('float32', [2, 3])
  await session.run({ x: input1 }, { y: output })
  assertClose(output.data, expected)
  session.dispose()
  input1.dispose()
  output.dispose()
})

test('an output may be an input, a weight, a constant or another output', async () => {
  const g = new Graph('same')
  const input = g.input('x', 'float32', [2])
  const constant = g.constant(floats([2], (i) => i))
  const negated = g.op('Neg', [input])
  g.output('first', negated)
  g.output('second', negated)
  g.output('input', input)
  g.output('weight', g.parameter('w', [2]))
  g.output('constant', constant)
  g.output('further', g.op('Add', [negated, constant]))
  const result = await runGraph(runtime, g, { x: floats([2], () => 3), w: floats([2], () => 5) })
  const given = Object.fromEntries(
    Object.entries(result).map(([name, { data }]) => [name, [...data]]),
  )
  assert.deepEqual(given, {
    first: [-3, -3],
    second: [-3, -3],
    input: [3, 3],
    weight: [5, 5],
    constant: [0, 1],
    further: [-3, -2],
  })
})

test('an op of our own is not written', () => {
  const g = new Graph('early')
  const input = g.input('x', 'float32', [1, 4])
  g.output('y', g.op('Linear', [input, g.parameter('w', [2, 4]), null]))
  assert.throws(
    () => writeOnnx(g),
    /^ShapeError: early: Linear has no form in ONNX before it is lowered; write the graph that/,
  )
})

const DECODER: DecoderConfig = {
  kind: 'qwen2',
  hiddenSize: 36,
  intermediateSize: 40,
  numLayers: 1,
  attention: {
    numHeads: 3,
    numKvHeads: 1,
    headDim: 12,
    bias: true,
    outputBias: false,
    slidingWindow: 3,
  },
  mlpBias: false,
  vocabSize: 10,
  epsilon: 1e-6,
  rope: { theta: 1e4, factor: 1 },
  tieEmbeddings: false,
  maxPositions: 64,
}

const TOWERS: readonly Pick<VisionConfig, 'kind' | 'activation'>[] = [
  { kind: 'clip', activation: 'quickGelu' },
  { kind: 'siglip', activation: 'geluTanh' },
  { kind: 'vit', activation: 'relu' },
]

/** Everything that makes another op appear: cut pixels, several feature layers, padded heads, a class token. */
function inferenceGraphs(precision: LinearPrecision): Graph[] {
  const projection = {
    depth: 2,
    activation: 'gelu',
    inputSize: 48,
    hiddenSize: 36,
    bias: true,
  } as const
  const towers = TOWERS.map((tower) =>
    visionGraph(
      {
        ...tower,
        imageSize: 29,
        patchSize: 14,
        hiddenSize: 24,
        intermediateSize: 40,
        numLayers: 2,
        numHeads: 2,
        epsilon: 1e-5,
        hasClassToken: tower.kind !== 'siglip',
        hasPreNorm: tower.kind === 'clip',
        hasPatchBias: tower.kind !== 'clip',
        hasAttentionBias: true,
        featureLayers: [1, 2],
        dropFirstRow: true,
        isStandardised: false,
        patchMerge: 1,
      },
      projection,
    ),
  )
  return [decoderGraph(DECODER), ...towers].map((graph) => lower(graph, () => precision).graph)
}

function unary(f: (a: number) => number, attributes = {}): Use {
  return { inputs: [x], attributes, expected: [...x.data].map((a) => f(Number(a))) }
}

/** Of equal shapes, and of one that is repeated. */
function binary(f: (a: number, b: number) => number): Use[] {
  return [
    { inputs: [x, y], expected: [...x.data].map((a, i) => f(Number(a), num(y, i))) },
    {
      inputs: [x, small],
      expected: [...x.data].map((a, i) => f(Number(a), num(small, Math.floor(i / 4) % 3))),
    },
  ]
}

function normalization(isCentred: boolean): Use {
  const [weight, bias] = [normal(4), normal(4)]
  const epsilon = 1e-5
  const expected = at([6, 4], (i, k) => {
    const row = [0, 1, 2, 3].map((j) => num(x, i * 4 + j))
    const mean = isCentred ? sum(4, (j) => row[j]!) / 4 : 0
    const variance = sum(4, (j) => (row[j]! - mean) ** 2) / 4
    const scaled = (num(weight, k) * (row[k]! - mean)) / Math.sqrt(variance + epsilon)
    return isCentred ? scaled + num(bias, k) : scaled
  })
  const inputs = isCentred ? [x, weight, bias] : [x, weight]
  return { inputs, attributes: { epsilon, axis: -1 }, expected }
}

function integerProduct(): Use {
  const a = hostTensor(
    'uint8',
    [3, 5],
    Uint8Array.from({ length: 15 }, () => rng.integer(256)),
  )
  const b = hostTensor(
    'int8',
    [5, 2],
    Int8Array.from({ length: 10 }, () => rng.integer(255) - 127),
  )
  const scales = floats([2], (i) => [0.01, 0.5][i]!)
  return {
    inputs: [a, b, scalar(2), scales, byte(128)],
    expected: at(
      [3, 2],
      (i, j) => 2 * num(scales, j) * sum(5, (k) => (num(a, i * 5 + k) - 128) * num(b, k * 2 + j)),
    ),
  }
}

/** Activations of whole numbers up to 127 are exact in 8 bits, so that the product must be. */
function blockProduct(bits: number, block: number): Use {
  const [columns, rows] = [block + 8, 3]
  const blocks = 2
  const a = floats([2, columns], (i) => (i % 7 === 0 ? 127 : rng.integer(255) - 127))
  const bytes = (block * bits) / 8
  const data = Uint8Array.from({ length: rows * blocks * bytes }, () => rng.integer(256))
  const scales = floats([rows, blocks], () => 0.01 * (1 + rng.integer(5)))
  const q = (n: number, k: number) => {
    const index = (n * blocks + Math.floor(k / block)) * bytes
    const within = k % block
    if (bits === 8) return data[index + within]! - 128
    const byte = data[index + (within >> 1)]!
    return (within & 1 ? byte >> 4 : byte & 15) - 8
  }
  return {
    inputs: [a, hostTensor('uint8', [rows, blocks, bytes], data), scales],
    attributes: { K: columns, N: rows, bits, block_size: block, accuracy_level: 4 },
    expected: at([2, rows], (i, n) =>
      sum(
        columns,
        (k) => num(a, i * columns + k) * q(n, k) * num(scales, n * blocks + Math.floor(k / block)),
      ),
    ),
  }
}

function patchAttention(): Use {
  const shape = { numHeads: 2, numKvHeads: 2, headDim: 6 }
  const [q, k, v] = [normal(1, 5, 12), normal(1, 5, 12), normal(1, 5, 12)]
  return {
    inputs: [q, k, v],
    attributes: { num_heads: 2 },
    expected: scalarAttention(heads(q, k, v), { ...shape, isCausal: false }),
  }
}

/** Four positions after three that are in the cache: rotation, grouping, window and cache at once. */
function cachedAttention(slidingWindow: number | null): Use {
  const shape = { numHeads: 4, numKvHeads: 2, headDim: 16, slidingWindow }
  const [past, length, capacity] = [3, 4, 8]
  const q = normal(1, length, 64)
  const keys = normal(1, past + length, 32)
  const values = normal(1, past + length, 32)
  const rotation = { headDim: 16, theta: 100 }
  const rotated = scalarRotary(keys.data as Float32Array, { ...rotation, heads: 2 })
  const cached = (rows: ArrayLike<number>) =>
    floats([1, 2, capacity, 16], (i) => {
      const [head, position, h] = [
        Math.floor(i / 16 / capacity),
        Math.floor(i / 16) % capacity,
        i % 16,
      ]
      return position < past ? rows[position * 32 + head * 16 + h]! : 0
    })
  const added = (tensor: HostTensor) =>
    hostTensor('float32', [1, length, 32], (tensor.data as Float32Array).slice(past * 32))
  const tables = rotaryTables(
    { theta: 100, factor: 1 },
    { positions: capacity, headDim: 16, width: 8 },
  )
  const table = (data: Float32Array) => hostTensor('float32', [capacity, 8], data)
  return {
    inputs: [
      q,
      added(keys),
      added(values),
      cached(rotated),
      cached(values.data as Float32Array),
      hostTensor('int32', [1], Int32Array.of(past + length - 1)),
      hostTensor('int32', [], Int32Array.of(past + length)),
      table(tables.cos),
      table(tables.sin),
    ],
    attributes: {
      num_heads: 4,
      kv_num_heads: 2,
      do_rotary: 1,
      scale: 0.25,
      local_window_size: slidingWindow ?? -1,
    },
    expected: scalarAttention(
      {
        q: scalarRotary(q.data as Float32Array, { ...rotation, heads: 4 }, past),
        k: rotated,
        v: values.data as Float32Array,
      },
      shape,
    ),
  }
}

function heads(...tensors: [HostTensor, HostTensor, HostTensor]): {
  q: Float32Array
  k: Float32Array
  v: Float32Array
} {
  const [q, k, v] = tensors.map(({ data }) => data as Float32Array) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ]
  return { q, k, v }
}

function floats(shape: readonly number[], f: (i: number) => number): HostTensor {
  const data = Float32Array.from({ length: elementCount(shape) }, (_, i) => f(i))
  return hostTensor('float32', shape, data)
}

function scalar(value: number): HostTensor {
  return floats([], () => value)
}

function byte(value: number): HostTensor {
  return hostTensor('uint8', [], Uint8Array.of(value))
}

function num(tensor: HostTensor, index: number): number {
  return Number(tensor.data[index])
}

function sum(count: number, f: (i: number) => number): number {
  let total = 0
  for (let i = 0; i < count; i++) total += f(i)
  return total
}

/** An array of that shape, element by element. */
function at(shape: readonly number[], f: (i: number, j: number, k?: number) => number): number[] {
  const [, columns = 1, depth = 1] = shape
  return Array.from({ length: elementCount(shape) }, (_, index) => {
    const [i, j, k] = [
      Math.floor(index / depth / columns),
      Math.floor(index / depth) % columns,
      index % depth,
    ]
    return f(i, j, k)
  })
}

/** Source: Abramowitz and Stegun 7.1.5, the series; exact for the small numbers here. */
function erf(a: number): number {
  let [term, total] = [a, a]
  for (let n = 1; n < 80; n++) {
    term *= (-a * a) / n
    total += term / (2 * n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * total
}

function assertClose(actual: TypedArray, expected: ArrayLike<number>): void {
  assert.equal(actual.length, expected.length)
  for (let i = 0; i < expected.length; i++) {
    const [came, wanted] = [Number(actual[i]), expected[i]!]
    const isClose = Math.abs(came - wanted) <= TOLERANCE * Math.max(1, Math.abs(wanted))
    assert.ok(isClose, `element ${i} is ${came}, not ${wanted}`)
  }
}
