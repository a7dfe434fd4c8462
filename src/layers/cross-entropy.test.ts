import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { differentiate } from '../autodiff/index.ts'
import { hostTensor } from '../core/tensor.ts'
import { Graph, printGraph } from '../graph/index.ts'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { runGraph } from '../../test/run-graph.ts'
import { crossEntropy } from './cross-entropy.ts'

let runtime: Runtime
before(async () => {
  runtime = await createRuntime()
})
after(() => runtime.dispose())

function lossGraph(): Graph {
  const g = new Graph('loss')
  const logits = g.input('logits', 'float32', ['R', 3])
  const labels = g.input('labels', 'int64', ['R'])
  const weights = g.input('weights', 'float32', ['R'])
  g.output('loss', crossEntropy(g, { logits, labels, weights }))
  return g
}

test('rows weigh what they are given, and large logits neither overflow nor lose the loss', async () => {
  const { loss, 'gradient.logits': gradient } = await runGraph(
    runtime,
    differentiate(lossGraph(), { wrt: ['logits'] }),
    {
      logits: hostTensor('float32', [3, 3], Float32Array.of(0, 0, 0, 500, 1, 2, 7, 8, 9)),
      labels: hostTensor('int64', [3], BigInt64Array.of(1n, 1n, 2n)),
      weights: hostTensor('float32', [3], Float32Array.of(0.5, 0.25, 0)),
    },
  )
  assert.ok(Math.abs((loss?.data[0] as number) - (0.5 * Math.log(3) + 0.25 * 499)) < 1e-4)
  const expected = [1 / 6, -1 / 3, 1 / 6, 0.25, -0.25, 0, 0, 0, 0]
  expected.forEach((value, i) => {
    assert.ok(Math.abs((gradient?.data[i] as number) - value) < 1e-7, `gradient[${i}]`)
  })
})

test('the gradient is a softmax from which the label is taken in place', () => {
  assert.equal(
    printGraph(differentiate(lossGraph(), { wrt: ['logits'] })),
    [
      'graph loss.gradients',
      '  input logits float32[R,3]',
      '  input labels int64[R]',
      '  input weights float32[R]',
      '  v4 int64[R,1] = Unsqueeze(labels) axes=[1]',
      '  v5 float32[R,1] = GatherElements(logits, v4) axis=1',
      '  v6 float32[R,1] = ReduceLogSumExp(logits) axes=[1] keepdims=1',
      '  v7 float32[R,1] = Sub(v5, v6)',
      '  v8 float32[R] = ReduceSum(v7) axes=[1] keepdims=0',
      '  v9 float32[R] = Mul(v8, weights)',
      '  v10 float32[] = ReduceSum(v9) axes=[0] keepdims=0',
      '  v11 float32[] = Neg(v10)',
      '  v12 float32[] = Neg(1)',
      '  v13 float32[1] = Reshape(v12) shape=[1]',
      '  v14 float32[R] = Expand(v13) shape=[R]',
      '  v15 float32[R] = Mul(v14, weights)',
      '  v16 float32[R,1] = Reshape(v15) shape=[R,1]',
      '  v17 float32[R,1] = Neg(v16)',
      '  v18 float32[R,3] = Sub(logits, v6)',
      '  v19 float32[R,3] = Exp(v18)',
      '  v20 float32[R,3] = Mul(v19, v17)',
      '  v21 float32[R,3] = ScatterElements(v20, v4, v16) axis=1 reduction=add',
      '  output loss = v11',
      '  output gradient.logits = v21',
    ].join('\n'),
  )
})
