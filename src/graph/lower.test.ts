import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { ConfigError } from '../core/errors.ts'
import { Rng } from '../core/rng.ts'
import { hostTensor, type HostTensor } from '../core/tensor.ts'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { dequantizeInt8, dequantizeQ4, dequantizeQ8 } from '../weights/index.ts'
import { dequantizeQ4Offset } from '../weights/quantize-q4-offset.ts'
import type { WeightShape } from '../weights/quantize-rows.ts'
import {
  allocateParts,
  quantizedParts,
  quantizeRows,
  type QuantizedArrays,
} from '../weights/quantize.ts'
import { GraphRunner, type HostTensors } from '../../test/run-graph.ts'
import {
  Graph,
  liveParameters,
  lower,
  precisionPolicy,
  printGraph,
  type LinearPrecision,
} from './index.ts'

let runtime: Runtime
before(async () => {
  runtime = await createRuntime()
})
after(() => runtime.dispose())

const PRECISIONS = ['f32', 'int8', 'int8a16', 'q8', 'q4', 'q4b128'] as const

const ROWS = 24
/** A multiple of no block, of the small one, and of both. */
const COLUMNS = [40, 160, 256]
const COUNTS = [1, 2, 37]

/** Activations as real layers have them: some channels and some tokens are far out, padding is zero. */
const ACTIVATIONS: Readonly<Record<string, (rng: Rng, m: number, k: number) => number>> = {
  normal: (rng) => rng.normal(),
  'with channels 30 times as large': (rng, _, k) => rng.normal() * (k % 37 === 5 ? 30 : 1),
  'with tokens 100 times as large': (rng, m) => rng.normal() * (m % 3 === 0 ? 100 : 1),
  'with rows of zeros': (rng, m) => (m % 2 === 0 ? 0 : rng.normal()),
}

/** Sums of float32 in another order, relative to the sum of absolute terms. */
const SUMMATION = 1e-5

describe('a lowered product is off by no more than rounding its activations allows', () => {
  const forms = PRECISIONS.map((precision) => ({ precision, digits: 'together' as const }))
  for (const { precision, digits } of [
    ...forms,
    { precision: 'int8a16', digits: 'apart' },
  ] as const) {
    for (const columns of COLUMNS) {
      test(`${precision}, digits ${digits}, ${columns} columns`, async () => {
        const { values, stored } = weightOf(precision, columns)
        const graph = linearGraph(columns)
        const runner = await GraphRunner.create(runtime, graph, () => precision, { digits })
        for (const draw of Object.values(ACTIVATIONS)) {
          for (const count of COUNTS) {
            const x = activations(draw, count, columns)
            const { y } = await runner.run({ ...values, x })
            checkRows(y!, { x, stored, columns, precision })
          }
        }
        runner.dispose()
      })
    }
  }
})

/**
 * Relative error of a product of normal numbers, measured with K = 256 and given a tenth to spare. Of int8 the weights'
 * rounding and, in 8 bits, the activations'; of 4 bits the weights' alone matters.
 */
const RELATIVE_ERROR: { readonly [P in LinearPrecision]: number } = {
  f32: 1e-6,
  int8: 0.013,
  int8a16: 0.008,
  q8: 0.009,
  q4: 0.085,
  q4b128: 0.11,
}

test('a lowered product is near that of the weight before it was quantised', async () => {
  const columns = 256
  for (const precision of PRECISIONS) {
    const { values, exact } = weightOf(precision, columns)
    const x = activations(ACTIVATIONS['normal']!, 37, columns)
    const runner = await GraphRunner.create(runtime, linearGraph(columns), () => precision)
    const { y } = await runner.run({ ...values, x })
    runner.dispose()
    let [error, size] = [0, 0]
    y!.data.forEach((value, i) => {
      const wanted = product(x, exact, { row: Math.floor(i / ROWS), output: i % ROWS, columns })
      error += (Number(value) - wanted) ** 2
      size += wanted ** 2
    })
    const relative = Math.sqrt(error / size)
    assert.ok(relative <= RELATIVE_ERROR[precision], `${precision}: ${relative}`)
  }
})

