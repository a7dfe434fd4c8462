import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ConfigError } from '../core/errors.ts'
import { Rng } from '../core/rng.ts'
import { hostTensor, type HostTensor } from '../core/tensor.ts'
import { Graph, lower, printGraph, writeOnnx, type Value } from '../graph/index.ts'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { GraphRunner, runGraph, type HostTensors } from '../../test/run-graph.ts'
import { differentiate, keepProducts, splitBackward } from './differentiate.ts'

let runtime: Runtime
before(async () => {
  runtime = await createRuntime()
})
after(() => runtime.dispose())

/** y = W₂ gelu(W₁ x + b₁), and a loss of it where asked. */
function mlp({ withLoss = false } = {}): Graph {
  const g = new Graph('mlp')
  const x = g.input('x', 'float32', ['B', 3])
  const hidden = g.op('Linear', [x, g.parameter('up.weight', [4, 3]), g.parameter('up.bias', [4])])
  const lifted = g.op('Gelu', [hidden])
  const y = g.op('Linear', [lifted, g.parameter('down.weight', [2, 4]), null])
  g.output('y', y)
  if (withLoss)
    g.output('loss', g.op('ReduceMean', [g.op('Mul', [y, y])], { axes: [0, 1], keepdims: 0 }))
  return g
}

const WRT = ['x', 'up.weight', 'up.bias', 'down.weight']

function mlpValues(seed = 1): HostTensors {
  const rng = new Rng(seed)
  const random = (...shape: number[]) => {
    const count = shape.reduce((a, b) => a * b, 1)
    return hostTensor(
      'float32',
      shape,
      Float32Array.from({ length: count }, () => rng.normal()),
    )
  }
  return {
    x: random(5, 3),
    'up.weight': random(4, 3),
    'up.bias': random(4),
    'down.weight': random(2, 4),
    'gradient.y': random(5, 2),
  }
}

test('the gradient of a two-layer mlp is the limit of differences of its loss', async () => {
  const graph = mlp({ withLoss: true })
  const values = mlpValues()
  const gradients = await runGraph(
    runtime,
    differentiate(graph, { wrt: WRT, of: ['loss'] }),
    values,
  )
  const runner = await GraphRunner.create(runtime, graph)
  for (const name of WRT) {
    const gradient = gradients[`gradient.${name}`] as HostTensor
    for (let i = 0; i < gradient.data.length; i++) {
      const slope = await lossSlope(runner, values, { name, index: i })
      assert.ok(Math.abs((gradient.data[i] as number) - slope) < 5e-4, `gradient.${name}[${i}]`)
    }
  }
  runner.dispose()
})

async function lossSlope(
  runner: GraphRunner,
  values: HostTensors,
  { name, index }: { readonly name: string; readonly index: number },
): Promise<number> {
  const { shape, data } = values[name] as HostTensor
  const lossAt = async (offset: number) => {
    const moved = Float32Array.from(data as Float32Array)
    moved[index] = (moved[index] as number) + offset
    const { loss } = await runner.run({ ...values, [name]: hostTensor('float32', shape, moved) })
    return loss?.data[0] as number
  }
  const [near, far] = [await slopeOver(lossAt, 0.02), await slopeOver(lossAt, 0.04)]
  return (4 * near - far) / 3
}

async function slopeOver(lossAt: (offset: number) => Promise<number>, h: number): Promise<number> {
  return ((await lossAt(h)) - (await lossAt(-h))) / (2 * h)
}

