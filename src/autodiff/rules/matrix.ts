/** Gradients of products. */
import { ShapeError } from '../../core/errors.ts'
import type { Dim, Shape } from '../../core/shape.ts'
import type { Graph, Value } from '../../graph/graph.ts'
import { product } from '../../graph/dimension.ts'
import type { matrix as ops } from '../../graph/ops/matrix.ts'
import type { Formula } from '../formula.ts'
import type { RuleTable } from '../rule.ts'

export const matrix: RuleTable<keyof typeof ops> = {
  MatMul: ({ f, inputs: [a, b], dy }) => productGradients(f, { a, b, dy }),
  FusedMatMul: ({ f, inputs: [a, b], attributes, dy }) => {
    return productGradients(f, { a, b, dy, ...attributes })
  },
  // dy W; dyᵀ x; Σ dy. The products stay ops of their own, so that lowering chooses their precision too.
  Linear: ({ g, inputs: [x, weight], dy }) => [
    g.op('LinearInputGradient', [dy, weight]),
    g.op('LinearWeightGradient', [dy, x], { weight: weight.name }),
    dy,
  ],
  // y = r W: dy Wᵀ; rᵀ dy
  LinearInputGradient: ({ g, inputs: [rows, weight], dy }) => [
    g.op('Linear', [dy, weight]),
    g.op('LinearWeightGradient', [rows, dy], { weight: weight.name }),
  ],
  // y = rᵀ x: x dyᵀ; r dy
  LinearWeightGradient: ({ g, inputs: [rows, x], dy }) => [
    g.op('Linear', [x, dy]),
    g.op('LinearInputGradient', [rows, dy]),
  ],
  // With patches p [I·P, C·kh·kw] and dy as rows: p's dy W; dyᵀ p; Σ dy
  Conv: ({ g, f, inputs: [x, weight], attributes: { kernel_shape: kernel, strides }, dy }) => {
    if (kernel[0] !== strides[0] || kernel[1] !== strides[1]) {
      throw new ShapeError(
        'SHAPE_CONV',
        `${g.name}: the gradient of Conv needs kernel and strides to be equal, [${kernel}] and [${strides}] came.`,
      )
    }
    const grid = patchGrid(x, dy, kernel)
    const rows = f.rows(f.transpose(dy, [0, 2, 3, 1])) // [I·P, O]
    const flat = f.reshape(weight, [weight.shape[0] as Dim, product(weight.shape.slice(1))])
    return [
      fromPatches(f, grid, f.product(rows, flat)),
      f.reshape(f.product(rows, toPatches(g, f, grid, x), { transA: 1 }), weight.shape),
      f.sum(rows, [0], 0),
    ]
  },
}

type Product = {
  readonly a: Value
  readonly b: Value
  readonly dy: Value
  readonly transA?: number
  readonly transB?: number
  readonly alpha?: number
}

/** y = α A B with A = a or aᵀ, B = b or bᵀ: dA = α dy Bᵀ, dB = α Aᵀ dy; transposed again where the input was. */
function productGradients(f: Formula, { a, b, dy, ...flags }: Product): readonly Value[] {
  const { transA = 0, transB = 0, alpha = 1 } = flags
  const da = transA
    ? f.product(b, dy, { transA: transB, transB: 1, alpha })
    : f.product(dy, b, { transB: 1 - transB, alpha })
  // One matrix for a whole batch of rows: a product over all rows, not a product a batch entry that is then summed.
  const isShared = b.shape.length === 2 && a.shape.length > 2 && !transA
  const [left, right] = isShared ? [f.rows(a), f.rows(dy)] : [a, dy]
  const db = transB
    ? f.product(right, left, { transA: 1, transB: transA, alpha })
    : f.product(left, right, { transA: 1 - transA, alpha })
  return [da, db]
}

type PatchGrid = {
  readonly pixels: Shape
  /** [I, C, h, kh, w, kw]: the pixels that some patch covers, cut into patches. */
  readonly cut: readonly [Dim, Dim, number, number, number, number]
}

function patchGrid(x: Value, dy: Value, kernel: readonly number[]): PatchGrid {
  const [tiles, channels] = x.shape as readonly [Dim, Dim]
  const [height, width] = dy.shape.slice(2) as readonly number[] as readonly [number, number]
  const [kernelHeight, kernelWidth] = kernel as readonly [number, number]
  return { pixels: x.shape, cut: [tiles, channels, height, kernelHeight, width, kernelWidth] }
}

/** x [I, C, H, W] to [I·P, C·kh·kw], pixels outside the grid left out. */
function toPatches(g: Graph, f: Formula, { cut }: PatchGrid, x: Value): Value {
  const [tiles, channels, h, kh, w, kw] = cut
  const inside = g.op('Slice', [x], { starts: [0, 0], ends: [h * kh, w * kw], axes: [2, 3] })
  const patches = f.transpose(f.reshape(inside, cut), [0, 2, 4, 1, 3, 5]) // [I, h, w, C, kh, kw]
  return f.reshape(patches, [product([tiles, h, w]), product([channels, kh, kw])])
}

/** The reverse of `toPatches`: zero outside the grid. */
function fromPatches(f: Formula, { pixels, cut }: PatchGrid, rows: Value): Value {
  const [tiles, channels, h, kh, w, kw] = cut
  const patches = f.reshape(rows, [tiles, h, w, channels, kh, kw])
  const inside = f.transpose(patches, [0, 3, 1, 4, 2, 5]) // [I, C, h, kh, w, kw]
  const map = f.reshape(inside, [tiles, channels, h * kh, w * kw])
  const [bottom, right] = [(pixels[2] as number) - h * kh, (pixels[3] as number) - w * kw]
  return f.pad(map, [0, 0, 0, 0, 0, 0, bottom, right])
}
