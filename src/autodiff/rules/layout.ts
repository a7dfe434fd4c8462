/** Gradients of the operators that move elements: the gradient moves back. */
import { ShapeError } from '../../core/errors.ts'
import type { Dim } from '../../core/shape.ts'
import type { Value } from '../../graph/graph.ts'
import { difference, product, sum } from '../../graph/dimension.ts'
import { normalizeAxis } from '../../graph/ops/definition.ts'
import type { layout as ops } from '../../graph/ops/layout.ts'
import type { RuleContext, RuleTable } from '../rule.ts'

export const layout: RuleTable<keyof typeof ops> = {
  Reshape: ({ f, inputs: [x], dy }) => [f.reshape(dy, x.shape)],
  Transpose: ({ f, attributes: { perm }, dy }) => [f.transpose(dy, inverse(perm))],
  Expand: ({ dy }) => [dy],
  Concat: ({ g, inputs, attributes: { axis }, dy }) => {
    const sizes = inputs.map((input) => input.shape.at(axis) as Dim)
    return g.node('Split', [dy], { axis, split: sizes }).outputs
  },
  Slice: ({ f, inputs: [x], attributes: { starts, ends, axes }, dy }) => {
    const begins: Dim[] = x.shape.map(() => 0)
    const rests: Dim[] = x.shape.map(() => 0)
    axes.forEach((axis, i) => {
      const at = normalizeAxis(axis, x.shape.length)
      begins[at] = starts[i] as Dim
      rests[at] = difference(x.shape[at] as Dim, ends[i] as Dim)
    })
    return [f.pad(dy, [...begins, ...rests])]
  },
  Pad: ({ g, inputs: [x], attributes: { pads }, dy }) => {
    const starts = pads.slice(0, x.shape.length)
    const ends = x.shape.map((dim, i) => sum([starts[i] as Dim, dim]))
    return [g.op('Slice', [dy], { starts, ends, axes: starts.map((_, axis) => axis) })]
  },
  // Parts that nothing reads have zeros for a gradient.
  Split: ({ g, f, gradients, attributes: { axis }, node }) => [
    g.op(
      'Concat',
      node.outputs.map((part, i) => gradients[i] ?? f.zerosLike(part)),
      { axis },
    ),
  ],
  Unsqueeze: ({ f, inputs: [x], dy }) => [f.reshape(dy, x.shape)],
  Gather: (context) => [gatherGradient(context), null],
  GatherElements: ({ g, f, inputs: [x, indices], attributes: { axis }, dy }) => [
    g.op('ScatterElements', [f.zerosLike(x), indices, dy], { axis, reduction: 'add' }),
    null,
  ],
  // Places that were overwritten get nothing back.
  ScatterND: ({ g, f, inputs: [, indices, updates], attributes: { reduction }, dy }) => {
    if (indices.shape.at(-1) !== 1) {
      throw new ShapeError(
        'SHAPE_SCATTER',
        `${g.name}: the gradient of ScatterND needs indices of one axis, [${indices.shape}] came.`,
      )
    }
    const data = reduction === 'add' ? dy : g.op('ScatterND', [dy, indices, f.zerosLike(updates)])
    const rows = f.reshape(indices, indices.shape.slice(0, -1))
    return [data, null, g.op('Gather', [dy, rows], { axis: 0 })]
  },
  ScatterElements: ({ g, f, inputs: [, indices, updates], attributes, dy }) => {
    const { axis, reduction } = attributes
    const isAdded = reduction === 'add'
    const data = isAdded
      ? dy
      : g.op('ScatterElements', [dy, indices, f.zerosLike(updates)], { axis })
    return [data, null, g.op('GatherElements', [dy, indices], { axis })]
  },
}

/**
 * dy added up at the rows it was read from, along one axis.
 *
 * Not by `ScatterND`: ONNX Runtime's adds rows in parallel without a lock, and loses some where an index repeats.
 */
function gatherGradient({ g, f, inputs, attributes, dy }: RuleContext<'Gather'>): Value {
  const [data, indices] = inputs
  const axis = normalizeAxis(attributes.axis, data.shape.length)
  const count = product(indices.shape)
  const along = (dim: Dim, i: number): Dim => (i === axis ? count : dim)
  const shape = data.shape.map(along) // [..., indices, ...]
  const column = f.reshape(
    indices,
    shape.map((dim, i) => (i === axis ? dim : 1)),
  )
  const [places, updates] = [f.expand(column, shape), f.reshape(dy, shape)]
  return g.op('ScatterElements', [f.zerosLike(data), places, updates], { axis, reduction: 'add' })
}

function inverse(perm: readonly number[]): number[] {
  return perm.map((_, axis) => perm.indexOf(axis))
}
