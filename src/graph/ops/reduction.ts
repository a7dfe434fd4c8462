/** Operators that fold axes away, and the normalisations built on them. */
import type { Dim } from '../../core/shape.ts'
import type { Value } from '../graph.ts'
import {
  defineOp,
  expectDtype,
  expectEqualDims,
  expectFloat,
  expectNumber,
  normalizeAxis,
  required,
  type Inputs,
} from './definition.ts'

function reduce(check: (value: Value) => void) {
  return defineOp({
    domain: '',
    required: { axes: 'ints', keepdims: 'int' },
    optional: {},
    tensors: ['axes'],
    infer(inputs, { axes, keepdims }) {
      const x = required(inputs, 0)
      check(x)
      const folded = new Set(axes.map((axis) => normalizeAxis(axis, x.shape.length)))
      const shape = keepdims
        ? x.shape.map((dim, i): Dim => (folded.has(i) ? 1 : dim))
        : x.shape.filter((_, i) => !folded.has(i))
      return [{ dtype: x.dtype, shape }]
    },
  })
}

export const reduction = {
  ReduceSum: reduce(expectNumber),
  ReduceMean: reduce(expectNumber),
  ReduceMax: reduce(expectNumber),
  ReduceLogSumExp: reduce(expectFloat),
  ReduceSumSquare: reduce(expectNumber),
  Softmax: defineOp({
    domain: '',
    required: { axis: 'int' },
    optional: {},
    infer(inputs, { axis }) {
      const x = required(inputs, 0)
      expectFloat(x)
      normalizeAxis(axis, x.shape.length)
      return [x]
    },
  }),
  /** w (x − mean) / √(var + ε) + b over the last axis; further outputs: mean, 1/√(var + ε). */
  LayerNormalization: defineOp({
    domain: '',
    required: { epsilon: 'float' },
    optional: { axis: 'int' },
    infer(inputs) {
      const x = normalized(inputs)
      const bias = inputs[2]
      if (bias) expectEqualDims(bias.shape[0], x.shape.at(-1), 'width of bias and input')
      const statistics = { dtype: x.dtype, shape: [...x.shape.slice(0, -1), 1] }
      return [x, statistics, statistics]
    },
  }),
  /** RMSNorm: w x / √(mean(x²) + ε) over the last axis; second output 1/√(mean(x²) + ε). Source: arXiv:1910.07467. */
  SimplifiedLayerNormalization: defineOp({
    domain: '',
    required: { epsilon: 'float' },
    optional: { axis: 'int' },
    infer(inputs) {
      const x = normalized(inputs)
      return [x, { dtype: x.dtype, shape: [...x.shape.slice(0, -1), 1] }]
    },
  }),
} as const

function normalized(inputs: Inputs): Value {
  const [x, weight] = [required(inputs, 0), required(inputs, 1)]
  expectFloat(x)
  expectDtype(weight, x.dtype)
  expectEqualDims(x.shape.at(-1), weight.shape[0], 'width of input and weight')
  return x
}
