/**
 * Products in float32 with weights that are stored in fewer bits: exact for what is stored, in both directions.
 *
 *   int8   w_nk = s_n q_kn               the scale is a factor of outputs, so it is applied to them
 *   q4     w_nk = (q − 8) s + o          by blocks of 32 along k
 */
import type { Dim } from '../core/shape.ts'
import { ConfigError } from '../core/errors.ts'
import type { Graph, Value } from './graph.ts'

export type WidenedKind = 'int8' | 'q4'

const Q4_BLOCK = 32

export class WidenedProducts {
  readonly #graph: Graph
  /** Forward and backward of one graph read one widened weight. */
  readonly #known = new Map<string, Value>()

  constructor(graph: Graph) {
    this.#graph = graph
  }

  /** x Wᵀ */
  product(x: Value, weight: Value, precision: string): Value {
    const g = this.#graph
    if (this.#kind(weight, precision) === 'q4') {
      return g.op('FusedMatMul', [x, this.#q4(weight)], { transB: 1 })
    }
    return g.op('Mul', [g.op('MatMul', [x, this.#int8(weight)]), this.#scale(weight)])
  }

  /** dy W */
  inputGradient(dy: Value, weight: Value, precision: string): Value {
    const g = this.#graph
    if (this.#kind(weight, precision) === 'q4') return g.op('MatMul', [dy, this.#q4(weight)])
    const scaled = g.op('Mul', [dy, this.#scale(weight)])
    return g.op('FusedMatMul', [scaled, this.#int8(weight)], { transB: 1 })
  }

  #kind(weight: Value, precision: string): WidenedKind {
    if (precision === 'int8' || precision === 'q4') return precision
    throw new ConfigError(
      'CONFIG_PRECISION_WIDENED',
      `${this.#graph.name}: weights of int8 and q4 can be multiplied in float32, ${weight.name} is ${precision}; choose one of the two for it.`,
    )
  }

  /** float32[K,N] */
  #int8(weight: Value): Value {
    return this.#once(weight, () => {
      const [rows, columns] = weight.shape as readonly [number, number]
      const data = this.#graph.parameter(`${weight.name}.int8`, [columns, rows], 'int8')
      return this.#graph.op('Cast', [data], { to: 'float32' })
    })
  }

  #scale(weight: Value): Value {
    return this.#graph.parameter(`${weight.name}.scale`, [weight.shape[0] as number])
  }

  /** float32[N,K] */
  #q4(weight: Value): Value {
    return this.#once(weight, () => {
      const g = this.#graph
      const [rows, columns] = weight.shape as readonly [number, number]
      const blocks = Math.ceil(columns / Q4_BLOCK)
      const data = g.parameter(`${weight.name}.q4`, [rows, blocks, Q4_BLOCK / 2], 'uint8')
      const each = (part: string) => {
        const values = g.parameter(`${weight.name}.${part}`, [rows, blocks])
        return g.op('Reshape', [values], { shape: [rows, blocks, 1] })
      }
      const steps = g.op('Sub', [this.#nibbles(data), g.scalar(8)]) // [N, blocks, 32]
      const values = g.op('Add', [g.op('Mul', [steps, each('scale')]), each('offset')])
      const flat = g.op('Reshape', [values], { shape: [rows, blocks * Q4_BLOCK] })
      if (columns === blocks * Q4_BLOCK) return flat
      return g.op('Slice', [flat], { starts: [0], ends: [columns], axes: [1] })
    })
  }

  /** Bytes [..., n] to the numbers of their halves [..., 2n], the low one first. */
  #nibbles(bytes: Value): Value {
    const g = this.#graph
    const byte = g.op('Cast', [bytes], { to: 'float32' })
    // (16h + l − 7.5) / 16 is less than half away from h: rounding is exact division here.
    const shifted = g.op('Mul', [g.op('Sub', [byte, g.scalar(7.5)]), g.scalar(1 / 16)])
    const high = g.op('Round', [shifted])
    const low = g.op('Sub', [byte, g.op('Mul', [high, g.scalar(16)])])
    const outer = bytes.shape.slice(0, -1)
    const count = bytes.shape.at(-1) as number
    const halves = [low, high].map((half) =>
      g.op('Reshape', [half], { shape: [...bytes.shape, 1] as Dim[] }),
    )
    const pairs = g.op('Concat', halves, { axis: bytes.shape.length }) // [..., n, 2]
    return g.op('Reshape', [pairs], { shape: [...outer, 2 * count] })
  }

  #once(weight: Value, make: () => Value): Value {
    const known = this.#known.get(weight.name)
    if (known) return known
    const value = make()
    this.#known.set(weight.name, value)
    return value
  }
}
