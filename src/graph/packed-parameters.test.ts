import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Rng } from '../core/rng.ts'
import { elementCount } from '../core/shape.ts'
import { hostTensor, type HostTensor } from '../core/tensor.ts'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { Graph } from './graph.ts'
import { lower } from './lower.ts'
import { liveParameters, writeOnnx } from './onnx-writer.ts'
import { packedParameters } from './packed-parameters.ts'

let runtime: Runtime
before(async () => {
  runtime = await createRuntime()
})
after(() => runtime.dispose())

const WIDTH = 40

/** Products of several sizes, with a bias and without, and weights that something else reads. */
function mixedGraph(): Graph {
  const g = new Graph('mixed')
  const x = g.input('x', 'float32', ['T', WIDTH])
  const ids = g.input('ids', 'int64', ['T'])
  const norm = g.parameter('norm', [WIDTH])
  const normed = g.op('SimplifiedLayerNormalization', [x, norm], { epsilon: 1e-5, axis: -1 })
  for (const outputs of [1, 7, 24, 130]) {
    const weight = g.parameter(`w${outputs}`, [outputs, WIDTH])
    g.output(`plain${outputs}`, g.op('Linear', [normed, weight, null]))
    // The optimiser reads biases of one element, which lie elsewhere.
    const bias = outputs > 1 ? g.parameter(`b${outputs}`, [outputs]) : null
    const other = g.parameter(`v${outputs}`, [outputs, WIDTH])
    g.output(`biased${outputs}`, g.op('Linear', [normed, other, bias]))
  }
  const table = g.parameter('table', [16, WIDTH])
  g.output('rows', g.op('Gather', [table, ids], { axis: 0 }))
  g.output('head', g.op('Linear', [normed, table, null]))
  return lower(g, () => 'f32').graph
}

test('weights that are only multiplied by are packed, whatever else is read', () => {
  assert.deepEqual(
    [...packedParameters([mixedGraph()])].sort(),
    [1, 7, 24, 130].flatMap((outputs) => [`v${outputs}`, `w${outputs}`]).sort(),
  )
  const g = new Graph('reader')
  g.output('y', g.op('Relu', [g.parameter('w7', [7, WIDTH])]))
  assert.ok(!packedParameters([mixedGraph(), g]).has('w7'))
})

test('the engine does not see what becomes of the memory of packed weights', async () => {
  const graph = mixedGraph()
  const initializers = new Map(liveParameters(graph).map(({ name, shape }) => [name, drawn(shape)]))
  const session = await runtime.createSession(writeOnnx(graph), {
    initializers,
    config: { 'optimization.disable_specified_optimizers': 'ConstantFolding' },
  })
  const packed = packedParameters([graph])
  const run = async (rows: number): Promise<number[][]> => {
    const x = runtime.tensor('float32', [rows, WIDTH], drawn([rows, WIDTH]).data)
    const ids = runtime.tensor('int64', [rows], new BigInt64Array(rows))
    const outputs = Object.fromEntries(
      graph.outputs.map(({ name, value }) => {
        return [name, runtime.tensor('float32', [rows, value.shape[1] as number])] as const
      }),
    )
    await session.run({ x, ids }, outputs)
    return Object.values(outputs).map(({ data }) => [...(data as Float32Array)])
  }
  const before = [await run(1), await run(33)]
  session.releaseWeights(packed)
  for (const name of packed) (initializers.get(name)!.data as Float32Array).fill(NaN)
  assert.deepEqual([await run(1), await run(33)], before)
  session.dispose()
})

function drawn(shape: readonly unknown[]): HostTensor {
  const rng = new Rng(shape.length)
  const sizes = shape as readonly number[]
  const data = Float32Array.from({ length: elementCount(sizes) }, () => rng.normal())
  return hostTensor('float32', sizes, data)
}
