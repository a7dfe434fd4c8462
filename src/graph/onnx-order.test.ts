import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRuntime } from '../runtime/node.ts'
import { Graph } from './graph.ts'
import { atOnce } from '../core/steps.ts'
import { onnxSteps, type OnnxOptions } from './onnx-writer.ts'

test('the order of nodes in the file changes no result', async () => {
  const runtime = await createRuntime({ threads: 1 })
  const results: number[][] = []
  for (const order of ['asMade', 'lastFirst'] as const satisfies OnnxOptions['order'][]) {
    const g = new Graph('chain')
    const x = g.input('x', 'float32', [2])
    const doubled = g.op('Add', [x, x])
    const squared = g.op('Mul', [doubled, doubled])
    g.output('doubled', g.op('Add', [doubled, g.scalar(1)]))
    g.output('squared', squared)
    const session = await runtime.createSession(atOnce(onnxSteps(g, { order })))
    const input = runtime.tensor('float32', [2], Float32Array.of(1, -3))
    const outputs = {
      doubled: runtime.tensor('float32', [2]),
      squared: runtime.tensor('float32', [2]),
    }
    await session.run({ x: input }, outputs)
    results.push(Object.values(outputs).flatMap(({ data }) => [...(data as Float32Array)]))
    session.dispose()
  }
  await runtime.dispose()
  assert.deepEqual(results[0], [3, -5, 4, 36])
  assert.deepEqual(results[1], results[0])
})