test('a backward graph reads as the chain rule', () => {
  const g = new Graph('gated')
  const x = g.input('x', 'float32', ['B', 'T', 4])
  const gate = g.op('QuickGelu', [g.op('Linear', [x, g.parameter('gate.weight', [6, 4])])], {
    alpha: 1,
  })
  g.output('y', g.op('Mul', [gate, g.op('Linear', [x, g.parameter('up.weight', [6, 4])])]))
  const { forward, backward, kept } = splitBackward(g, {
    wrt: ['x', 'gate.weight'],
    keep: keepProducts,
  })
  assert.deepEqual(kept, ['kept.0', 'kept.1'])
  assert.equal(
    printGraph(forward),
    [
      'graph gated',
      '  input x float32[B,T,4]',
      '  parameter gate.weight float32[6,4]',
      '  parameter up.weight float32[6,4]',
      '  v3 float32[B,T,6] = Linear(x, gate.weight)',
      '  v4 float32[B,T,6] = QuickGelu(v3) alpha=1',
      '  v5 float32[B,T,6] = Linear(x, up.weight)',
      '  v6 float32[B,T,6] = Mul(v4, v5)',
      '  output y = v6',
      '  output kept.0 = v3',
      '  output kept.1 = v5',
    ].join('\n'),
  )
  assert.equal(
    printGraph(backward),
    [
      'graph gated.backward',
      '  input kept.0 float32[B,T,6]',
      '  input kept.1 float32[B,T,6]',
      '  input x float32[B,T,4]',
      '  input gradient.y float32[B,T,6]',
      '  parameter gate.weight float32[6,4]',
      '  parameter up.weight float32[6,4]',
      '  v7 float32[B,T,6] = QuickGelu(kept.0) alpha=1',
      '  v8 float32[B,T,6] = Mul(gradient.y, kept.1)',
      '  v9 float32[B,T,6] = Mul(gradient.y, v7)',
      '  v10 float32[B,T,4] = LinearInputGradient(v9, up.weight)',
      '  v11 float32[B,T,6] = Neg(kept.0)',
      '  v12 float32[B,T,6] = Exp(v11)',
      '  v13 float32[B,T,6] = Add(v12, 1)',
      '  v14 float32[B,T,6] = Reciprocal(v13)',
      '  v15 float32[B,T,6] = Sub(1, v14)',
      '  v16 float32[B,T,6] = Mul(kept.0, v15)',
      '  v17 float32[B,T,6] = Add(v16, 1)',
      '  v18 float32[B,T,6] = Mul(v14, v17)',
      '  v19 float32[B,T,6] = Mul(v8, v18)',
      '  v20 float32[B,T,4] = LinearInputGradient(v19, gate.weight)',
      '  v21 float32[6,4] = LinearWeightGradient(v19, x) weight=gate.weight',
      '  v22 float32[B,T,4] = Add(v10, v20)',
      '  output gradient.x = v22',
      '  output gradient.gate.weight = v21',
    ].join('\n'),
  )
})

test('forward and backward in one graph, apart with recompute and apart with kept values agree to the bit', async () => {
  const values = mlpValues()
  const together = await runGraph(runtime, differentiate(mlp(), { wrt: WRT }), values)
  for (const keep of [undefined, keepProducts]) {
    const { forward, backward, kept } = splitBackward(mlp(), { wrt: WRT, keep })
    const first = await runGraph(runtime, forward, values)
    const second = await runGraph(runtime, backward, { ...values, ...first })
    assert.equal(kept.length, keep ? 1 : 0)
    assert.deepEqual({ y: first['y'], ...second }, together)
  }
})

test('gradients are added to what was accumulated', async () => {
  const values = mlpValues()
  const plain = await runGraph(runtime, differentiate(mlp(), { wrt: WRT }), values)
  const graph = differentiate(mlp(), { wrt: WRT, accumulate: true })
  const start = Object.fromEntries(
    WRT.map((name) => [`accumulated.${name}`, plain[`gradient.${name}`] as HostTensor]),
  )
  const twice = await runGraph(runtime, graph, { ...values, ...start })
  for (const name of WRT) {
    const factor = name === 'x' ? 1 : 2
    const once = plain[`gradient.${name}`] as HostTensor
    const expected = (once.data as Float32Array).map((v) => factor * v)
    assert.deepEqual(twice[`gradient.${name}`], { ...once, data: expected }, name)
  }
})

