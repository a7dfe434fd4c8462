import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { DType } from '../core/dtype.ts'
import { ShapeError } from '../core/errors.ts'
import type { Shape } from '../core/shape.ts'
import { hostTensor } from '../core/tensor.ts'
import { Graph, type OpName, type Value } from './index.ts'

type Type = readonly [dtype: DType, ...shape: Shape]
type Case = readonly [
  op: OpName,
  inputs: readonly (Type | null)[],
  attributes: Readonly<Record<string, unknown>>,
  message: string,
]

const F = (...shape: Shape): Type => ['float32', ...shape]
const LONG = (...shape: Shape): Type => ['int64', ...shape]
const BOOL = (...shape: Shape): Type => ['bool', ...shape]
const FLOATS = 'float32 or float64 or float16 or bfloat16'

/** What came, in our notation, stands before each of these. */
const WRONG: readonly Case[] = [
  ['Add', [F(2, 3), F(4)], {}, '[2,3] and [4] do not broadcast.'],
  ['Mul', [F('T', 3), F('S', 3)], {}, '[T,3] and [S,3] do not broadcast.'],
  ['Add', [F(2), ['float16', 2]], {}, 'x1 is float16[2]; expected float32.'],
  ['Add', [F(2)], {}, 'input 1 is missing.'],
  ['Where', [F(2), F(2), F(2)], {}, 'x0 is float32[2]; expected bool.'],
  ['MatMul', [F(2, 3), F(4, 5)], {}, 'inner dimensions differ: 3 and 4.'],
  ['MatMul', [F(3), F(3, 5)], {}, 'both sides need rank 2.'],
  ['FusedMatMul', [F('T', 3), F(3, 5)], { transB: 1 }, 'inner dimensions differ: 3 and 5.'],
  ['Linear', [F('T', 8), F(4, 6)], {}, 'input width and weight width differ: 8 and 6.'],
  ['Linear', [F('T', 8), F(4, 8), F(3)], {}, 'bias and weight rows differ: 3 and 4.'],
  ['Linear', [F('T', 8), ['float16', 4, 8]], {}, 'x1 is float16[4,8]; expected float32.'],
  [
    'LinearInputGradient',
    [F(2, 5), F(4, 8)],
    {},
    'gradient width and weight rows differ: 5 and 4.',
  ],
  ['LinearWeightGradient', [F('T', 4), F('S', 8)], {}, 'rows differ: T and S.'],
  [
    'Conv',
    [F('I', 3, 8, 8), F(4, 1, 2, 2)],
    { kernel_shape: [2, 2], strides: [2, 2] },
    'channels differ: 3 and 1.',
  ],
  [
    'Conv',
    [F('I', 3, 'h', 8), F(4, 3, 2, 2)],
    { kernel_shape: [2, 2], strides: [2, 2] },
    'side lengths must be numbers.',
  ],
  ['Reshape', [F(2, 6)], { shape: [5] }, '[2,6] has 12 elements, [5] has 5.'],
  ['Reshape', [F('B', 'T', 6)], { shape: ['B', 6] }, '[B,T,6] has 6*B*T elements, [B,6] has 6*B.'],
  ['Transpose', [F(2, 3)], { perm: [0, 0] }, 'perm [0,0] does not permute rank 2.'],
  ['Expand', [F(3)], { shape: [2] }, '[3] and [2] do not broadcast.'],
  ['Concat', [F(2, 3), F(2, 4)], { axis: 0 }, 'axis 1 of the inputs differ: 3 and 4.'],
  ['Concat', [F(2), F(2)], { axis: 1 }, 'axis 1 does not exist in rank 1.'],
  [
    'Split',
    [F(7, 2)],
    { axis: 0, split: [3, 3] },
    'size of the axis and sum of the parts differ: 7 and 6.',
  ],
  ['Slice', [F(4)], { starts: [1], ends: [5], axes: [0] }, '[1, 5) is not inside axis 0 of 4.'],
  ['Slice', [F(4)], { starts: [1, 2], ends: [3], axes: [0] }, 'starts has 2 numbers; expected 1.'],
  ['Pad', [F(2, 2)], { pads: [0, 1] }, 'pads has 2 numbers; expected 4.'],
  ['Unsqueeze', [F(2)], { axes: [3] }, 'axis 3 does not exist in rank 2.'],
  ['Unsqueeze', [F(2)], { axes: [-1] }, 'axis -1 should count from the front.'],
  ['Gather', [F(4, 2), F(3)], { axis: 0 }, 'x1 is float32[3]; expected int64 or int32.'],
  ['GatherElements', [F(4, 2), LONG(3)], { axis: 1 }, 'x1 is int64[3]; expected rank 2.'],
  ['ScatterND', [F(4, 2), LONG(3, 1), LONG(3, 2)], {}, 'x2 is int64[3,2]; expected float32.'],
  [
    'ScatterElements',
    [F(4, 2), F(3, 2), F(3, 2)],
    { axis: 0 },
    'x1 is float32[3,2]; expected int64 or int32.',
  ],
  ['ReduceSum', [F(2)], { axes: [1], keepdims: 0 }, 'axis 1 does not exist in rank 1.'],
  ['Softmax', [F(2)], { axis: -2 }, 'axis -2 does not exist in rank 1.'],
  [
    'LayerNormalization',
    [F('T', 8), F(6), F(8)],
    { epsilon: 1e-5 },
    'width of input and weight differ: 8 and 6.',
  ],
  [
    'SimplifiedLayerNormalization',
    [F('T', 8), ['float16', 8]],
    { epsilon: 1e-5 },
    'x1 is float16[8]; expected float32.',
  ],
  [
    'MultiHeadAttention',
    [F(1, 4, 10), F(1, 4, 10), F(1, 4, 10)],
    { num_heads: 4 },
    '10 is no multiple of 4 heads.',
  ],
  [
    'MultiHeadAttention',
    [F(1, 4, 8), F(1, 5, 8), F(1, 4, 8)],
    { num_heads: 2 },
    'lengths of k and v differ: 4 and 5.',
  ],
  [
    'GroupQueryAttention',
    [F(1, 4, 24), F(1, 4, 8), F(1, 4, 8)],
    { num_heads: 3, kv_num_heads: 2 },
    '3 heads are no multiple of 2 key/value heads.',
  ],
  [
    'GroupQueryAttention',
    [F(1, 4, 32), F(1, 4, 32), F(1, 4, 16)],
    { num_heads: 4, kv_num_heads: 2 },
    'width of k and that of the key/value heads differ: 32 and 16.',
  ],
  [
    'GroupedAttention',
    [F(1, 4, 5, 8), F(1, 2, 6, 4), F(1, 2, 6, 8)],
    { scale: 1 },
    'widths of q and k differ: 4 and 8.',
  ],
  [
    'GroupedAttention',
    [F(1, 4, 5, 8), F(1, 2, 6, 8), F(1, 2, 6, 8), F(2, 1, 5, 6)],
    { scale: 1 },
    'the mask is larger than [1,4,5,6].',
  ],
  [
    'RotaryEmbedding',
    [F(1, 4, 5, 8), F(1, 5), F(16, 4), F(16, 4)],
    {},
    'x1 is float32[1,5]; expected int64.',
  ],
  ['DynamicQuantizeMatMul', [F('T', 8), F(8, 4), F(4)], {}, 'x1 is float32[8,4]; expected int8.'],
  [
    'MatMulIntegerToFloat',
    [
      ['uint8', 'T', 8],
      ['int8', 6, 4],
    ],
    {},
    'inner dimensions differ: 8 and 6.',
  ],
  ['QuantizeLinear', [F(2), F()], {}, 'input 2 is missing.'],
  ['Log', [['int8', 2]], {}, `x0 is int8[2]; expected ${FLOATS}.`],
  ['Softmax', [LONG(2)], { axis: 0 }, `x0 is int64[2]; expected ${FLOATS}.`],
  ['Gelu', [LONG(2)], {}, `x0 is int64[2]; expected ${FLOATS}.`],
  ['Add', [BOOL(2), BOOL(2)], {}, 'x0 is bool[2]; expected numbers.'],
  ['ReduceSum', [BOOL(2)], { axes: [0], keepdims: 0 }, 'x0 is bool[2]; expected numbers.'],
  ['Not', [F(2)], {}, 'x0 is float32[2]; expected bool.'],
  ['Transpose', [F(2)], {}, 'perm should be a list of whole numbers, nothing came.'],
  [
    'ReduceSum',
    [F(2)],
    { keepdims: 1.5 },
    'axes should be a list of whole numbers, nothing came; keepdims should be a whole number, 1.5 came.',
  ],
  ['Softmax', [F(2)], { axis: 1n }, 'axis should be a whole number, 1n came.'],
  ['Relu', [F(2)], { foo: 1 }, 'foo is no attribute; known are none.'],
  ['Cast', [F(2)], { to: 'float' }, 'to should be a dtype, "float" came.'],
  [
    'Expand',
    [F(1)],
    { shape: [''] },
    'shape should be a list of whole numbers and symbols, [""] came.',
  ],
  [
    'Expand',
    [F(1)],
    { shape: [-2] },
    'the output should have a shape of whole numbers from 0 and named symbols, [-2] came.',
  ],
  [
    'MatMulNBits',
    [F('T', 40), ['uint8', 6, 1, 16], F(6, 2)],
    { K: 40, N: 6, bits: 4, block_size: 32 },
    'axis 1 of data and blocks differ: 1 and 2.',
  ],
]

