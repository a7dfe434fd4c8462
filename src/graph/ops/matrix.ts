/** Products of matrices, and the linear layer whose precision is chosen when a graph is lowered. */
import { ShapeError } from '../../core/errors.ts'
import type { Dim, Shape } from '../../core/shape.ts'
import { product } from '../dimension.ts'
import {
  broadcast,
  defineOp,
  expectDtype,
  expectEqualDims,
  expectRank,
  required,
} from './definition.ts'

export const matrix = {
  MatMul: defineOp({
    domain: '',
    required: {},
    optional: {},
    infer(inputs) {
      const a = required(inputs, 0)
      const b = required(inputs, 1)
      expectDtype(b, a.dtype)
      return [{ dtype: a.dtype, shape: matMulShape(a.shape, b.shape) }]
    },
  }),
  /** alpha · op(a) op(b), op transposing the last two axes when its flag is 1. */
  FusedMatMul: defineOp({
    domain: 'com.microsoft',
    required: {},
    optional: { transA: 'int', transB: 'int', alpha: 'float' },
    infer(inputs, { transA, transB }) {
      const a = required(inputs, 0)
      const b = required(inputs, 1)
      expectDtype(b, a.dtype)
      const left = transA ? swapLast(a.shape) : a.shape
      const right = transB ? swapLast(b.shape) : b.shape
      return [{ dtype: a.dtype, shape: matMulShape(left, right) }]
    },
  }),
  /**
   * x Wᵀ + b with W [N, K] as checkpoints store it and b [N] or none: the one place where precision enters. x [..., K]
   * gives [..., N]. Never written as such: `lower` turns it into products of the chosen precision.
   */
  Linear: defineOp({
    domain: 'llava',
    required: {},
    optional: {},
    infer(inputs) {
      const x = required(inputs, 0)
      const weight = required(inputs, 1)
      const bias = inputs[2]
      expectRank(weight, 2)
      expectDtype(weight, x.dtype)
      expectEqualDims(x.shape.at(-1), weight.shape[1], 'input width and weight width')
      if (bias) {
        expectDtype(bias, x.dtype)
        expectEqualDims(bias.shape[0], weight.shape[0], 'bias and weight rows')
      }
      return [{ dtype: x.dtype, shape: [...x.shape.slice(0, -1), weight.shape[0] as Dim] }]
    },
  }),
  /** dy W: the gradient of `Linear`'s input. dy [..., N], W [N, K] give [..., K]. Lowered as `Linear` is. */
  LinearInputGradient: defineOp({
    domain: 'llava',
    required: {},
    optional: {},
    infer(inputs) {
      const dy = required(inputs, 0)
      const weight = required(inputs, 1)
      expectRank(weight, 2)
      expectEqualDims(dy.shape.at(-1), weight.shape[0], 'gradient width and weight rows')
      return [{ dtype: dy.dtype, shape: [...dy.shape.slice(0, -1), weight.shape[1] as Dim] }]
    },
  }),
  /** dyᵀ x over all rows: the gradient of `Linear`'s weight, which is named `weight`. dy [..., N], x [..., K] give [N, K]. */
  LinearWeightGradient: defineOp({
    domain: 'llava',
    required: {},
    optional: { weight: 'string' },
    infer(inputs) {
      const dy = required(inputs, 0)
      const x = required(inputs, 1)
      expectDtype(x, dy.dtype)
      expectEqualDims(product(dy.shape.slice(0, -1)), product(x.shape.slice(0, -1)), 'rows')
      return [{ dtype: dy.dtype, shape: [dy.shape.at(-1) as Dim, x.shape.at(-1) as Dim] }]
    },
  }),
  /** Cross-correlation without padding. x [I, C, h, w], weight [O, C, kh, kw]. */
  Conv: defineOp({
    domain: '',
    required: { kernel_shape: 'ints', strides: 'ints' },
    optional: {},
    infer(inputs, { kernel_shape: kernel, strides }) {
      const x = required(inputs, 0)
      const weight = required(inputs, 1)
      expectRank(x, 4)
      expectRank(weight, 4)
      expectDtype(weight, x.dtype)
      expectEqualDims(x.shape[1], weight.shape[1], 'channels')
      for (const axis of [0, 1]) {
        expectEqualDims(kernel[axis], weight.shape[axis + 2], `axis ${axis} of kernel and weight`)
      }
      const side = (axis: number): Dim => {
        const size = x.shape[axis + 2]
        if (typeof size !== 'number')
          throw new ShapeError('SHAPE_CONV', 'side lengths must be numbers.')
        return Math.floor((size - (kernel[axis] as number)) / (strides[axis] as number)) + 1
      }
      return [
        { dtype: x.dtype, shape: [x.shape[0] as Dim, weight.shape[0] as Dim, side(0), side(1)] },
      ]
    },
  }),
} as const

function swapLast(shape: Shape): Shape {
  const rank = shape.length
  return [...shape.slice(0, -2), shape[rank - 1] as Dim, shape[rank - 2] as Dim]
}

function matMulShape(a: Shape, b: Shape): Shape {
  if (a.length < 2 || b.length < 2) throw new ShapeError('SHAPE_RANK', 'both sides need rank 2.')
  expectEqualDims(a.at(-1), b.at(-2), 'inner dimensions')
  return [...broadcast(a.slice(0, -2), b.slice(0, -2)), a.at(-2) as Dim, b.at(-1) as Dim]
}