test('three runs that accumulate in place give three times the gradient', async () => {
  const wrt = ['embedding', 'head.weight']
  const g = new Graph('head')
  const table = g.parameter('embedding', [5, 4])
  const rows = g.op('Gather', [table, g.input('ids', 'int64', [6])], { axis: 0 })
  g.output('y', g.op('Linear', [rows, g.parameter('head.weight', [3, 4])]))
  const { backward } = splitBackward(g, { wrt, accumulate: true })
  const model = writeOnnx(lower(backward, () => 'f32').graph, { parameters: 'inputs' })
  const session = await runtime.createSession(model)
  const tensor = (...shape: number[]) => {
    const rng = new Rng(shape.length)
    const made = runtime.tensor('float32', shape)
    made.data.forEach((_, i) => (made.data[i] = Math.round(8 * rng.normal())))
    return made
  }
  const [embedding, head] = [runtime.tensor('float32', [5, 4]), runtime.tensor('float32', [3, 4])]
  const inputs = {
    ids: runtime.tensor('int64', [6], BigInt64Array.of(0n, 3n, 3n, 1n, 0n, 3n)),
    embedding: tensor(5, 4),
    'head.weight': tensor(3, 4),
    'gradient.y': tensor(6, 3),
    'accumulated.embedding': embedding,
    'accumulated.head.weight': head,
  }
  const outputs = { 'gradient.embedding': embedding, 'gradient.head.weight': head }
  await session.run(inputs, outputs)
  const once = [embedding.data.slice(), head.data.slice()] as Float32Array[]
  await session.run(inputs, outputs)
  await session.run(inputs, outputs)
  const thrice = once.map((data) => data.map((value) => 3 * value))
  assert.deepEqual([embedding.data, head.data], thrice)
  session.dispose()
})

test('rows of a tied embedding are scattered onto the gradient of the head, not into zeros', () => {
  const g = new Graph('tied')
  const table = g.parameter('embedding', [7, 4])
  const rows = g.op('Gather', [table, g.input('ids', 'int64', ['T'])], { axis: 0 })
  g.output('logits', g.op('Linear', [rows, table]))
  const graph = differentiate(g, { wrt: ['embedding'], accumulate: true })
  assert.equal(
    printGraph(graph),
    [
      'graph tied.gradients',
      '  input ids int64[T]',
      '  input gradient.logits float32[T,7]',
      '  input accumulated.embedding float32[7,4]',
      '  parameter embedding float32[7,4]',
      '  v4 float32[T,4] = Gather(embedding, ids) axis=0',
      '  v5 float32[T,7] = Linear(v4, embedding)',
      '  v6 float32[T,4] = LinearInputGradient(gradient.logits, embedding)',
      '  v7 float32[7,4] = LinearWeightGradient(gradient.logits, v4) weight=embedding',
      '  v8 float32[7,4] = Add(accumulated.embedding, v7)',
      '  v9 int64[T,1] = Reshape(ids) shape=[T,1]',
      '  v10 int64[T,4] = Expand(v9) shape=[T,4]',
      '  v11 float32[7,4] = ScatterElements(v8, v10, v6) axis=0 reduction=add',
      '  output logits = v5',
      '  output gradient.embedding = v11',
    ].join('\n'),
  )
})

test('a row that is read thousands of times gets every gradient', async () => {
  // ScatterND with reduction 'add' lost a tenth of these: its threads add to one row at the same time.
  const [count, rows, width] = [20000, 8, 16]
  const g = new Graph('lookup')
  const table = g.parameter('embedding', [rows, width])
  g.output('y', g.op('Gather', [table, g.input('ids', 'int64', ['T'])], { axis: 0 }))
  const ids = BigInt64Array.from({ length: count }, (_, i) => BigInt(i % rows))
  const ones = hostTensor('float32', [count, width], new Float32Array(count * width).fill(1))
  const gradients = await runGraph(runtime, differentiate(g, { wrt: ['embedding'] }), {
    ids: hostTensor('int64', [count], ids),
    embedding: hostTensor('float32', [rows, width], new Float32Array(rows * width)),
    'gradient.y': ones,
  })
  const expected = new Float32Array(rows * width).fill(count / rows)
  assert.deepEqual(gradients['gradient.embedding']?.data, expected)
})

