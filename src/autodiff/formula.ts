/** Arithmetic on the values of a graph, so that a gradient rule reads like its formula. */
import { allocate, numberToFloat16, type DType } from '../core/dtype.ts'
import { sameShape, type Dim, type Shape } from '../core/shape.ts'
import { hostTensor } from '../core/tensor.ts'
import type { Graph, Value } from '../graph/graph.ts'
import { product } from '../graph/dimension.ts'
import { normalizeAxis } from '../graph/ops/definition.ts'

/** Operands of a formula: at least one of two is a value, and a number takes its dtype. */
type Operand = Value | number

export class Formula {
  readonly #g: Graph
  readonly #constants = new Map<string, Value>()

  constructor(graph: Graph) {
    this.#g = graph
  }

  add(a: Operand, b: Operand): Value {
    return this.#binary('Add', a, b)
  }

  sub(a: Operand, b: Operand): Value {
    return this.#binary('Sub', a, b)
  }

  mul(a: Operand, b: Operand): Value {
    return this.#binary('Mul', a, b)
  }

  div(a: Operand, b: Operand): Value {
    return this.#binary('Div', a, b)
  }

  pow(a: Value, b: Operand): Value {
    return this.#binary('Pow', a, b)
  }

  neg(x: Value): Value {
    return this.#g.op('Neg', [x])
  }

  /** 1 / (1 + exp(−x)), exact also where it is small: ONNX Runtime's own is off by 1e-7 there, which x then multiplies. */
  sigmoid(x: Value): Value {
    return this.#g.op('Reciprocal', [this.add(this.#g.op('Exp', [this.neg(x)]), 1)])
  }

  where(condition: Value, a: Operand, b: Operand): Value {
    const dtype = typeof a === 'number' ? (b as Value).dtype : a.dtype
    return this.#g.op('Where', [condition, this.#value(a, dtype), this.#value(b, dtype)])
  }

  /** alpha · op(a) op(b), op transposing the last two axes where its flag is set. */
  product(
    a: Value,
    b: Value,
    flags: { readonly transA?: number; readonly transB?: number; readonly alpha?: number } = {},
  ): Value {
    const { transA = 0, transB = 0, alpha = 1 } = flags
    if (!transA && !transB && alpha === 1) return this.#g.op('MatMul', [a, b])
    return this.#g.op('FusedMatMul', [a, b], { transA, transB, alpha })
  }

  sum(x: Value, axes: readonly number[], keepdims: 0 | 1 = 1): Value {
    return this.#g.op('ReduceSum', [x], { axes, keepdims })
  }

  mean(x: Value, axes: readonly number[]): Value {
    return this.#g.op('ReduceMean', [x], { axes, keepdims: 1 })
  }

  reshape(x: Value, shape: Shape): Value {
    return sameShape(x.shape, shape) ? x : this.#g.op('Reshape', [x], { shape })
  }

  transpose(x: Value, perm: readonly number[]): Value {
    return this.#g.op('Transpose', [x], { perm })
  }

  expand(x: Value, shape: Shape): Value {
    return sameShape(x.shape, shape) ? x : this.#g.op('Expand', [x], { shape })
  }

  /** Zeros around x: `pads` holds all begins, then all ends. */
  pad(x: Value, pads: Shape): Value {
    return pads.every((count) => count === 0) ? x : this.#g.op('Pad', [x], { pads })
  }

  /** [..., D] as [rows, D]. */
  rows(x: Value): Value {
    return this.reshape(x, [product(x.shape.slice(0, -1)), x.shape.at(-1) as Dim])
  }

  zeros(dtype: DType, shape: Shape): Value {
    return this.expand(this.number(0, dtype), shape)
  }

  zerosLike(x: Value): Value {
    return this.zeros(x.dtype, x.shape)
  }

  /** Whether a value came out of `zeros`. */
  isZeros(x: Value): boolean {
    const zero = this.number(0, x.dtype)
    return (
      x === zero ||
      (typeof x.origin !== 'string' && x.origin.inputs[0] === zero && x.origin.op === 'Expand')
    )
  }

  /** A folded value with its axes back as ones: [B, D] folded over axis 1 of [B, T, D] becomes [B, 1, D]. */
  unfold(y: Value, { shape }: Value, axes: readonly number[]): Value {
    const folded = new Set(axes.map((axis) => normalizeAxis(axis, shape.length)))
    return this.reshape(
      y,
      shape.map((dim, i) => (folded.has(i) ? 1 : dim)),
    )
  }

  /** The number of elements of a shape as a scalar; symbols are counted when the graph runs. */
  count(shape: Shape, dtype: DType): Value {
    const count = product(shape)
    if (typeof count === 'number') return this.number(count, dtype)
    const ones = this.expand(this.number(1, dtype), shape)
    return this.sum(
      ones,
      shape.map((_, axis) => axis),
      0,
    )
  }

  number(number: number, dtype: DType): Value {
    const key = `${dtype} ${number}`
    const known = this.#constants.get(key)
    if (known) return known
    const data = allocate(dtype, 1)
    data[0] = dtype === 'float16' ? numberToFloat16(number) : number
    const value = this.#g.constant(hostTensor(dtype, [], data))
    this.#constants.set(key, value)
    return value
  }

  #binary(op: 'Add' | 'Sub' | 'Mul' | 'Div' | 'Pow', a: Operand, b: Operand): Value {
    const dtype = typeof a === 'number' ? (b as Value).dtype : a.dtype
    return this.#g.op(op, [this.#value(a, dtype), this.#value(b, dtype)])
  }

  #value(operand: Operand, dtype: DType): Value {
    return typeof operand === 'number' ? this.number(operand, dtype) : operand
  }
}
