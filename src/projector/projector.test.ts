import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Graph, printGraph } from '../graph/index.ts'
import { projector, type ProjectorConfig } from './projector.ts'

const CONFIG: ProjectorConfig = {
  depth: 2,
  activation: 'gelu',
  inputSize: 4,
  hiddenSize: 6,
  bias: true,
}

function print(config: ProjectorConfig): string[] {
  const g = new Graph('projector')
  g.output('y', projector(g, config, g.input('x', 'float32', ['I', 9, config.inputSize])))
  return printGraph(g).split('\n  ').slice(1)
}

test('two layers with an activation between them', () => {
  assert.deepEqual(print(CONFIG), [
    'input x float32[I,9,4]',
    'parameter projector.layers.0.weight float32[6,4]',
    'parameter projector.layers.0.bias float32[6]',
    'parameter projector.layers.1.weight float32[6,6]',
    'parameter projector.layers.1.bias float32[6]',
    'v3 float32[I,9,6] = Linear(x, projector.layers.0.weight, projector.layers.0.bias)',
    'v4 float32[I,9,6] = Gelu(v3)',
    'v7 float32[I,9,6] = Linear(v4, projector.layers.1.weight, projector.layers.1.bias)',
    'output y = v7',
  ])
})

test('one layer is linear, none hands the features on', () => {
  const linear = print({ ...CONFIG, depth: 1, bias: false })
  assert.equal(linear.filter((line) => line.includes('Linear(')).length, 1)
  assert.ok(linear.includes('v2 float32[I,9,6] = Linear(x, projector.layers.0.weight, none)'))
  assert.deepEqual(print({ ...CONFIG, depth: 0 }), ['input x float32[I,9,4]', 'output y = x'])
})

test('an activation that is none leaves two products, as linear projectors are stored', () => {
  const lines = print({ ...CONFIG, activation: 'identity' })
  assert.equal(lines.filter((line) => line.includes(' = ')).length - 1, 2)
})
