/** Gradients of the operators that fold axes away, and of the normalisations. */
import type { Dim } from '../../core/shape.ts'
import { normalizeAxis } from '../../graph/ops/definition.ts'
import type { reduction as ops } from '../../graph/ops/reduction.ts'
import type { RuleTable } from '../rule.ts'

export const reduction: RuleTable<keyof typeof ops> = {
  ReduceSum: ({ f, inputs: [x], attributes: { axes }, dy }) => [
    f.expand(f.unfold(dy, x, axes), x.shape),
  ],
  ReduceMean: ({ f, inputs: [x], attributes: { axes }, dy }) => {
    const folded = axes.map((axis) => x.shape[normalizeAxis(axis, x.shape.length)] as Dim)
    const each = f.div(f.unfold(dy, x, axes), f.count(folded, x.dtype))
    return [f.expand(each, x.shape)]
  },
  // To the largest elements, in equal parts where there are several.
  ReduceMax: ({ g, f, inputs: [x], outputs: [y], attributes: { axes }, dy }) => {
    const isLargest = g.op('Equal', [x, f.unfold(y, x, axes)])
    const share = g.op('Cast', [isLargest], { to: x.dtype })
    return [f.mul(share, f.div(f.unfold(dy, x, axes), f.sum(share, axes)))]
  },
  // exp(x − y), the softmax
  ReduceLogSumExp: ({ g, f, inputs: [x], outputs: [y], attributes: { axes }, dy }) => {
    const softmax = g.op('Exp', [f.sub(x, f.unfold(y, x, axes))])
    return [f.mul(softmax, f.unfold(dy, x, axes))]
  },
  ReduceSumSquare: ({ f, inputs: [x], attributes: { axes }, dy }) => [
    f.mul(x, f.mul(f.unfold(dy, x, axes), 2)),
  ],
  // y (dy − Σ dy y)
  Softmax: ({ f, outputs: [y], attributes: { axis }, dy }) => [
    f.mul(y, f.sub(dy, f.sum(f.mul(dy, y), [axis]))),
  ],
  // With x̂ = (x − mean) r and d = dy w: r (d − mean(d) − x̂ mean(d x̂)); dy x̂; dy
  LayerNormalization: ({ f, inputs: [x, weight], outputs: [, mean, r], dy }) => {
    const normed = f.mul(f.sub(x, mean), r)
    const d = f.mul(dy, weight)
    const centred = f.sub(d, f.mean(d, [-1]))
    const dx = f.mul(r, f.sub(centred, f.mul(normed, f.mean(f.mul(d, normed), [-1]))))
    return [dx, f.mul(dy, normed), dy]
  },
  // With x̂ = x r and d = dy w: r (d − x̂ mean(d x̂)); dy x̂
  SimplifiedLayerNormalization: ({ f, inputs: [x, weight], outputs: [, r], dy }) => {
    const normed = f.mul(x, r)
    const d = f.mul(dy, weight)
    const dx = f.mul(r, f.sub(d, f.mul(normed, f.mean(f.mul(d, normed), [-1]))))
    return [dx, f.mul(dy, normed)]
  },
}
