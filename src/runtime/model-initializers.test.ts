import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostTensor } from '../core/tensor.ts'
import { Graph } from '../graph/graph.ts'
import { writeOnnx } from '../graph/onnx-writer.ts'
import { checkInitializers } from './model-initializers.ts'

function model(): Uint8Array {
  const g = new Graph('test')
  const x = g.input('x', 'float32', ['M', 4])
  const product = g.op('MatMul', [x, g.parameter('weight', [4, 2])])
  g.output('y', g.op('Add', [product, g.constant(hostTensor('float32', [2], new Float32Array(2)))]))
  return writeOnnx(g)
}

const weight = hostTensor('float32', [4, 2], new Float32Array(8))

test('exactly the external weights are asked for; constants inside the model are not', () => {
  checkInitializers(model(), new Map([['weight', weight]]))
  assert.throws(() => checkInitializers(model(), new Map()), {
    name: 'ConfigError',
    message:
      'runtime: initializer weight float32[4,2] is missing; give exactly the initializers that the session declares.',
  })
  const surplus = new Map([
    ['weight', weight],
    ['bias', weight],
  ])
  assert.throws(() => checkInitializers(model(), surplus), {
    name: 'ConfigError',
    message:
      'runtime: initializer bias is not one of weight; give exactly the initializers that the session declares.',
  })
})

test('a weight of another size would be read past its end: it is refused by name', () => {
  const short = hostTensor('float32', [2, 2], new Float32Array(4))
  assert.throws(() => checkInitializers(model(), new Map([['weight', short]])), {
    name: 'ShapeError',
    message:
      'runtime: initializer weight float32[4,2] came as float32[2,2]; give tensors of the declared types.',
  })
})

test('bytes that are no model are refused', () => {
  for (const bytes of [Uint8Array.of(1, 2, 3), model().subarray(0, 40)]) {
    assert.throws(() => checkInitializers(bytes, new Map()), { code: 'CONFIG_RUNTIME_MODEL' })
  }
})