describe('a wrong shape or dtype fails where it is written, in our notation', () => {
  for (const [op, types, attributes, message] of WRONG) {
    test(`${op}: ${message}`, () => {
      const g = new Graph('model')
      const inputs = types.map((type, i) => type && input(g, `x${i}`, type))
      const came = types.map((type) => (type ? `${type[0]}[${type.slice(1).join(',')}]` : 'none'))
      assert.throws(
        () => g.node(op, inputs, attributes),
        (error) => {
          assert.ok(error instanceof ShapeError)
          assert.equal(error.message, `model: ${op}(${came.join(', ')}): ${message}`)
          return true
        },
      )
      assert.equal(g.nodes.length, 0)
    })
  }
})

describe('types follow from inputs', () => {
  const RIGHT: readonly (readonly [OpName, readonly Type[], Record<string, unknown>, Type])[] = [
    ['Add', [F('B', 1, 3), F('T', 1)], {}, F('B', 'T', 3)],
    ['Equal', [LONG('T'), LONG(1)], {}, ['bool', 'T']],
    ['Cast', [F('T')], { to: 'int64' }, LONG('T')],
    ['MatMul', [F('B', 4, 'T', 8), F(8, 'S')], {}, F('B', 4, 'T', 'S')],
    ['Linear', [F('B', 'T', 8), F(5, 8)], {}, F('B', 'T', 5)],
    ['Reshape', [F('B', 'T', 6)], { shape: ['B*T', 6] }, F('B*T', 6)],
    ['Concat', [F('T', 2), F(3, 2)], { axis: 0 }, F('T+3', 2)],
    ['Slice', [F('T', 4)], { starts: [1], ends: ['T'], axes: [0] }, F('T+-1', 4)],
    ['Pad', [F('T', 4)], { pads: [0, 1, 0, 2] }, F('T', 7)],
    ['Gather', [F('V', 8), LONG('B', 'T')], { axis: 0 }, F('B', 'T', 8)],
    ['ReduceMax', [F('T', 4)], { axes: [-1], keepdims: 1 }, F('T', 1)],
    ['Unsqueeze', [F('T')], { axes: [0, 2] }, F(1, 'T', 1)],
    [
      'MatMulNBits',
      [F('T', 40), ['uint8', 6, 2, 16], F(6, 2)],
      { K: 40, N: 6, bits: 4, block_size: 32 },
      F('T', 6),
    ],
  ]
  for (const [op, types, attributes, [dtype, ...shape]] of RIGHT) {
    test(`${op} gives ${dtype}[${shape.join(',')}]`, () => {
      const g = new Graph('model')
      const inputs = types.map((type, i) => input(g, `x${i}`, type))
      const [output] = g.node(op, inputs, attributes).outputs
      assert.deepEqual([output!.dtype, output!.shape], [dtype, shape])
    })
  }
})

