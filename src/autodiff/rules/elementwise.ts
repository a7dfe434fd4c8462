/** Gradients of the operators that work element by element. Here y is the output, dy its gradient. */
import type { Value } from '../../graph/graph.ts'
import type { elementwise as ops } from '../../graph/ops/elementwise.ts'
import type { Formula } from '../formula.ts'
import { isFloat } from '../is-float.ts'
import type { RuleTable } from '../rule.ts'

export const elementwise: RuleTable<keyof typeof ops> = {
  // 0 at 0, as PyTorch has it
  Abs: ({ g, f, inputs: [x], dy }) => [f.mul(dy, g.op('Sign', [x]))],
  Neg: ({ f, dy }) => [f.neg(dy)],
  Exp: ({ f, outputs: [y], dy }) => [f.mul(dy, y)],
  Log: ({ f, inputs: [x], dy }) => [f.div(dy, x)],
  // 1 / 2√x
  Sqrt: ({ f, outputs: [y], dy }) => [f.div(f.mul(dy, 0.5), y)],
  // −1 / x²
  Reciprocal: ({ f, outputs: [y], dy }) => [f.neg(f.mul(dy, f.mul(y, y)))],
  // 2/√π exp(−x²)
  Erf: ({ g, f, inputs: [x], dy }) => {
    return [f.mul(f.mul(dy, 2 / Math.sqrt(Math.PI)), g.op('Exp', [f.neg(f.mul(x, x))]))]
  },
  // 1 − y²
  Tanh: ({ f, outputs: [y], dy }) => [f.mul(dy, f.sub(1, f.mul(y, y)))],
  // y (1 − y)
  Sigmoid: ({ f, outputs: [y], dy }) => [f.mul(dy, f.mul(y, f.sub(1, y)))],
  // σ(x)
  Softplus: ({ f, inputs: [x], dy }) => [f.mul(dy, f.sigmoid(x))],
  // 0 at 0
  Relu: ({ g, f, inputs: [x], dy }) => [f.where(g.op('Greater', [x, f.number(0, x.dtype)]), dy, 0)],
  Sign: 'none',
  Round: 'none',
  Identity: ({ dy }) => [dy],
  Not: 'none',
  Add: ({ dy }) => [dy, dy],
  Sub: ({ f, dy }) => [dy, f.neg(dy)],
  Mul: ({ f, inputs: [a, b], dy }) => [f.mul(dy, b), f.mul(dy, a)],
  // 1/b; −y/b
  Div: ({ f, inputs: [, b], outputs: [y], dy }) => {
    const da = f.div(dy, b)
    return [da, f.neg(f.mul(da, y))]
  },
  // b a^(b−1); y ln a
  Pow: ({ g, f, inputs: [a, b], outputs: [y], dy }) => [
    f.mul(dy, f.mul(b, f.pow(a, f.sub(b, 1)))),
    f.mul(dy, f.mul(y, g.op('Log', [a]))),
  ],
  Max: ({ g, f, inputs: [a, b], dy }) =>
    chosen(f, dy, g.op('Greater', [a, b]), g.op('Equal', [a, b])),
  Min: ({ g, f, inputs: [a, b], dy }) => chosen(f, dy, g.op('Less', [a, b]), g.op('Equal', [a, b])),
  And: 'none',
  Less: 'none',
  LessOrEqual: 'none',
  Greater: 'none',
  Equal: 'none',
  Gelu: ({ g, f, inputs: [x], attributes, dy }) => {
    if (attributes.approximate === 'tanh') return [f.mul(dy, tanhGeluSlope(f, x))]
    // Φ(x) + x φ(x)
    const cdf = f.mul(f.add(g.op('Erf', [f.mul(x, Math.SQRT1_2)]), 1), 0.5)
    const density = f.mul(g.op('Exp', [f.mul(f.mul(x, x), -0.5)]), 1 / Math.sqrt(2 * Math.PI))
    return [f.mul(dy, f.add(cdf, f.mul(x, density)))]
  },
  QuickGelu: ({ f, inputs: [x], attributes: { alpha }, dy }) => {
    const z = alpha === 1 ? x : f.mul(x, alpha)
    return [f.mul(dy, gateSlope(f, f.sigmoid(z), z))]
  },
  Cast: ({ g, inputs: [x], dy }) => [isFloat(x) ? g.op('Cast', [dy], { to: x.dtype }) : null],
  Where: ({ f, inputs: [condition], dy }) => [
    null,
    f.where(condition, dy, 0),
    f.where(condition, 0, dy),
  ],
}

/** The gradient goes to the operand that was chosen; equal ones get half each, as in PyTorch. */
function chosen(f: Formula, dy: Value, isFirst: Value, isEqual: Value): readonly Value[] {
  const first = f.where(isFirst, dy, f.where(isEqual, f.mul(dy, 0.5), 0))
  return [first, f.sub(dy, first)]
}

/** The slope of x σ(z): s (1 + x z′ (1 − s)) with s = σ(z), given x z′. */
function gateSlope(f: Formula, s: Value, steepness: Value): Value {
  return f.mul(s, f.add(f.mul(steepness, f.sub(1, s)), 1))
}

/** The tanh form is x σ(z) with z = √(8/π)(x + 0.044715 x³). */
function tanhGeluSlope(f: Formula, x: Value): Value {
  const [scale, cubic] = [Math.sqrt(8 / Math.PI), 0.044715]
  const square = f.mul(x, x)
  const z = f.mul(x, f.add(f.mul(square, cubic * scale), scale))
  const steepness = f.mul(x, f.add(f.mul(square, 3 * cubic * scale), scale))
  return gateSlope(f, f.sigmoid(z), steepness)
}