test('the slope of a gate is exact where the gate is nearly shut', async () => {
  // The engine's own sigmoid is off by 1e-7 there, and the slope multiplies that by the steepness, up to 20.
  const count = 481
  const x = Float32Array.from({ length: count }, (_, i) => -12 + i / 20)
  const ones = hostTensor('float32', [count], new Float32Array(count).fill(1))
  const scale = Math.sqrt(8 / Math.PI)
  const gates = [
    { op: 'QuickGelu', attributes: { alpha: 1.702 }, z: (v: number) => 1.702 * v, dz: () => 1.702 },
    {
      op: 'Gelu',
      attributes: { approximate: 'tanh' },
      z: (v: number) => scale * (v + 0.044715 * v ** 3),
      dz: (v: number) => scale * (1 + 3 * 0.044715 * v ** 2),
    },
  ] as const
  for (const { op, attributes, z, dz } of gates) {
    const g = new Graph(op)
    g.output('y', g.node(op, [g.input('x', 'float32', [count])], attributes).outputs[0] as Value)
    const values = { x: hostTensor('float32', [count], x), 'gradient.y': ones }
    const { 'gradient.x': slope } = await runGraph(
      runtime,
      differentiate(g, { wrt: ['x'] }),
      values,
    )
    x.forEach((v, i) => {
      const open = 1 / (1 + Math.exp(-z(v)))
      const expected = open * (1 + (v * dz(v)) / (1 + Math.exp(z(v))))
      const distance = Math.abs((slope?.data[i] as number) - expected)
      assert.ok(distance <= 1e-6 + 1e-5 * Math.abs(expected), `${op} at ${v}: ${distance}`)
    })
  }
})

test('nodes that no gradient needs are left out, and equal ones are there once', () => {
  const g = new Graph('twice')
  const x = g.input('x', 'float32', ['T'])
  const unused = g.input('unused', 'float32', ['T'])
  g.op('Exp', [unused])
  g.output('y', g.op('Add', [g.op('Exp', [x]), g.op('Exp', [x])]))
  const { backward } = splitBackward(g, { wrt: ['x'] })
  assert.equal(
    printGraph(backward),
    [
      'graph twice.backward',
      '  input x float32[T]',
      '  input gradient.y float32[T]',
      '  v2 float32[T] = Exp(x)',
      '  v3 float32[T] = Add(gradient.y, gradient.y)',
      '  v4 float32[T] = Mul(v3, v2)',
      '  output gradient.x = v4',
    ].join('\n'),
  )
})

test('what cannot be differentiated is refused by name', () => {
  const code = (expected: string) => (error: unknown) => {
    return error instanceof ConfigError && error.code === expected
  }
  assert.throws(() => differentiate(mlp(), { wrt: ['up.wieght'] }), code('CONFIG_GRADIENT_NAME'))
  assert.throws(() => differentiate(mlp(), { wrt: ['x'], of: ['z'] }), code('CONFIG_GRADIENT_NAME'))

  const g = new Graph('parts')
  const [x, other] = [g.input('x', 'float32', [2]), g.input('other', 'float32', [2])]
  g.output('y', g.op('Neg', [x]))
  g.output('sign', g.op('Sign', [other]))
  assert.throws(() => differentiate(g, { wrt: ['other'] }), code('CONFIG_GRADIENT_NAME'))
  const accumulate = { wrt: ['other'], accumulate: true }
  assert.throws(() => differentiate(g, accumulate), code('CONFIG_GRADIENT_NAME'))

  const lowered = new Graph('lowered')
  const rows = lowered.input('x', 'float32', [2, 4])
  const weight = lowered.parameter('w.int8', [4, 3], 'int8')
  const scale = lowered.parameter('w.scale', [3])
  lowered.output('y', lowered.op('DynamicQuantizeMatMul', [rows, weight, scale]))
  assert.throws(() => differentiate(lowered, { wrt: ['x'] }), code('CONFIG_GRADIENT_OP'))
})
