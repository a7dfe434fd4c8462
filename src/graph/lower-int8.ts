/**
 * Products of 8-bit weights with activations that are quantised row by row at run time.
 *
 *   a_r = max_k |x_rk| / 127,   u = round(x / a) + 128,   y = a (u − 128) Wᵀ s
 *
 * Layers that read one activation share its quantised form. Where 8 bits of activation are too coarse, what rounding
 * left over is quantised again, 254 times finer, and multiplied too: 16 bits for twice the arithmetic. With few rows, the
 * second digits are further rows of the same product, so that no more weights are read; with many, putting rows together
 * and apart again takes longer than reading the weights twice. Source of the per-row scheme: arXiv:2208.07339 §2.1.
 */
import { hostTensor } from '../core/tensor.ts'
import type { Graph, Value } from './graph.ts'
import type { OpName } from './ops/index.ts'

/** How many 8-bit digits an activation gets. */
export type ActivationDigits = 1 | 2

/** Whether two digits of an activation are rows of one product, or each has a product. */
export type DigitProducts = 'together' | 'apart'

export type Int8Parameters = {
  /** int8[K,N] */
  readonly data: Value
  /** float32[N] */
  readonly scale: Value
}

/** rows ⊙ factor: a factor [..., 1] for each row, which a following product can take along. */
export type ScaledRows = { readonly rows: Value; readonly factor: Value }

type QuantizedRows = {
  /** float32 of x's shape with a last axis of 1 */
  readonly step: Value
  /** uint8 of x's shape */
  readonly first: Value
}

/** The middle of uint8, which stands for zero. */
const ZERO = 128
const LEVELS = 127
/** A remainder is at most half a step, so this many steps of the second digit make one of the first. */
const SECOND_STEPS = 2 * LEVELS
/** Rows of zeros have this size instead of none. */
const SMALLEST = 1e-8

export class Int8Products {
  readonly #graph: Graph
  readonly #zero: Value
  readonly #rows = new Map<Value, QuantizedRows>()
  readonly #zerosOf = new Map<string, Value>()
  readonly #secondDigits = new Map<Value, Value>()
  readonly #bothDigits = new Map<Value, Value>()
  readonly #digits: DigitProducts

  constructor(graph: Graph, digits: DigitProducts) {
    this.#graph = graph
    this.#digits = digits
    this.#zero = graph.constant(hostTensor('uint8', [], Uint8Array.of(ZERO)), 'zero')
  }

  /** x [..., K], whose rows may have factors, times the weight: [..., N]. */
  product(
    { rows: x, factor }: ScaledRows | { readonly rows: Value; readonly factor: null },
    weight: Int8Parameters,
    digits: ActivationDigits,
  ): ScaledRows {
    const { first, step } = this.#quantize(x)
    const rows = digits === 1 ? this.#multiply(first, weight) : this.#multiplyBoth(x, weight)
    return { rows, factor: factor ? this.#graph.op('Mul', [step, factor]) : step }
  }

  /** One digit of the activations, whose unit is `unit` steps, times the weight. */
  #multiply(rows: Value, { data, scale }: Int8Parameters, unit = 1): Value {
    const g = this.#graph
    return g.op('MatMulIntegerToFloat', [rows, data, g.scalar(unit), scale, this.#zero])
  }

  #multiplyBoth(x: Value, weight: Int8Parameters): Value {
    if (this.#digits === 'together') {
      return this.#joinDigits(this.#multiply(this.#withSecondDigit(x), weight))
    }
    const first = this.#multiply(this.#quantize(x).first, weight)
    const second = this.#multiply(this.#secondDigit(x), weight, 1 / SECOND_STEPS)
    return this.#graph.op('Add', [first, second])
  }

  #quantize(x: Value): QuantizedRows {
    const known = this.#rows.get(x)
    if (known) return known
    const g = this.#graph
    const least = leastValue(x)
    const sizes = least === null ? g.op('Abs', [x]) : x
    const largest = g.op('ReduceMax', [sizes], { axes: [-1], keepdims: 1 })
    const floor = g.scalar(Math.max(SMALLEST, -(least ?? 0)))
    const step = g.op('Mul', [g.op('Max', [largest, floor]), g.scalar(1 / LEVELS)])
    // A row is one block of the operator, which then divides by the row's step itself.
    const block = { axis: x.shape.length - 1, block_size: x.shape.at(-1) as number }
    const first = g.op('QuantizeLinear', [x, step, this.#zeros(step)], block)
    const result = { step, first }
    this.#rows.set(x, result)
    return result
  }

  /** The middle of uint8 for each row. */
  #zeros({ shape }: Value): Value {
    const known = this.#zerosOf.get(String(shape))
    if (known) return known
    const zeros = this.#graph.op('Expand', [this.#zero], { shape })
    this.#zerosOf.set(String(shape), zeros)
    return zeros
  }

  /** uint8 of x's shape: what the first digits left over. */
  #secondDigit(x: Value): Value {
    const known = this.#secondDigits.get(x)
    if (known) return known
    const g = this.#graph
    const { first, step } = this.#quantize(x)
    const rounded = g.op('DequantizeLinear', [first, g.scalar(1), this.#zero])
    const rest = g.op('Sub', [g.op('Div', [x, step]), rounded])
    const second = g.op('QuantizeLinear', [rest, g.scalar(1 / SECOND_STEPS), this.#zero])
    this.#secondDigits.set(x, second)
    return second
  }

  /**
   * uint8 [2, …] of x's shape: the first digits, then the second ones. A new axis, whose size is known: putting them
   * behind one another along a symbolic axis makes the engine's start quadratic in the number of layers.
   */
  #withSecondDigit(x: Value): Value {
    const known = this.#bothDigits.get(x)
    if (known) return known
    const g = this.#graph
    const { first } = this.#quantize(x)
    const stacked = [first, this.#secondDigit(x)].map((digit) =>
      g.op('Unsqueeze', [digit], { axes: [0] }),
    )
    const both = g.op('Concat', stacked, { axis: 0 })
    this.#bothDigits.set(x, both)
    return both
  }

  /** [2, …] sums of both digits to one. */
  #joinDigits(sums: Value): Value {
    const g = this.#graph
    const [first, second] = [0n, 1n].map((index) => {
      const at = g.constant(hostTensor('int64', [], BigInt64Array.of(index)), 'digit')
      return g.op('Gather', [sums, at], { axis: 0 })
    }) as [Value, Value]
    return g.op('Add', [first, g.op('Mul', [second, g.scalar(1 / SECOND_STEPS)])])
  }
}

/**
 * The least value that an activation's function has: the sizes of its rows need no pass of their own then. A row that is
 * smaller throughout is quantised as if it had that one.
 */
function leastValue({ origin }: Value): number | null {
  if (typeof origin === 'string') return null
  const least = LEAST_VALUES[origin.op]
  return least === undefined ? null : least / ((origin.attributes['alpha'] as number) ?? 1)
}

/** Rounded down from −0.169971 (−0.170041 in the tanh form) and −0.278465, which α divides. */
const LEAST_VALUES: { readonly [N in OpName]?: number } = {
  Gelu: -0.1701,
  QuickGelu: -0.2785,
  Relu: 0,
}
