/**
 * Whether products of uint8 activations and int8 weights are exact on this processor.
 *
 * x64 processors without VNNI add two products in 16 bits, which saturates for large values (255 · 127 · 2 > 32767)
 * and silently gives wrong numbers; weights of at most 63 cannot saturate (255 · 63 · 2 < 32767). ONNX Runtime's own
 * remedy, `session.x64quantprecision`, rewrites weights while it optimises the graph and cannot see weights that are
 * handed over in memory, as all of ours are.
 * Source: onnxruntime, onnxruntime_session_options_config_keys.h.
 */
import { hostTensor } from '../core/tensor.ts'
import { Graph } from '../graph/graph.ts'
import { writeOnnx } from '../graph/onnx-writer.ts'
import type { Runtime } from './runtime.ts'

/** The largest weights that are exact with and without VNNI. */
export const LARGEST_WEIGHT = 127
export const LARGEST_WEIGHT_WITHOUT_VNNI = 63

/** Inner and outer size of the product; rows for the kernels of one row, of few and of many. */
const SIZE = 64
const ROWS = [1, 4, 64]

/** Relative: float32 sums of 64 such products are exact but for the scales; saturation loses half. */
const TOLERANCE = 1e-3

/**
 * True if the largest products come out wrong: compares ONNX Runtime's product, in the form that the `int8`
 * precision uses, with the exact sum Σ 255 · (±largestWeight).
 */
export async function int8Saturates(
  runtime: Runtime,
  largestWeight: number = LARGEST_WEIGHT,
): Promise<boolean> {
  const scale = new Float32Array(SIZE).fill(1 / largestWeight)
  const session = await runtime.createSession(writeOnnx(product()), {
    initializers: new Map([
      ['weight', hostTensor('int8', [SIZE, SIZE], weights(largestWeight))],
      ['scale', hostTensor('float32', [SIZE], scale)],
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

/** Columns of the largest and of its negative in turn: both ends of the 16 bits. */
function weights(largest: number): Int8Array {
  return Int8Array.from({ length: SIZE * SIZE }, (_, i) => (i % 2 === 0 ? largest : -largest))
}

function expected(index: number): number {
  return index % 2 === 0 ? SIZE : -SIZE
}

function isNear(value: number, wanted: number): boolean {
  return Math.abs(value - wanted) <= TOLERANCE * SIZE
}
