/** Operators that work element by element, with broadcasting where there are two inputs. */
import type { DType } from '../../core/dtype.ts'
import { defineOp, broadcast, expectDtype, required } from './definition.ts'

function unary(domain: '' | 'com.microsoft' = '') {
  return defineOp({
    domain,
    required: {},
    optional: {},
    infer: (inputs) => [required(inputs, 0)],
  })
}

function binary(result?: DType) {
  return defineOp({
    domain: '',
    required: {},
    optional: {},
    infer(inputs) {
      const a = required(inputs, 0)
      const b = required(inputs, 1)
      expectDtype(b, a.dtype)
      return [{ dtype: result ?? a.dtype, shape: broadcast(a.shape, b.shape) }]
    },
  })
}

export const elementwise = {
  Abs: unary(),
  Neg: unary(),
  Sign: unary(),
  Exp: unary(),
  Log: unary(),
  Sqrt: unary(),
  Reciprocal: unary(),
  Erf: unary(),
  Tanh: unary(),
  Sigmoid: unary(),
  Softplus: unary(),
  Relu: unary(),
  Round: unary(),
  Identity: unary(),
  Not: unary(),
  Add: binary(),
  Sub: binary(),
  Mul: binary(),
  Div: binary(),
  Pow: binary(),
  Max: binary(),
  Min: binary(),
  And: binary(),
  Less: binary('bool'),
  LessOrEqual: binary('bool'),
  Greater: binary('bool'),
  Equal: binary('bool'),
  /** x Φ(x) with the exact normal distribution, or its tanh form (`approximate: 'tanh'`). Source: arXiv:1606.08415. */
  Gelu: defineOp({
    domain: '',
    required: {},
    optional: { approximate: 'string' },
    infer: (inputs) => [required(inputs, 0)],
  }),
  /** x σ(αx): SiLU for α = 1, OpenAI's CLIP for α = 1.702. */
  QuickGelu: defineOp({
    domain: 'com.microsoft',
    required: { alpha: 'float' },
    optional: {},
    infer: (inputs) => [required(inputs, 0)],
  }),
  Cast: defineOp({
    domain: '',
    required: { to: 'dtype' },
    optional: {},
    infer: (inputs, { to }) => [{ dtype: to, shape: required(inputs, 0).shape }],
  }),
  /** condition ? a : b */
  Where: defineOp({
    domain: '',
    required: {},
    optional: {},
    infer(inputs) {
      const [condition, a, b] = [0, 1, 2].map((i) => required(inputs, i)) as [V, V, V]
      expectDtype(condition, 'bool')
      expectDtype(b, a.dtype)
      return [{ dtype: a.dtype, shape: broadcast(condition.shape, broadcast(a.shape, b.shape)) }]
    },
  }),
} as const

type V = ReturnType<typeof required>
