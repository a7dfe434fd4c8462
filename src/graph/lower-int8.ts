/**
 * Products of 8-bit weights with activations that are quantised row by row at run time.
 *
 *   a_r = max_k |x_rk| / 127,   u = round(x / a) + 128,   y = a (u − 128) Wᵀ s
 *
 * Layers that read one activation share its quantised form. Where 8 bits of activation are too coarse, what rounding
 * left over is quantised again, 254 times finer, and multiplied in the same product as further rows: 16 bits for twice
 * the arithmetic and no more weights read. Source of the per-row scheme: arXiv:2208.07339 §2.1.
 */
import type { Dim } from '../core/shape.ts'
import { hostTensor } from '../core/tensor.ts'
import { product as productOfDims } from './dimension.ts'
import type { Graph, Value } from './graph.ts'

/** How many 8-bit digits an activation gets. */
export type ActivationDigits = 1 | 2

export type Int8Parameters = {
  /** int8[K,N] */
  readonly data: Value
  /** float32[N] */
  readonly scale: Value
}

type QuantizedRows = {
  /** uint8[R,K], or [2R,K]: the second digits below the first */
  readonly digits: Value
  /** float32[R,1] */
  readonly size: Value
}

/** The middle of uint8, which stands for zero. */
const ZERO = 128
const LEVELS = 127
/** A remainder is at most half a step: this many steps of the second digit. */
const SECOND_STEPS = 2 * LEVELS
/** Rows of zeros have this size instead of none. */
const SMALLEST = 1e-8

export class Int8Products {
  readonly #graph: Graph
  readonly #rows = new Map<Value, QuantizedRows>()

  constructor(graph: Graph) {
    this.#graph = graph
  }

  /** x [..., K] times the weight, [..., N]. */
  product(x: Value, { data, scale }: Int8Parameters, digits: ActivationDigits): Value {
    const g = this.#graph
    const columns = data.shape[1] as number
    const rows = this.#quantize(x, digits)
    const zero = g.constant(hostTensor('uint8', [], Uint8Array.of(ZERO)), 'zero')
    const sums = g.op('MatMulIntegerToFloat', [rows.digits, data, g.scalar(1), scale, zero])
    const sum = digits === 1 ? sums : this.#joinDigits(sums, rows.size.shape[0] as Dim)
    const scaled = g.op('Mul', [sum, rows.size]) // [R, N]
    return x.shape.length === 2
      ? scaled
      : g.op('Reshape', [scaled], { shape: [...x.shape.slice(0, -1), columns] })
  }

  #quantize(x: Value, digits: ActivationDigits): QuantizedRows {
    const known = this.#rows.get(x)
    if (known) return known
    const g = this.#graph
    const flat = this.#flatten(x)
    const largest = g.op('ReduceMax', [g.op('Abs', [flat])], { axes: [1], keepdims: 1 })
    const step = g.op('Mul', [g.op('Max', [largest, g.scalar(SMALLEST)]), g.scalar(1 / LEVELS)])
    const first = this.#digit(flat, step)
    const result = {
      digits: digits === 1 ? first.digit : this.#withSecondDigit(flat, step, first),
      size: step,
    }
    this.#rows.set(x, result)
    return result
  }

  #withSecondDigit(flat: Value, step: Value, first: Digit): Value {
    const g = this.#graph
    const rounded = g.op('DequantizeLinear', [first.digit, first.scale, first.zero], { axis: 0 })
    const rest = g.op('Sub', [flat, rounded])
    const second = this.#digit(rest, g.op('Mul', [step, g.scalar(1 / SECOND_STEPS)]))
    return g.op('Concat', [first.digit, second.digit], { axis: 0 }) // [2R, K]
  }

  /** [2R, N] of both digits to [R, N]. */
  #joinDigits(sums: Value, rows: Dim): Value {
    const g = this.#graph
    const halves = g.node('Split', [sums], { axis: 0, split: [rows, rows] }).outputs
    const [first, second] = halves as [Value, Value]
    return g.op('Add', [first, g.op('Mul', [second, g.scalar(1 / SECOND_STEPS)])])
  }

  /** flat [R, K] in steps of `step` [R, 1], around 128. */
  #digit(flat: Value, step: Value): Digit {
    const g = this.#graph
    const scale = g.op('Reshape', [step], { shape: [flat.shape[0] as Dim] })
    const zeros = g.op('Add', [g.op('Mul', [scale, g.scalar(0)]), g.scalar(ZERO)])
    const zero = g.op('Cast', [zeros], { to: 'uint8' })
    return { digit: g.op('QuantizeLinear', [flat, scale, zero], { axis: 0 }), scale, zero }
  }

  #flatten(x: Value): Value {
    if (x.shape.length === 2) return x
    const shape = [productOfDims(x.shape.slice(0, -1)), x.shape.at(-1) as Dim]
    return this.#graph.op('Reshape', [x], { shape })
  }
}

type Digit = { readonly digit: Value; readonly scale: Value; readonly zero: Value }
