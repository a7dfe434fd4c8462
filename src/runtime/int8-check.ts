/**
 * Whether products of uint8 and int8 are exact on this processor.
 *
 * x64 processors without VNNI add two products in 16 bits, which saturates for large values (255 · 127 · 2 > 32767)
 * and silently gives wrong numbers. ONNX Runtime avoids it, slower, when a session sets X64_PRECISE.
 * Source: onnxruntime, docs of `session.x64quantprecision` in onnxruntime_session_options_config_keys.h.
 */
import { hostTensor } from '../core/tensor.ts'
import { Graph } from '../graph/graph.ts'
import { writeOnnx } from '../graph/onnx-writer.ts'
import type { Runtime } from './runtime.ts'

/** Session configuration with which int8 products are exact on every x64 processor. */
export const X64_PRECISE = { 'session.x64quantprecision': '1' } as const

/** Inner and outer size of the product; rows for the kernels of one row, of few and of many. */
const SIZE = 64
const ROWS = [1, 4, 64]

/** float32 sums of 64 products of 255 · 127 are exact but for the scales; saturation loses half. */
const TOLERANCE = 1e-3

/**
 * True if the largest products come out wrong: compares ONNX Runtime's int8 product with the exact sum
 * Σ 255 · (±127), in the form that the `int8` precision uses, with `config` for the session.
 */
export async function int8Saturates(
  runtime: Runtime,
  config: Readonly<Record<string, string>> = {},
): Promise<boolean> {
  const session = await runtime.createSession(writeOnnx(product()), {
    config,
    initializers: new Map([
      ['weight', hostTensor('int8', [SIZE, SIZE], largestWeights())],
      ['scale', hostTensor('float32', [SIZE], new Float32Array(SIZE).fill(1 / 127))],
    ]),
  })
  try {
    for (const rows of ROWS) {
      const x = runtime.tensor('float32', [rows, SIZE], new Float32Array(rows * SIZE).fill(1))
      const y = runtime.tensor('float32', [rows, SIZE])
      await session.run({ x }, { y })
      const isExact = Array.from(y.data, Number).every((value, i) => isNear(value, expected(i)))
      x.dispose()
      y.dispose()
      if (!isExact) return true
    }
    return false
  } finally {
    session.dispose()
  }
}

/** y = DynamicQuantizeMatMul(x, weight, scale): ones become 255, the largest uint8. */
function product(): Graph {
  const g = new Graph('int8-check')
  const x = g.input('x', 'float32', ['M', SIZE])
  const weight = g.parameter('weight', [SIZE, SIZE], 'int8')
  const scale = g.parameter('scale', [SIZE])
  g.output('y', g.op('DynamicQuantizeMatMul', [x, weight, scale])) // [M, N]
  return g
}

/** Columns of 127 and of −127 in turn: both ends of the 16 bits. */
function largestWeights(): Int8Array {
  return Int8Array.from({ length: SIZE * SIZE }, (_, i) => (i % 2 === 0 ? 127 : -127))
}

function expected(index: number): number {
  return index % 2 === 0 ? SIZE : -SIZE
}

function isNear(value: number, wanted: number): boolean {
  return Math.abs(value - wanted) <= TOLERANCE * SIZE
}
