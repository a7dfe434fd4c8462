import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ConfigError } from '../core/errors.ts'
import { Rng } from '../core/rng.ts'
import { hostTensor, type HostTensor } from '../core/tensor.ts'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { dequantizeInt8, quantizeInt8 } from '../weights/quantize-int8.ts'
import { dequantizeQ4Offset, quantizeQ4Offset } from '../weights/quantize-q4-offset.ts'
import { GraphRunner } from '../../test/run-graph.ts'
import { Graph, lower, type LinearPrecision } from './index.ts'

const [ROWS, COLUMNS, COUNT] = [48, 40, 9]

let runtime: Runtime
before(async () => {
  runtime = await createRuntime()
})
after(() => runtime.dispose())

function gradientGraph(): Graph {
  const g = new Graph('gradient')
  const dy = g.input('dy', 'float32', ['T', ROWS])
  g.output('dx', g.op('LinearInputGradient', [dy, g.parameter('w', [ROWS, COLUMNS])]))
  return g
}

function normal(shape: readonly [number, number]): HostTensor {
  const rng = new Rng(11)
  const data = Float32Array.from({ length: shape[0] * shape[1] }, () => rng.normal())
  return hostTensor('float32', shape, data)
}

test('the gradient of an int8 layer is that of its dequantised weight', async () => {
  const weight = normal([ROWS, COLUMNS])
  const { data, scale } = quantizeInt8(weight.data as Float32Array, {
    rows: ROWS,
    columns: COLUMNS,
  })
  const dequantised = Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => {
    const [n, k] = [Math.floor(i / COLUMNS), i % COLUMNS]
    return (data[k * ROWS + n] as number) * (scale[n] as number)
  })
  const values = {
    dy: normal([COUNT, ROWS]),
    w: hostTensor('float32', [ROWS, COLUMNS], dequantised),
    'w.int8': hostTensor('int8', [COLUMNS, ROWS], data),
    'w.scale': hostTensor('float32', [ROWS], scale),
  }
  const exact = await run('f32', values)
  const quantised = await run('int8', values)
  let [error, size] = [0, 0]
  exact.forEach((value, i) => {
    error += (value - (quantised[i] as number)) ** 2
    size += value ** 2
  })
  // Activations of 8 bits: 1 % of the row's size on normal numbers.
  assert.ok(Math.sqrt(error / size) < 0.015, `relative error ${Math.sqrt(error / size)}`)
})

test('a form of weights that no gradient passes through is refused by name', () => {
  for (const precision of ['q8', 'q4', 'q4b128'] as const) {
    assert.throws(
      () => lower(gradientGraph(), () => precision),
      (error) => error instanceof ConfigError && error.code === 'CONFIG_PRECISION_GRADIENT',
    )
  }
})

test('widened weights give the products of the weights that are stored, both ways', async () => {
  const weight = normal([ROWS, COLUMNS]).data as Float32Array
  const shape = { rows: ROWS, columns: COLUMNS }
  const int8 = quantizeInt8(weight, shape)
  const q4 = quantizeQ4Offset(weight, shape)
  const blocks = Math.ceil(COLUMNS / 32)
  const stored = {
    int8: {
      w: hostTensor('float32', [ROWS, COLUMNS], dequantizeInt8(int8, shape)),
      'w.int8': hostTensor('int8', [COLUMNS, ROWS], int8.data),
      'w.scale': hostTensor('float32', [ROWS], int8.scale),
    },
    q4: {
      w: hostTensor('float32', [ROWS, COLUMNS], dequantizeQ4Offset(q4, shape)),
      'w.q4': hostTensor('uint8', [ROWS, blocks, 16], q4.data),
      'w.scale': hostTensor('float32', [ROWS, blocks], q4.scale),
      'w.offset': hostTensor('float32', [ROWS, blocks], q4.offset),
    },
  }
  for (const precision of ['int8', 'q4'] as const) {
    const values = { ...stored[precision], dy: normal([COUNT, ROWS]), x: normal([COUNT, COLUMNS]) }
    for (const graph of [gradientGraph(), forwardGraph()]) {
      const exact = await run('f32', values, { graph })
      const widened = await run(precision, values, { graph, widen: true })
      exact.forEach((value, i) => {
        const distance = Math.abs(value - (widened[i] as number))
        assert.ok(distance <= 1e-5 * Math.max(1, Math.abs(value)), `${precision} ${graph.name}`)
      })
    }
  }
})

test('only int8 and q4 can be widened', () => {
  for (const precision of ['int8a16', 'q8', 'q4b128'] as const) {
    assert.throws(() => lower(forwardGraph(), () => precision, { widen: true }), {
      code: 'CONFIG_PRECISION_WIDENED',
    })
  }
})

function forwardGraph(): Graph {
  const g = new Graph('forward')
  const x = g.input('x', 'float32', ['T', COLUMNS])
  g.output('dx', g.op('Linear', [x, g.parameter('w', [ROWS, COLUMNS]), null]))
  return g
}

async function run(
  precision: LinearPrecision,
  values: Readonly<Record<string, HostTensor>>,
  { graph = gradientGraph(), widen = false } = {},
): Promise<Float32Array> {
  const { graph: lowered } = lower(graph, () => precision, { widen })
  const runner = await GraphRunner.create(runtime, lowered)
  const { dx } = await runner.run(values)
  runner.dispose()
  return dx?.data as Float32Array
}
