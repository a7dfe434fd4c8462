/** Operators that work element by element, with broadcasting where there are two inputs. */
import type { DType } from '../../core/dtype.ts'
import type { Value } from '../graph.ts'
import {
  broadcast,
  defineOp,
  expectDtype,
  expectFloat,
  expectNumber,
  required,
  type Inputs,
} from './definition.ts'

type Check = (value: Value) => void
const anything: Check = () => {}
const truths: Check = (value) => expectDtype(value, 'bool')

function unary(check: Check) {
  return defineOp({
    domain: '',
    required: {},
    optional: {},
    infer: (inputs) => [checked(inputs, check)],
  })
}

function binary(check: Check, result?: DType) {
  return defineOp({
    domain: '',
    required: {},
    optional: {},
    infer(inputs) {
      const a = checked(inputs, check)
      const b = required(inputs, 1)
      expectDtype(b, a.dtype)
      return [{ dtype: result ?? a.dtype, shape: broadcast(a.shape, b.shape) }]
    },
  })
}

function checked(inputs: Inputs, check: Check): Value {
  const x = required(inputs, 0)
  check(x)
  return x
}

export const elementwise = {
  Abs: unary(expectNumber),
  Neg: unary(expectNumber),
  Sign: unary(expectNumber),
  Exp: unary(expectFloat),
  Log: unary(expectFloat),
  Sqrt: unary(expectFloat),
  Reciprocal: unary(expectFloat),
  Erf: unary(expectFloat),
  Tanh: unary(expectFloat),
  Sigmoid: unary(expectFloat),
  Softplus: unary(expectFloat),
  Relu: unary(expectNumber),
  Round: unary(expectFloat),
  Identity: unary(anything),
  Not: unary(truths),
  Add: binary(expectNumber),
  Sub: binary(expectNumber),
  Mul: binary(expectNumber),
  Div: binary(expectNumber),
  Pow: binary(expectNumber),
  Max: binary(expectNumber),
  Min: binary(expectNumber),
  And: binary(truths),
  Less: binary(expectNumber, 'bool'),
  LessOrEqual: binary(expectNumber, 'bool'),
  Greater: binary(expectNumber, 'bool'),
  Equal: binary(anything, 'bool'),
  /** x Φ(x) with the exact normal distribution, or its tanh form (`approximate: 'tanh'`). Source: arXiv:1606.08415. */
  Gelu: defineOp({
    domain: '',
    required: {},
    optional: { approximate: 'string' },
    infer: (inputs) => [checked(inputs, expectFloat)],
  }),
  /** x σ(αx): SiLU for α = 1, OpenAI's CLIP for α = 1.702. */
  QuickGelu: defineOp({
    domain: 'com.microsoft',
    required: { alpha: 'float' },
    optional: {},
    infer: (inputs) => [checked(inputs, expectFloat)],
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
      const [condition, a, b] = [0, 1, 2].map((i) => required(inputs, i)) as [Value, Value, Value]
      expectDtype(condition, 'bool')
      expectDtype(b, a.dtype)
      return [{ dtype: a.dtype, shape: broadcast(condition.shape, broadcast(a.shape, b.shape)) }]
    },
  }),
} as const
