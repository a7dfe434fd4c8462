/** How fast this machine multiplies right now, by the operators that the product uses: what a share is a share of. */
import { hostTensor, type HostTensor } from '../../../src/core/tensor.ts'
import { Graph } from '../../../src/graph/graph.ts'
import { lower, precisionPolicy, type LinearPrecision } from '../../../src/graph/lower.ts'
import { liveParameters, writeOnnx } from '../../../src/graph/onnx-writer.ts'
import { linear } from '../../../src/layers/linear.ts'
import { createRuntime } from '../../../src/runtime/node.ts'
import type { Runtime, Session } from '../../../src/runtime/runtime.ts'

export type ProductRates = Readonly<Record<'f32' | 'int8' | 'q4b128', number>>

type ProductSize = { readonly rows: number; readonly inputs: number; readonly outputs: number }
type ProductRequest = ProductSize & { readonly threads: number }

/** GFLOP/s (2·rows·inputs·outputs) of one linear layer in each precision: the best of some runs. */
export async function measureProducts({ threads, ...size }: ProductRequest): Promise<ProductRates> {
  const runtime = await createRuntime({ threads })
  try {
    return {
      f32: await rate(runtime, 'f32', size),
      int8: await rate(runtime, 'int8', size),
      q4b128: await rate(runtime, 'q4b128', size),
    }
  } finally {
    runtime.dispose()
  }
}

const RUNS = 5

async function rate(
  runtime: Runtime,
  precision: LinearPrecision,
  size: ProductSize,
): Promise<number> {
  const { rows, inputs, outputs } = size
  const session = await productSession(runtime, precision, size)
  const x = runtime.tensor('float32', [rows, inputs], waves(rows * inputs))
  const y = runtime.tensor('float32', [rows, outputs])
  let best = Infinity
  for (let run = 0; run <= RUNS; run++) {
    const start = performance.now()
    await session.run({ x }, { y })
    if (run > 0) best = Math.min(best, performance.now() - start)
  }
  for (const owned of [x, y, session]) owned.dispose()
  return (2 * rows * inputs * outputs) / best / 1e6
}

async function productSession(
  runtime: Runtime,
  precision: LinearPrecision,
  { inputs, outputs }: ProductSize,
): Promise<Session> {
  const g = new Graph('product')
  const x = g.input('x', 'float32', ['T', inputs])
  g.output('y', linear(g, 'w', x, { outputs, bias: false }))
  const lowered = lower(g, precisionPolicy(precision)).graph
  const initializers = new Map(
    liveParameters(lowered).map((value) => [
      value.name,
      filled(value.dtype, value.shape as number[]),
    ]),
  )
  return runtime.createSession(writeOnnx(lowered), { initializers })
}

function filled(dtype: HostTensor['dtype'], shape: readonly number[]): HostTensor {
  const count = shape.reduce((a, b) => a * b, 1)
  const pattern = waves(count)
  if (dtype === 'float32') return hostTensor(dtype, shape, pattern)
  if (dtype === 'int8') return hostTensor(dtype, shape, Int8Array.from(pattern.map((v) => 100 * v)))
  return hostTensor('uint8', shape, Uint8Array.from(pattern.map((v) => 128 + 100 * v)))
}

/** Smooth values without zeros; a short period, since a sine of every element of a weight takes seconds. */
function waves(count: number): Float32Array {
  const period = Float32Array.from({ length: 4093 }, (_, i) => Math.sin(i))
  const result = new Float32Array(count)
  for (let at = 0; at < count; at += period.length) {
    result.set(period.subarray(0, Math.min(period.length, count - at)), at)
  }
  return result
}
