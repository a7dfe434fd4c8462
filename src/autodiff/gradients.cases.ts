/** Every operator with a gradient against finite differences: a table over all operators, so that none is forgotten. */
import { test } from 'node:test'
import { hostTensor } from '../core/tensor.ts'
import type { Graph, Value } from '../graph/index.ts'
import type { OpName } from '../graph/ops/index.ts'
import type { Runtime } from '../runtime/runtime.ts'
import {
  checkGradients,
  type Draw,
  type GradientCase,
  type TensorSpec,
} from './gradient-check.cases.ts'

/** Runs all cases; `skips` names operators that an engine lacks, with the reason. */
export function gradientCases(
  runtime: () => Runtime,
  skips: Readonly<Partial<Record<OpName, string>>> = {},
): void {
  for (const [op, cases] of Object.entries(CASES)) {
    if (typeof cases === 'string') continue
    for (const gradientCase of cases) {
      const skip = skips[op as OpName] ?? false
      test(`${gradientCase.name}: the gradient is the limit of differences`, { skip }, () =>
        checkGradients(runtime(), gradientCase),
      )
    }
  }
}

const CASES: { readonly [N in OpName]: readonly GradientCase[] | 'none' | 'refused' } = {
  Abs: [unary('Abs', 'apart')],
  Neg: [unary('Neg')],
  Sign: 'none',
  Exp: [unary('Exp')],
  Log: [unary('Log', 'positive')],
  Sqrt: [unary('Sqrt', 'positive')],
  Reciprocal: [unary('Reciprocal', 'positive')],
  Erf: [unary('Erf')],
  Tanh: [unary('Tanh')],
  Sigmoid: [unary('Sigmoid')],
  Softplus: [unary('Softplus')],
  Relu: [unary('Relu', 'apart')],
  Round: 'none',
  Identity: [unary('Identity')],
  Not: 'none',
  Add: binary('Add'),
  Sub: binary('Sub'),
  Mul: [
    ...binary('Mul'),
    one('Mul of a value by itself', { x: ['B', 3] }, (g, [x]) => g.op('Mul', [x, x])),
  ],
  Div: binary('Div', 'positive'),
  Pow: binary('Pow', 'positive'),
  Max: [binaryApart('Max')],
  Min: [binaryApart('Min')],
  And: 'none',
  Less: 'none',
  LessOrEqual: 'none',
  Greater: 'none',
  Equal: 'none',
  Gelu: [
    unary('Gelu'),
    one('Gelu by tanh', { x: ['B', 5] }, (g, [x]) => g.op('Gelu', [x], { approximate: 'tanh' })),
  ],
  QuickGelu: [1, 1.702].map((alpha) =>
    one(`QuickGelu ${alpha}`, { x: ['B', 5] }, (g, [x]) => g.op('QuickGelu', [x], { alpha })),
  ),
  Cast: [
    one('Cast there and back', { x: ['B', 5] }, (g, [x]) =>
      g.op('Cast', [g.op('Cast', [x], { to: 'float64' })], { to: 'float32' }),
    ),
  ],
  Where: [
    one('Where', { a: ['B', 3], b: [3], c: apart('B', 1) }, (g, [a, b, c]) =>
      g.op('Where', [g.op('Less', [c, g.scalar(0)]), g.op('Add', [a, c]), b]),
    ),
  ],

  MatMul: [
    one('MatMul', { a: ['B', 3], b: [3, 4] }, (g, ab) => g.op('MatMul', ab)),
    one('MatMul of batches by one matrix', { a: ['B', 'T', 3], b: [3, 2] }, (g, ab) =>
      g.op('MatMul', ab),
    ),
    one('MatMul of one matrix by batches', { a: [2, 3], b: ['B', 2, 3, 2] }, (g, ab) =>
      g.op('MatMul', ab),
    ),
    one('MatMul of batches that broadcast', { a: ['B', 1, 2, 3], b: [1, 3, 3, 2] }, (g, ab) =>
      g.op('MatMul', ab),
    ),
  ],
  FusedMatMul: [0, 1].flatMap((transA) =>
    [0, 1].flatMap((transB) => [
      one(
        `FusedMatMul ${transA}${transB}`,
        { a: transA ? ['B', 3, 2] : ['B', 2, 3], b: transB ? ['B', 4, 3] : ['B', 3, 4] },
        (g, ab) => g.op('FusedMatMul', ab, { transA, transB, alpha: 0.7 }),
      ),
      one(
        `FusedMatMul ${transA}${transB} by one matrix`,
        { a: transA ? ['B', 3, 'T'] : ['B', 'T', 3], b: transB ? [4, 3] : [3, 4] },
        (g, ab) => g.op('FusedMatMul', ab, { transA, transB, alpha: 0.7 }),
      ),
    ]),
  ),
  Linear: [
    one('Linear', { x: ['B', 'T', 3], weight: [4, 3], bias: [4] }, (g, v) => g.op('Linear', v)),
    one('Linear of rows without bias', { x: ['B', 3], weight: [4, 3] }, (g, [x, weight]) =>
      g.op('Linear', [x, weight, null]),
    ),
  ],
  LinearInputGradient: [
    one('LinearInputGradient', { rows: ['B', 'T', 4], weight: [4, 3] }, (g, v) =>
      g.op('LinearInputGradient', v),
    ),
  ],
  LinearWeightGradient: [
    one('LinearWeightGradient', { rows: ['B', 'T', 4], x: ['B', 'T', 3] }, (g, v) =>
      g.op('LinearWeightGradient', v),
    ),
  ],
  Conv: [
    one('Conv of patches', { x: ['B', 2, 5, 7], w: [3, 2, 2, 3], b: [3] }, (g, v) =>
      g.op('Conv', v, { kernel_shape: [2, 3], strides: [2, 3] }),
    ),
  ],

  Reshape: [
    one('Reshape', { x: ['B', 'T', 4] }, (g, [x]) =>
      g.op('Reshape', [x], { shape: [x.shape[0]!, 2, 2, x.shape[1]!] }),
    ),
  ],
  Transpose: [
    one('Transpose', { x: ['B', 'T', 2] }, (g, [x]) => g.op('Transpose', [x], { perm: [2, 0, 1] })),
  ],
  Expand: [
    one('Expand', { x: ['T', 1], other: ['B', 'T', 3] }, (g, [x, other]) =>
      g.op('Mul', [g.op('Expand', [x], { shape: other.shape }), other]),
    ),
  ],
  Concat: [
    one('Concat', { a: ['B', 'T', 2], b: ['B', 2, 2], c: ['B', 'T', 2] }, (g, v) =>
      g.op('Concat', v, { axis: 1 }),
    ),
  ],
  Split: [
    one('Split, one part unread', { x: ['B', 6] }, (g, [x]) => {
      const [a, , c] = g.node('Split', [x], { axis: 1, split: [2, 2, 2] }).outputs
      return g.op('Mul', [a!, c!])
    }),
  ],
  Slice: [
    one('Slice', { x: ['B', 'T', 4] }, (g, [x]) =>
      g.op('Slice', [x], { starts: [1, 1], ends: [3, 2], axes: [1, -1] }),
    ),
  ],
  Pad: [one('Pad', { x: ['B', 'T'] }, (g, [x]) => g.op('Pad', [x], { pads: [0, 1, 2, 1] }))],
  Unsqueeze: [
    one('Unsqueeze', { x: ['B', 'T'] }, (g, [x]) => g.op('Unsqueeze', [x], { axes: [1] })),
  ],
  Gather: [
    one('Gather of rows, some twice', { x: [5, 'T'] }, (g, [x]) =>
      g.op('Gather', [x, int64(g, [2, 2], [3, 1, 1, 0])], { axis: 0 }),
    ),
    one('Gather along the middle axis', { x: ['B', 4, 2] }, (g, [x]) =>
      g.op('Gather', [x, int64(g, [3], [3, 1, 1])], { axis: 1 }),
    ),
  ],
  GatherElements: [
    one('GatherElements', { x: [2, 4] }, (g, [x]) =>
      g.op('GatherElements', [x, int64(g, [2, 3], [3, 1, 1, 0, 2, 2])], { axis: 1 }),
    ),
  ],
  ScatterND: [
    one('ScatterND that writes', { x: [4, 'B'], updates: [2, 'B'] }, (g, [x, updates]) =>
      g.op('ScatterND', [x, int64(g, [2, 1], [3, 0]), updates]),
    ),
    one('ScatterND that adds', { x: [4, 'T'], updates: [3, 'T'] }, (g, [x, updates]) =>
      g.op('ScatterND', [x, int64(g, [3, 1], [3, 0, 2]), updates], { reduction: 'add' }),
    ),
  ],
  ScatterElements: [
    one('ScatterElements that writes', { x: [2, 4], updates: [2, 2] }, (g, [x, updates]) =>
      g.op('ScatterElements', [x, int64(g, [2, 2], [3, 0, 1, 2]), updates], { axis: 1 }),
    ),
    one('ScatterElements that adds', { x: [2, 4], updates: [2, 2] }, (g, [x, updates]) =>
      g.op('ScatterElements', [x, int64(g, [2, 2], [3, 3, 1, 2]), updates], {
        axis: 1,
        reduction: 'add',
      }),
    ),
  ],

  ReduceSum: reductions('ReduceSum'),
  ReduceMean: reductions('ReduceMean'),
  ReduceMax: reductions('ReduceMax', 'apart'),
  ReduceLogSumExp: reductions('ReduceLogSumExp'),
  ReduceSumSquare: reductions('ReduceSumSquare'),
  Softmax: [-1, 1].map((axis) =>
    one(`Softmax over axis ${axis}`, { x: ['B', 'T', 4] }, (g, [x]) =>
      g.op('Softmax', [x], { axis }),
    ),
  ),
  LayerNormalization: [
    one('LayerNormalization', { x: ['B', 'T', 5], w: [5], b: [5] }, (g, v) =>
      g.op('LayerNormalization', v, { epsilon: 1e-2, axis: -1 }),
    ),
  ],
  SimplifiedLayerNormalization: [
    one('SimplifiedLayerNormalization', { x: ['B', 'T', 5], w: [5] }, (g, v) =>
      g.op('SimplifiedLayerNormalization', v, { epsilon: 1e-2, axis: -1 }),
    ),
  ],

  MultiHeadAttention: [
    one('MultiHeadAttention', { q: ['B', 'T', 8], k: ['B', 'T', 8], v: ['B', 'T', 8] }, (g, v) =>
      g.op('MultiHeadAttention', v, { num_heads: 2 }),
    ),
  ],
  GroupQueryAttention: 'refused',
  GroupedAttention: [
    one(
      'GroupedAttention with a mask',
      { q: ['B', 4, 'T', 3], k: ['B', 2, 'T', 3], v: ['B', 2, 'T', 3], mask: [1, 1, 'T', 'T'] },
      (g, v) => g.op('GroupedAttention', v, { scale: 0.6 }),
    ),
    one(
      'GroupedAttention without grouping',
      { q: ['B', 2, 'T', 3], k: ['B', 2, 4, 3], v: ['B', 2, 4, 3] },
      (g, [q, k, v]) => g.op('GroupedAttention', [q, k, v, null], { scale: 0.6 }),
    ),
  ],
  RotaryEmbedding: [
    one('RotaryEmbedding', { x: ['B', 2, 'T', 4] }, (g, [x]) => {
      const angles = Array.from({ length: 10 }, (_, i) => 0.3 * i + 0.1)
      const positions = int64(g, [2, 3], [0, 1, 2, 0, 4, 1])
      const table = (f: (angle: number) => number) =>
        g.constant(hostTensor('float32', [5, 2], Float32Array.from(angles, f)))
      return g.op('RotaryEmbedding', [x, positions, table(Math.cos), table(Math.sin)])
    }),
  ],

  DynamicQuantizeMatMul: 'refused',
  MatMulIntegerToFloat: 'refused',
  QuantizeLinear: 'refused',
  DequantizeLinear: 'refused',
  MatMulNBits: 'refused',
}