test('a name asked for twice is one parameter, in one type', () => {
  const g = new Graph('model')
  const weight = g.parameter('head.weight', [8, 4])
  assert.equal(g.parameter('head.weight', [8, 4]), weight)
  assert.throws(
    () => g.parameter('head.weight', [4, 8]),
    /^ShapeError: model: parameter head\.weight is float32\[8,4\] and cannot also be float32\[4,8\]\.$/,
  )
})

test('types that cannot be are refused where they are written', () => {
  const g = new Graph('model')
  for (const shape of [[-1, 2], [1.5], [NaN], ['']]) {
    const refused = { code: 'SHAPE_DIM', message: /^model: \w+ x should have a shape of whole/ }
    assert.throws(() => g.input('x', 'float32', shape), refused)
    assert.throws(() => g.parameter('x', shape as number[]), refused)
  }
  const symbolic = ['n'] as unknown as number[]
  const sizes = { code: 'SHAPE_DIM', message: /of whole numbers from 0, \["n"\] came\.$/ }
  assert.throws(() => g.parameter('x', symbolic), sizes)
  const data = Float32Array.of(1)
  assert.throws(() => g.constant({ dtype: 'float32', shape: symbolic, data }), sizes)
  assert.throws(() => g.input('x', 'float' as DType, [2]), {
    code: 'SHAPE_DTYPE',
    message: 'model: input x should have a dtype, "float" came.',
  })
  assert.equal(g.inputs.length, 0)
})

