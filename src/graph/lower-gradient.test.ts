import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ConfigError } from '../core/errors.ts'
import { Rng } from '../core/rng.ts'
import { hostTensor, type HostTensor } from '../core/tensor.ts'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { quantizeInt8 } from '../weights/quantize-int8.ts'
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

async function run(
  precision: LinearPrecision,
  values: Readonly<Record<string, HostTensor>>,
): Promise<Float32Array> {
  const runner = await GraphRunner.create(runtime, gradientGraph(), () => precision)
  const { dx } = await runner.run(values)
  runner.dispose()
  return dx?.data as Float32Array
}