type Specs = Readonly<Record<string, TensorSpec | TensorSpec['shape']>>
type Values = readonly [Value, Value, Value, Value]

function one(name: string, specs: Specs, build: (g: Graph, v: Values) => Value): GradientCase {
  const tensors = Object.fromEntries(
    Object.entries(specs).map(([key, spec]) => [key, 'shape' in spec ? spec : { shape: spec }]),
  )
  return { name, tensors, build: (g, values) => build(g, values as unknown as Values) }
}

function apart(...shape: TensorSpec['shape']): TensorSpec {
  return { shape, draw: 'apart' }
}

function unary(op: OpName, draw: Draw = 'normal'): GradientCase {
  return one(op, { x: { shape: ['B', 'T', 2], draw } }, (g, [x]) => g.node(op, [x]).outputs[0]!)
}

/** Equal shapes, each side broadcast, and both at once. */
function binary(op: OpName, draw: Draw = 'normal'): GradientCase[] {
  const shapes = [
    [
      ['B', 3],
      ['B', 3],
    ],
    [['B', 'T', 2], [2]],
    [
      ['T', 1],
      ['B', 1, 2],
    ],
    [[], ['B', 2]],
  ] as const
  return shapes.map(([a, b]) =>
    one(
      `${op} of [${a}] and [${b}]`,
      { a: { shape: a, draw }, b: { shape: b, draw } },
      (g, v) => g.node(op, [v[0], v[1]]).outputs[0]!,
    ),
  )
}

function binaryApart(op: OpName): GradientCase {
  return one(
    op,
    { a: apart('B', 5), b: apart(5) },
    (g, [a, b]) => g.node(op, [a, g.op('Add', [b, g.scalar(0.1)])]).outputs[0]!,
  )
}

function reductions(op: OpName, draw: Draw = 'normal'): GradientCase[] {
  const forms = [
    { axes: [-1], keepdims: 1 },
    { axes: [1], keepdims: 0 },
    { axes: [0, 2], keepdims: 0 },
  ]
  return forms.map((form) =>
    one(
      `${op} over [${form.axes}]`,
      { x: { shape: ['B', 'T', 4], draw } },
      (g, [x]) => g.node(op, [x], form).outputs[0]!,
    ),
  )
}

function int64(g: Graph, shape: readonly number[], numbers: readonly number[]): Value {
  return g.constant(hostTensor('int64', shape, BigInt64Array.from(numbers, BigInt)))
}
