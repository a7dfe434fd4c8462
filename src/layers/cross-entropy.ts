/** The losses of language models, over the rows that are supervised. */
import type { Graph, Value } from '../graph/graph.ts'

/**
 *   log softmax(logits)[label]
 *
 * logits [R, V]; labels int64[R], each in [0, V) (rows without a label take any). Returns [R].
 */
export function labelLogProbs(g: Graph, logits: Value, labels: Value): Value {
  const column = g.op('Unsqueeze', [labels], { axes: [1] }) // [R, 1]
  const chosen = g.op('GatherElements', [logits, column], { axis: 1 }) // [R, 1]
  const total = g.op('ReduceLogSumExp', [logits], { axes: [1], keepdims: 1 }) // [R, 1]
  return g.op('ReduceSum', [g.op('Sub', [chosen, total])], { axes: [1], keepdims: 0 })
}

/**
 *   −Σ weights ∘ log softmax(logits)[label]
 *
 * logits [R, V]; labels int64[R]; weights [R]: 1/n for a mean over n rows, 1 for a sum, 0 for rows that are not
 * supervised. Returns a scalar. Its gradient is weights ∘ (softmax(logits) − onehot(label)).
 */
export function crossEntropy(
  g: Graph,
  {
    logits,
    labels,
    weights,
  }: { readonly logits: Value; readonly labels: Value; readonly weights: Value },
): Value {
  const weighted = g.op('Mul', [labelLogProbs(g, logits, labels), weights])
  return g.op('Neg', [g.op('ReduceSum', [weighted], { axes: [0], keepdims: 0 })])
}