test('layers that read one activation share its quantised form, each in its own digits', async () => {
  const columns = 64
  const g = new Graph('two')
  const x = g.input('x', 'float32', ['T', columns])
  for (const name of ['a', 'b', 'c']) {
    g.output(`y.${name}`, g.op('Linear', [x, g.parameter(name, [ROWS, columns]), null]))
  }
  const policy = precisionPolicy('int8', { b: 'int8a16' })
  const text = printGraph(lower(g, policy).graph)
  assert.equal(text.match(/= Abs\(/g)?.length, 1)
  const runner = await GraphRunner.create(runtime, g, policy)
  const int8 = quantized('int8', 'a', weight(columns), columns)
  const values = Object.fromEntries(
    ['a', 'b', 'c'].flatMap((name) => [
      [`${name}.int8`, int8.values['a.int8']!],
      [`${name}.scale`, int8.values['a.scale']!],
    ]),
  )
  const input = activations(ACTIVATIONS['normal']!, 5, columns)
  const outputs = await runner.run({ ...values, x: input })
  runner.dispose()
  assert.deepEqual(outputs['y.a']!.data, outputs['y.c']!.data)
  const parts = { x: input, stored: int8.stored, columns }
  checkRows(outputs['y.a']!, { ...parts, precision: 'int8' })
  checkRows(outputs['y.b']!, { ...parts, precision: 'int8a16' })
})

test('rows of an activation whose least value is known are quantised without a pass for their sizes', async () => {
  const columns = 64
  const { values, stored } = weightOf('int8', columns)
  // The second row is the least that an activation can be and the third next to nothing.
  const draws = [(rng: Rng) => 3 * rng.normal(), () => -0.751, () => -30]
  const x = activations((rng, m) => draws[m]!(rng), 3, columns)
  for (const [op, attributes, least] of [
    ['Gelu', {}, 0.1701],
    ['Gelu', { approximate: 'tanh' }, 0.1701],
    ['QuickGelu', { alpha: 1.702 }, 0.2785 / 1.702],
    ['Relu', {}, 0],
  ] as const) {
    const g = new Graph('activated')
    const active = g.node(op, [g.input('x', 'float32', ['T', columns])], attributes).outputs[0]!
    g.output('active', active)
    g.output('y', g.op('Linear', [active, g.parameter('w', [ROWS, columns]), null]))
    assert.doesNotMatch(printGraph(lower(g, () => 'int8').graph), /= Abs\(/)
    const runner = await GraphRunner.create(runtime, g, () => 'int8')
    const outputs = await runner.run({ ...values, x })
    runner.dispose()
    const rows = outputs['active']!
    outputs['y']!.data.forEach((value, i) => {
      const [row, output] = [Math.floor(i / ROWS), i % ROWS]
      const from = row * columns
      const step = Math.max(least, largest(rows, from, from + columns)) / 127
      const weights = stored.slice(output * columns, (output + 1) * columns)
      const allowed = (weights.reduce((sum, w) => sum + Math.abs(w), 0) * step) / 2
      const off = Math.abs(Number(value) - product(rows, stored, { row, output, columns }))
      assert.ok(
        off <= allowed * 1.003 + 1e-7,
        `${op}, row ${row}: off by ${off}, allowed ${allowed}`,
      )
    })
  }
})

test('factors of rows wait for the next product, and are there for whoever else reads them', async () => {
  const columns = 40
  const g = new Graph('gated')
  const x = g.input('x', 'float32', ['T', columns])
  const linear = (name: string, input: typeof x) =>
    g.op('Linear', [input, g.parameter(name, [columns, columns]), null])
  const [gate, up] = [linear('gate', x), linear('up', x)]
  const gated = g.op('Mul', [g.op('QuickGelu', [gate], { alpha: 1 }), up])
  g.output('y.down', linear('down', gated))
  const names = ['gate', 'up', 'down']
  const text = printGraph(lower(g, () => 'int8').graph)
  // The steps of both activations; gate; gated, without the factors of up; those with the steps of gated; down.
  assert.equal(text.match(/= Mul\(/g)?.length, 6)
  g.output('y.gated', gated)
  g.output('y.up', up)
  const rng = new Rng(1)
  const values = names.map((name) => {
    const exact = Float32Array.from({ length: columns ** 2 }, () => rng.normal() * 0.2)
    return [name, hostTensor('float32', [columns, columns], exact)] as const
  })
  const input = activations(ACTIVATIONS['with tokens 100 times as large']!, 37, columns)
  const exact = await GraphRunner.create(runtime, g)
  const expected = await exact.run({ ...Object.fromEntries(values), x: input })
  exact.dispose()
  for (const digits of ['together', 'apart'] as const) {
    const shape = { rows: columns, columns }
    const stored = values.flatMap(([name, { data }]) => {
      const arrays = allocateParts('int8', shape)
      const weight = { name, ...shape }
      quantizeRows('int8', data as Float32Array, { weight, from: 0, to: columns }, arrays)
      return quantizedParts('int8', shape).map(({ part, dtype, shape: dims }) => {
        return [`${name}.${part}`, hostTensor(dtype, dims, arrays[part]!)] as const
      })
    })
    const runner = await GraphRunner.create(runtime, g, () => 'int8a16', { digits })
    const came = await runner.run({ ...Object.fromEntries(stored), x: input })
    runner.dispose()
    for (const [name, { data }] of Object.entries(expected)) {
      let [error, size] = [0, 0]
      data.forEach((value, i) => {
        error += (Number(value) - Number(came[name]!.data[i])) ** 2
        size += Number(value) ** 2
      })
      assert.ok(Math.sqrt(error / size) < 0.015, `${digits} ${name}: ${Math.sqrt(error / size)}`)
    }
  }
})

test('a bias, further axes and a tied weight are lowered too', async () => {
  const columns = 40
  const g = new Graph('tied')
  const x = g.input('x', 'float32', ['B', 'T', columns])
  const table = g.parameter('table', [ROWS, columns])
  const bias = g.parameter('bias', [ROWS])
  g.output('y', g.op('Linear', [x, table, bias]))
  g.output('again', g.op('Linear', [x, table, null]))
  const { graph, linears } = lower(g, () => 'int8')
  assert.deepEqual(linears, [{ name: 'table', precision: 'int8', rows: ROWS, columns }])
  assert.deepEqual(
    liveParameters(graph).map(({ name }) => name),
    ['table.int8', 'table.scale', 'bias'],
  )
  const { values, stored } = quantized('int8', 'table', weight(columns), columns)
  const flat = activations(ACTIVATIONS['normal']!, 6, columns)
  const shaped = hostTensor('float32', [2, 3, columns], flat.data)
  const runner = await GraphRunner.create(runtime, g, () => 'int8')
  const biasValues = Float32Array.from({ length: ROWS }, (_, i) => i)
  const outputs = await runner.run({
    ...values,
    x: shaped,
    bias: hostTensor('float32', [ROWS], biasValues),
  })
  runner.dispose()
  const again = outputs['again']!
  assert.deepEqual(again.shape, [2, 3, ROWS])
  checkRows(again, { x: flat, stored, columns, precision: 'int8' })
  outputs['y']!.data.forEach((value, i) =>
    assert.equal(Math.fround(Number(again.data[i]) + biasValues[i % ROWS]!), value),
  )
})

test('the last pattern that fits a parameter chooses its precision', () => {
  const policy = precisionPolicy('int8', {
    'decoder.layers.*': 'q4',
    'decoder.layers.1.*': 'f32',
    'decoder.layers.1.mlp.down': 'q8',
  })
  const chosen = [
    'head',
    'layers.0.mlp.up',
    'layers.1.mlp.up',
    'layers.11.mlp.up',
    'layers.1.mlp.down',
  ]
  assert.deepEqual(
    chosen.map((name) => policy(`decoder.${name}.weight`)),
    ['int8', 'q4', 'f32', 'q4', 'q8'],
  )
  assert.throws(
    () => precisionPolicy('int8', { 'decoder.(a|b)': 'f32' }),
    (error) => error instanceof ConfigError && error.code === 'CONFIG_PRECISION_PATTERN',
  )
})

function linearGraph(columns: number): Graph {
  const g = new Graph('linear')
  const x = g.input('x', 'float32', ['T', columns])
  g.output('y', g.op('Linear', [x, g.parameter('w', [ROWS, columns]), null]))
  return g
}

function weight(columns: number): Float32Array {
  const rng = new Rng(columns)
  return Float32Array.from({ length: ROWS * columns }, () => rng.normal() * 0.05)
}

type Weight = {
  readonly values: HostTensors
  /** What the stored form stands for. */
  readonly stored: Float32Array
  readonly exact: Float32Array
}

function weightOf(precision: LinearPrecision, columns: number): Weight {
  const exact = weight(columns)
  if (precision === 'f32') {
    return { values: { w: hostTensor('float32', [ROWS, columns], exact) }, stored: exact, exact }
  }
  const kind = precision === 'int8a16' ? 'int8' : precision
  return { ...quantized(kind, 'w', exact, columns), exact }
}

function quantized(
  kind: StoredKind,
  name: string,
  exact: Float32Array,
  columns: number,
): { values: HostTensors; stored: Float32Array } {
  const shape = { rows: ROWS, columns }
  const arrays = allocateParts(kind, shape)
  quantizeRows(kind, exact, { weight: { name, ...shape }, from: 0, to: ROWS }, arrays)
  const values = quantizedParts(kind, shape).map((part) => {
    const tensor = hostTensor(part.dtype, part.shape, arrays[part.part]!)
    return [`${name}.${part.part}`, tensor] as const
  })
  return { values: Object.fromEntries(values), stored: DEQUANTIZE[kind](arrays as Arrays, shape) }
}

type StoredKind = 'int8' | 'q8' | 'q4' | 'q4b128'
type Arrays = Required<QuantizedArrays>

const DEQUANTIZE: {
  readonly [K in StoredKind]: (arrays: Arrays, shape: WeightShape) => Float32Array
} = {
  int8: (arrays, shape) => dequantizeInt8({ ...arrays, data: arrays.int8 }, shape),
  q8: (arrays, shape) => dequantizeQ8({ ...arrays, data: arrays.q8 }, shape),
  q4: (arrays, shape) => dequantizeQ4Offset({ ...arrays, data: arrays.q4 }, shape),
  q4b128: (arrays, shape) =>
    dequantizeQ4({ ...arrays, data: arrays.q4b128 }, { ...shape, block: 128 }),
}

function activations(
  draw: (rng: Rng, m: number, k: number) => number,
  count: number,
  columns: number,
): HostTensor {
  const rng = new Rng(count)
  const data = Float32Array.from({ length: count * columns }, (_, i) =>
    draw(rng, Math.floor(i / columns), i % columns),
  )
  return hostTensor('float32', [count, columns], data)
}

type Place = { readonly row: number; readonly output: number; readonly columns: number }

function product(x: HostTensor, w: Float32Array, { row, output, columns }: Place): number {
  let sum = 0
  for (let k = 0; k < columns; k++) {
    sum += Number(x.data[row * columns + k]) * w[output * columns + k]!
  }
  return sum
}

/** Elements of an activation that are rounded together, and into how many steps to each side of zero. */
const ROUNDING: { readonly [P in LinearPrecision]: { group: number; steps: number } } = {
  f32: { group: Infinity, steps: Infinity },
  int8: { group: Infinity, steps: 127 },
  // A step of the second digit is the 254th part of one of the first.
  int8a16: { group: Infinity, steps: 127 * 254 },
  q8: { group: 32, steps: 127 },
  q4: { group: 32, steps: 127 },
  q4b128: { group: 128, steps: 127 },
}

/** |ŷ − x Wᵀ| ≤ Σ |W| · (half a step of x's rounding), W being the stored weight. */
function checkRows(
  y: HostTensor,
  parts: {
    readonly x: HostTensor
    readonly stored: Float32Array
    readonly columns: number
    readonly precision: LinearPrecision
  },
): void {
  const { x, stored, columns, precision } = parts
  const steps = halfSteps(x, columns, ROUNDING[precision])
  y.data.forEach((value, i) => {
    const place = { row: Math.floor(i / ROWS), output: i % ROWS, columns }
    let [allowed, terms] = [0, 0]
    for (let k = 0; k < columns; k++) {
      const w = Math.abs(stored[place.output * columns + k]!)
      allowed += w * steps[place.row * columns + k]!
      terms += w * Math.abs(Number(x.data[place.row * columns + k]))
    }
    const off = Math.abs(Number(value) - product(x, stored, place))
    assert.ok(
      off <= allowed * 1.001 + terms * SUMMATION,
      `${precision} [${place.row},${place.output}] of K = ${columns}: off by ${off}, allowed ${allowed}`,
    )
  })
}

/** How far rounding may move each element. */
function halfSteps(
  x: HostTensor,
  columns: number,
  { group, steps }: { readonly group: number; readonly steps: number },
): Float64Array {
  const result = new Float64Array(x.data.length)
  for (let row = 0; row < x.data.length; row += columns) {
    for (let from = row; from < row + columns; from += group) {
      const to = Math.min(row + columns, from + group)
      result.fill(largest(x, from, to) / steps / 2, from, to)
    }
  }
  return result
}

function largest(x: HostTensor, from: number, to: number): number {
  let max = 0
  for (let i = from; i < to; i++) max = Math.max(max, Math.abs(Number(x.data[i])))
  return max
}

test('a form that does not exist is refused by the name of its weight', () => {
  const g = new Graph('model')
  const weight = g.parameter('head.weight', [2, 4])
  g.output('y', g.op('Linear', [g.input('x', 'float32', [1, 4]), weight, null]))
  assert.throws(() => lower(g, () => 'int4' as LinearPrecision), {
    code: 'CONFIG_PRECISION',
    message: /^precision: head\.weight should be one of f32, .*, "int4" came\.$/,
  })
  assert.throws(() => precisionPolicy('int4' as LinearPrecision), {
    code: 'CONFIG_PRECISION',
    message: /^precision: the default should be one of f32, .*, "int4" came\.$/,
  })
})
