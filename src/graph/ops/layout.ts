/** Operators that move elements without computing: reshape, transpose, gather, concatenate, slice, scatter. */
import { ShapeError } from '../../core/errors.ts'
import type { Dim, Shape } from '../../core/shape.ts'
import { difference, product, sum } from '../dimension.ts'
import {
  broadcast,
  defineOp,
  expectDtype,
  expectEqualDims,
  expectRank,
  normalizeAxis,
  required,
  type Inputs,
} from './definition.ts'
import type { Value } from '../graph.ts'

export const layout = {
  Reshape: defineOp({
    domain: '',
    required: { shape: 'dims' },
    optional: {},
    tensors: ['shape'],
    infer(inputs, { shape }) {
      const x = required(inputs, 0)
      const [from, to] = [product(x.shape), product(shape)]
      const isKnown = typeof from === 'number' || !from.includes('+')
      if (isKnown && from !== to) {
        throw new ShapeError(
          'SHAPE_RESHAPE',
          `[${x.shape}] has ${from} elements, [${shape}] has ${to}.`,
        )
      }
      return [{ dtype: x.dtype, shape }]
    },
  }),
  Transpose: defineOp({
    domain: '',
    required: { perm: 'ints' },
    optional: {},
    infer(inputs, { perm }) {
      const x = required(inputs, 0)
      const isPermutation = [...perm].sort((a, b) => a - b).every((axis, i) => axis === i)
      if (!isPermutation || perm.length !== x.shape.length) {
        throw new ShapeError(
          'SHAPE_PERM',
          `perm [${perm}] does not permute rank ${x.shape.length}.`,
        )
      }
      return [{ dtype: x.dtype, shape: perm.map((axis) => x.shape[axis] as Dim) }]
    },
  }),
  Expand: defineOp({
    domain: '',
    required: { shape: 'dims' },
    optional: {},
    tensors: ['shape'],
    infer(inputs, { shape }) {
      const x = required(inputs, 0)
      return [{ dtype: x.dtype, shape: broadcast(x.shape, shape) }]
    },
  }),
  Concat: defineOp({
    domain: '',
    required: { axis: 'int' },
    optional: {},
    infer(inputs, { axis }) {
      const values = inputs.map((_, i) => required(inputs, i))
      const first = required(inputs, 0)
      const at = normalizeAxis(axis, first.shape.length)
      for (const value of values) {
        expectDtype(value, first.dtype)
        first.shape.forEach((dim, i) => {
          if (i !== at) expectEqualDims(dim, value.shape[i], `axis ${i} of the inputs`)
        })
      }
      const shape = [...first.shape]
      shape[at] = sum(values.map((value) => value.shape[at] as Dim))
      return [{ dtype: first.dtype, shape }]
    },
  }),
  /** The reverse of Concat: consecutive parts of one axis, of the sizes given. */
  Split: defineOp({
    domain: '',
    required: { axis: 'int', split: 'dims' },
    optional: {},
    tensors: ['split'],
    infer(inputs, { axis, split }) {
      const x = required(inputs, 0)
      const at = normalizeAxis(axis, x.shape.length)
      expectEqualDims(x.shape[at], sum(split), 'size of the axis and sum of the parts')
      return split.map((size) => ({
        dtype: x.dtype,
        shape: x.shape.map((dim, i) => (i === at ? size : dim)),
      }))
    },
  }),
  /** Elements [start, end) of the axes named. */
  Slice: defineOp({
    domain: '',
    required: { starts: 'dims', ends: 'dims', axes: 'ints' },
    optional: {},
    tensors: ['starts', 'ends', 'axes'],
    infer(inputs, { starts, ends, axes }) {
      const x = required(inputs, 0)
      expectCount('starts', starts.length, axes.length)
      expectCount('ends', ends.length, axes.length)
      const shape = [...x.shape]
      axes.forEach((axis, i) => {
        const at = normalizeAxis(axis, shape.length)
        const [start, end] = [starts[i] as Dim, ends[i] as Dim]
        const [size, count] = [shape[at] as Dim, difference(end, start)]
        const isPastEnd = typeof size === 'number' && typeof end === 'number' && end > size
        if (isPastEnd || (typeof count === 'number' && count < 0)) {
          throw new ShapeError(
            'SHAPE_SLICE',
            `[${start}, ${end}) is not inside axis ${axis} of ${size}.`,
          )
        }
        shape[at] = count
      })
      return [{ dtype: x.dtype, shape }]
    },
  }),
  /** Zeros around: `pads` holds all begins, then all ends. */
  Pad: defineOp({
    domain: '',
    required: { pads: 'dims' },
    optional: {},
    tensors: ['pads'],
    infer(inputs, { pads }) {
      const x = required(inputs, 0)
      const rank = x.shape.length
      expectCount('pads', pads.length, 2 * rank)
      const shape = x.shape.map((dim, i) => sum([dim, pads[i] as Dim, pads[i + rank] as Dim]))
      return [{ dtype: x.dtype, shape }]
    },
  }),
  Unsqueeze: defineOp({
    domain: '',
    required: { axes: 'ints' },
    optional: {},
    tensors: ['axes'],
    infer(inputs, { axes }) {
      const x = required(inputs, 0)
      const shape: Dim[] = [...x.shape]
      for (const axis of axes) {
        if (axis < 0)
          throw new ShapeError('SHAPE_AXIS', `axis ${axis} should count from the front.`)
        normalizeAxis(axis, x.shape.length + axes.length)
      }
      for (const axis of [...axes].sort((a, b) => a - b)) shape.splice(axis, 0, 1)
      return [{ dtype: x.dtype, shape }]
    },
  }),
  /** Rows of `data` along `axis` at int64 (or int32) indices. */
  Gather: defineOp({
    domain: '',
    required: { axis: 'int' },
    optional: {},
    infer(inputs, { axis }) {
      const data = required(inputs, 0)
      const indices = required(inputs, 1)
      expectDtype(indices, 'int64', 'int32')
      const at = normalizeAxis(axis, data.shape.length)
      const shape: Shape = [
        ...data.shape.slice(0, at),
        ...indices.shape,
        ...data.shape.slice(at + 1),
      ]
      return [{ dtype: data.dtype, shape }]
    },
  }),
  GatherElements: defineOp({
    domain: '',
    required: { axis: 'int' },
    optional: {},
    infer(inputs, { axis }) {
      const data = required(inputs, 0)
      const indices = required(inputs, 1)
      expectDtype(indices, 'int64', 'int32')
      expectRank(indices, data.shape.length)
      normalizeAxis(axis, data.shape.length)
      return [{ dtype: data.dtype, shape: indices.shape }]
    },
  }),
  /**
   * data with `updates` written, or added (`reduction: 'add'`), at rows `indices` [..., q].
   *
   * Rows must be distinct: ONNX Runtime adds them in parallel without a lock. ScatterElements adds one after another.
   */
  ScatterND: defineOp({
    domain: '',
    required: {},
    optional: { reduction: 'string' },
    infer: (inputs) => [scatterTarget(inputs)],
  }),
  ScatterElements: defineOp({
    domain: '',
    required: { axis: 'int' },
    optional: { reduction: 'string' },
    infer(inputs, { axis }) {
      const data = scatterTarget(inputs)
      const indices = required(inputs, 1)
      expectRank(indices, data.shape.length)
      normalizeAxis(axis, data.shape.length)
      return [data]
    },
  }),
} as const

function scatterTarget(inputs: Inputs): Value {
  const data = required(inputs, 0)
  expectDtype(required(inputs, 1), 'int64', 'int32')
  expectDtype(required(inputs, 2), data.dtype)
  return data
}

function expectCount(what: string, count: number, expected: number): void {
  if (count === expected) return
  throw new ShapeError('SHAPE_COUNT', `${what} has ${count} numbers; expected ${expected}.`)
}
