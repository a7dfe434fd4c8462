/**
 * One gradient case against finite differences:
 *
 *   (−L(x + 2h) + 8 L(x + h) − 8 L(x − h) + L(x − 2h)) / 12h,   L = Σ y ∘ gradient.y in float64
 *
 * Fourth order, so that a step large enough for float32 outputs is small enough for the formula.
 */
import assert from 'node:assert/strict'
import type { Dim } from '../core/shape.ts'
import { Rng } from '../core/rng.ts'
import { hostTensor, type HostTensor } from '../core/tensor.ts'
import { resolveShape } from '../graph/dimension.ts'
import { Graph, type Value } from '../graph/index.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { GraphRunner, runGraph } from '../../test/run-graph.ts'
import { differentiate } from './differentiate.ts'

/** How the numbers of a tensor are drawn. `apart`: distinct by 0.3 and not near 0, for ops with kinks. */
export type Draw = 'normal' | 'positive' | 'apart'

export type TensorSpec = { readonly shape: readonly Dim[]; readonly draw?: Draw }

export type GradientCase = {
  readonly name: string
  /** Inputs of floats by name, all differentiated. Symbols of their shapes: B is 2, T is 3. */
  readonly tensors: Readonly<Record<string, TensorSpec>>
  /** Adds the nodes; the result is the output that is differentiated. */
  build(g: Graph, values: readonly Value[]): Value
}

const SIZES = new Map([
  ['B', 2],
  ['T', 3],
])
const STEP = 0.02
/** Rounding of float32 outputs, divided by the step, and the fifth derivative times its fourth power. */
const TOLERANCE = 5e-4

/** Gradients agree with differences, and the graph with symbols gives what the graph with numbers gives. */
export async function checkGradients(runtime: Runtime, gradientCase: GradientCase): Promise<void> {
  const numeric = caseGraph(gradientCase, (shape) => resolveShape(shape, SIZES))
  const rng = new Rng(7)
  const values: Record<string, HostTensor> = {}
  for (const input of numeric.inputs) {
    const draw = gradientCase.tensors[input.name]?.draw ?? 'normal'
    values[input.name] = drawTensor(rng, input.shape as readonly number[], draw)
  }
  const output = numeric.outputs[0]?.value as Value
  values['gradient.y'] = drawTensor(rng, output.shape as readonly number[], 'normal')

  const wrt = Object.keys(gradientCase.tensors)
  const gradients = await runGraph(runtime, differentiate(numeric, { wrt }), values)
  const runner = await GraphRunner.create(runtime, numeric)
  for (const name of wrt) {
    const differences = await centralDifferences(runner, values, name)
    assertClose(gradients[`gradient.${name}`] as HostTensor, differences, name)
  }
  runner.dispose()

  const symbolic = differentiate(
    caseGraph(gradientCase, (shape) => shape),
    { wrt },
  )
  assert.deepEqual(await runGraph(runtime, symbolic, values), gradients, 'with symbols')
}

function caseGraph(
  { name, tensors, build }: GradientCase,
  resolve: (shape: readonly Dim[]) => readonly Dim[],
): Graph {
  const g = new Graph(name)
  const values = Object.entries(tensors).map(([input, { shape }]) =>
    g.input(input, 'float32', resolve(shape)),
  )
  g.output('y', build(g, values))
  return g
}

function drawTensor(rng: Rng, shape: readonly number[], draw: Draw): HostTensor {
  const count = shape.reduce((a, b) => a * b, 1)
  const order = rng.permutation(count)
  const data = Float32Array.from({ length: count }, (_, i) => {
    if (draw === 'apart') return ((order[i] as number) - count / 2 + 0.5) * 0.3
    const number = rng.normal()
    return draw === 'positive' ? 0.5 + Math.abs(number) : number
  })
  return hostTensor('float32', shape, data)
}

async function centralDifferences(
  runner: GraphRunner,
  values: Readonly<Record<string, HostTensor>>,
  name: string,
): Promise<Float64Array> {
  const { shape, data } = values[name] as HostTensor
  const seed = (values['gradient.y'] as HostTensor).data as Float32Array
  const lossAt = async (index: number, offset: number) => {
    const moved = Float32Array.from(data as Float32Array)
    moved[index] = (moved[index] as number) + offset
    const result = await runner.run({ ...values, [name]: hostTensor('float32', shape, moved) })
    const y = result['y']?.data as Float32Array
    const distance = (moved[index] as number) - (data[index] as number)
    return { loss: y.reduce((sum, value, i) => sum + value * (seed[i] as number), 0), distance }
  }
  const differences = new Float64Array(data.length)
  for (let i = 0; i < data.length; i++) {
    const [up, down] = [await lossAt(i, STEP), await lossAt(i, -STEP)]
    const [up2, down2] = [await lossAt(i, 2 * STEP), await lossAt(i, -2 * STEP)]
    const near = (up.loss - down.loss) / (up.distance - down.distance)
    const far = (up2.loss - down2.loss) / (up2.distance - down2.distance)
    differences[i] = (4 * near - far) / 3
  }
  return differences
}

function assertClose({ data }: HostTensor, expected: Float64Array, name: string): void {
  assert.equal(data.length, expected.length)
  const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 1)
  expected.forEach((value, i) => {
    const distance = Math.abs((data[i] as number) - value)
    assert.ok(
      distance <= TOLERANCE * largest,
      `gradient.${name}[${i}] is ${data[i]}, differences give ${value}`,
    )
  })
}