test('the data of a constant are what its type says', () => {
  const g = new Graph('model')
  const refused: readonly (readonly [unknown, string])[] = [
    [new Float32Array(1), 'one of 1'],
    [new Int8Array(4), 'an Int8Array'],
    [[1, 2, 3, 4], '[1, 2, 3, 4]'],
    [undefined, 'nothing'],
  ]
  for (const [data, came] of refused) {
    assert.throws(() => g.constant({ dtype: 'float32', shape: [4], data: data as Float32Array }), {
      code: 'SHAPE_DATA',
      message: `model: constant: the data of float32[4] should be 4 elements in a Float32Array, ${came} came.`,
    })
  }
  assert.equal(g.constants.size, 0)
})

test('a graph reads values of its own alone', () => {
  const [g, other] = [new Graph('model'), new Graph('other')]
  const foreign = other.input('y', 'float32', [2])
  const message =
    "model: input 0 of Neg should be a value of this graph, that of another graph, y, came; make it by this graph's methods."
  assert.throws(() => g.op('Neg', [foreign]), { code: 'SHAPE_VALUE', message })
  for (const value of [foreign, undefined as never]) {
    assert.throws(() => g.output('o', value), { code: 'SHAPE_VALUE' })
  }
  assert.deepEqual([g.nodes.length, g.outputs.length], [0, 0])
})

test('no two values have one name', () => {
  const g = new Graph('model')
  const x = g.input('v1', 'float32', [2])
  const y = g.op('Neg', [x])
  assert.notEqual(y.name, x.name)
  const z = g.op('Add', [
    g.op('Neg', [y]),
    g.constant(hostTensor('float32', [], Float32Array.of(1))),
  ])
  g.output('z', z)
  for (const again of [
    () => g.input('v1', 'float32', [2]),
    () => g.parameter(y.name, [2]),
    () => g.output('z', y),
  ]) {
    assert.throws(again, (error) => error instanceof ShapeError && error.code === 'SHAPE_NAME')
  }
})

function input(g: Graph, name: string, [dtype, ...shape]: Type): Value {
  return g.input(name, dtype, shape)
}
