/**
 * What an operator is to us: its ONNX domain, the kinds of its attributes and how output types follow from inputs.
 *
 * Arguments that ONNX wants as constant input tensors (`shape` of Reshape, `axes` of ReduceSum) are attributes here:
 * they are known when a graph is written, and gradient rules want to read them. `tensors` lists those, in the order of
 * the input slots that the writer appends for them.
 */
import { FLOAT_DTYPES, type DType } from '../../core/dtype.ts'
import { ShapeError } from '../../core/errors.ts'
import { formatType, type Dim, type Shape } from '../../core/shape.ts'
import type { TensorType, Value } from '../graph.ts'

export type AttributeKind = 'int' | 'float' | 'ints' | 'string' | 'dtype' | 'dims'

type AttributeValue = {
  readonly int: number
  readonly float: number
  readonly ints: readonly number[]
  readonly string: string
  readonly dtype: DType
  readonly dims: Shape
}

export type Attributes<K extends Readonly<Record<string, AttributeKind>>> = {
  readonly [N in keyof K]: AttributeValue[K[N]]
}

/** Inputs after the check that those an op must have are there; optional ones may be null. */
export type Inputs = readonly (Value | null)[]

export type OpDefinition<
  R extends Readonly<Record<string, AttributeKind>> = Readonly<Record<string, AttributeKind>>,
  O extends Readonly<Record<string, AttributeKind>> = Readonly<Record<string, AttributeKind>>,
> = {
  /** '' is ONNX itself; 'com.microsoft' are ONNX Runtime's; 'llava' are ours and are lowered before writing. */
  readonly domain: '' | 'com.microsoft' | 'llava'
  readonly required: R
  readonly optional: O
  /** Attributes written as int64 input tensors, after the node's own inputs. */
  readonly tensors?: readonly string[]
  /**
   * Large outputs that may have no reader. ONNX Runtime gives memory back after the last reader, and what has none stays to
   * the end of a run: the writer gives each a reader that costs nothing.
   */
  readonly lasting?: readonly number[]
  infer(inputs: Inputs, attributes: Attributes<R> & Partial<Attributes<O>>): readonly TensorType[]
}

/** Gives a definition its precise attribute types. */
export function defineOp<
  const R extends Readonly<Record<string, AttributeKind>>,
  const O extends Readonly<Record<string, AttributeKind>>,
>(definition: OpDefinition<R, O>): OpDefinition<R, O> {
  return definition
}

export function required(inputs: Inputs, index: number): Value {
  const value = inputs[index]
  if (!value) throw new ShapeError('SHAPE_INPUT_MISSING', `input ${index} is missing.`)
  return value
}

export function expectDtype(value: Value, ...allowed: readonly DType[]): void {
  if (!allowed.includes(value.dtype)) {
    throw new ShapeError(
      'SHAPE_DTYPE',
      `${value.name} is ${formatType(value.dtype, value.shape)}; expected ${allowed.join(' or ')}.`,
    )
  }
}

export function expectFloat(value: Value): void {
  expectDtype(value, ...FLOAT_DTYPES)
}

export function expectNumber(value: Value): void {
  if (value.dtype !== 'bool') return
  throw new ShapeError(
    'SHAPE_DTYPE',
    `${value.name} is ${formatType(value.dtype, value.shape)}; expected numbers.`,
  )
}

export function expectRank(value: Value, rank: number): void {
  if (value.shape.length !== rank) {
    throw new ShapeError(
      'SHAPE_RANK',
      `${value.name} is ${formatType(value.dtype, value.shape)}; expected rank ${rank}.`,
    )
  }
}

export function expectEqualDims(a: Dim | undefined, b: Dim | undefined, what: string): void {
  if (a !== b) throw new ShapeError('SHAPE_MISMATCH', `${what} differ: ${a} and ${b}.`)
}

/** Axis counted from the front; negative ones count from the back. */
export function normalizeAxis(axis: number, rank: number): number {
  const index = axis < 0 ? axis + rank : axis
  if (index < 0 || index >= rank) {
    throw new ShapeError('SHAPE_AXIS', `axis ${axis} does not exist in rank ${rank}.`)
  }
  return index
}

/** NumPy broadcasting; a symbol meets itself or 1. */
export function broadcast(a: Shape, b: Shape): Dim[] {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, i) => {
    const left = a[i - rank + a.length] ?? 1
    const right = b[i - rank + b.length] ?? 1
    if (left === right || right === 1) return left
    if (left === 1) return right
    throw new ShapeError('SHAPE_BROADCAST', `[${a}] and [${b}] do not broadcast.`)
  })
}
