/**
 * What this machine could do at best: how fast weights come from memory, and how fast products are in a given form.
 *
 * Decoding one stream reads every weight once a token, so it cannot be faster than bytes ÷ bandwidth. A prompt multiplies
 * every weight with every token, so it cannot be faster than operations ÷ product rate. Attention is left out of both.
 */
import { allocate } from '../core/dtype.ts'
import { elementCount } from '../core/shape.ts'
import { hostTensor, type HostTensor } from '../core/tensor.ts'
import { Graph } from '../graph/graph.ts'
import { lower, type LinearPrecision } from '../graph/lower.ts'
import { liveParameters, writeOnnx } from '../graph/onnx-writer.ts'
import { linear } from '../layers/linear.ts'
import { createRuntime } from '../runtime/node.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { measured, type Measured } from './measure.ts'

export type MachineFloor = {
  /** Of a product with one row, which reads its weights once. */
  readonly bytesPerSecond: Measured
  /** Operations (a multiplication and an addition are two) a second, by the form of the weights. */
  readonly operationsPerSecond: Readonly<Partial<Record<LinearPrecision, Measured>>>
}

export type FloorRun = { readonly threads?: number | undefined; readonly signal: AbortSignal }

const ROUNDS = 7
/** A float32 matrix of 256 MiB: no cache holds it. */
const BANDWIDTH_SIDE = 8192
const PRODUCT = { rows: 512, width: 2048 }

export async function measureFloor(
  forms: readonly LinearPrecision[],
  { threads, signal }: FloorRun,
): Promise<MachineFloor> {
  const runtime = await createRuntime({ threads })
  try {
    const bytes = BANDWIDTH_SIDE ** 2 * 4
    const matrix = { rows: 1, width: BANDWIDTH_SIDE, form: 'f32' } as const
    const reading = await timeProduct(runtime, matrix, signal)
    const operations: Partial<Record<LinearPrecision, Measured>> = {}
    for (const form of new Set(forms)) {
      const count = 2 * PRODUCT.rows * PRODUCT.width ** 2
      const seconds = await timeProduct(runtime, { ...PRODUCT, form }, signal)
      operations[form] = measured(seconds.map((time) => count / time))
    }
    return {
      bytesPerSecond: measured(reading.map((time) => bytes / time)),
      operationsPerSecond: operations,
    }
  } finally {
    await runtime.dispose()
  }
}

type Product = { readonly rows: number; readonly width: number; readonly form: LinearPrecision }

/** Seconds of each round of a product [rows, width] · [width, width]; two warm up. */
async function timeProduct(
  runtime: Runtime,
  { rows, width, form }: Product,
  signal: AbortSignal,
): Promise<number[]> {
  const g = new Graph('product')
  g.output(
    'y',
    linear(g, 'layer', g.input('x', 'float32', ['M', width]), { outputs: width, bias: false }),
  )
  const { graph } = lower(g, () => form)
  const session = await runtime.createSession(writeOnnx(graph), {
    initializers: new Map(liveParameters(graph).map((value) => [value.name, randomTensor(value)])),
    config: { 'optimization.disable_specified_optimizers': 'ConstantFolding' },
    signal,
  })
  const x = runtime.tensor(
    'float32',
    [rows, width],
    new Float32Array(rows * width).map(Math.random),
  )
  const y = runtime.tensor('float32', [rows, width])
  try {
    const seconds: number[] = []
    for (let i = -2; i < ROUNDS; i++) {
      const start = performance.now()
      await session.run({ x }, { y }, { signal })
      signal.throwIfAborted()
      if (i >= 0) seconds.push((performance.now() - start) / 1000)
    }
    return seconds
  } finally {
    x.dispose()
    y.dispose()
    session.dispose()
  }
}

/** Values do not matter, but they must not be zeros: products skip some of those. */
function randomTensor({
  dtype,
  shape,
}: Pick<HostTensor, 'dtype'> & { readonly shape: readonly unknown[] }): HostTensor {
  const sizes = shape as readonly number[]
  const data = allocate(dtype, elementCount(sizes))
  if (data instanceof BigInt64Array) throw new Error('internal: weights are never int64')
  for (let i = 0; i < data.length; i++) {
    data[i] = data instanceof Float32Array ? (i % 251) / 5000 + 1e-3 : (i % 251) - 100
  }
  return hostTensor(dtype, sizes, data)
}
