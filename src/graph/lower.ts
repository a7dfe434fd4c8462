/**
 * Precision as a lowering: every `Linear` of a graph becomes products of the precision that a policy names for its
 * weight. Everything else is copied as it is.
 *
 * The lowered graph's parameters are the tensors to be supplied: `NAME` as float32, or `NAME.int8`, `NAME.q4`, … with
 * their scales, in the layouts of `weights/quantize*.ts`.
 */
import { checkArgument } from '../core/check-argument.ts'
import { describeValue } from '../core/describe-value.ts'
import { checkOptions } from '../core/check-options.ts'
import { ConfigError } from '../core/errors.ts'
import { sameShape, type Dim } from '../core/shape.ts'
import { atOnce, type Steps } from '../core/steps.ts'
import { hostTensor } from '../core/tensor.ts'
import { product } from './dimension.ts'
import { checkGraph, Graph, type Node, type Value } from './graph.ts'
import {
  Int8Products,
  type ActivationDigits,
  type DigitProducts,
  type Int8Parameters,
  type ScaledRows,
} from './lower-int8.ts'
import { groupedAttention } from './lower-attention.ts'
import { WidenedProducts } from './lower-widened.ts'

/**
 * How the weight of one linear layer is stored and multiplied. `int8a16` stores what `int8` does and gives activations 16
 * bits instead of 8.
 */
export type LinearPrecision = (typeof LINEAR_PRECISIONS)[number]
export const LINEAR_PRECISIONS = ['f32', 'int8', 'int8a16', 'q8', 'q4', 'q4b128'] as const

export type PrecisionPolicy = (parameter: string) => LinearPrecision

export type LinearWeight = {
  readonly name: string
  readonly precision: LinearPrecision
  /** Rows (outputs) and columns (inputs) of the weight as checkpoints store it. */
  readonly rows: number
  readonly columns: number
}

export type LoweredGraph = { readonly graph: Graph; readonly linears: readonly LinearWeight[] }

/** Elements that share one scale, and bits of one element, of the block-quantised precisions. */
export const BLOCK_FORMATS = {
  q8: { bits: 8, block: 32 },
  q4: { bits: 4, block: 32 },
  q4b128: { bits: 4, block: 128 },
} as const

export type LoweringOptions = {
  /** Weights stay as stored, but products with them are made in float32: exact where int8 and q4 weights are frozen. */
  readonly widen?: boolean
  /** How activations of 16 bits are multiplied: `apart` is faster with many rows, `together` with few. */
  readonly digits?: DigitProducts
}

export function lower(
  source: Graph,
  policy: PrecisionPolicy,
  options: LoweringOptions = {},
): LoweredGraph {
  checkGraph('lower: source', source)
  if (typeof policy !== 'function') {
    throw new ConfigError(
      'CONFIG_PRECISION',
      `lower: policy should be a function of a parameter's name, ${describeValue(policy)} came; precisionPolicy makes one.`,
    )
  }
  checkOptions('lower', options, ['widen', 'digits'])
  return atOnce(loweringSteps(source, policy, options))
}

/** Nodes between two pauses. */
const NODES = 32

/** The same with pauses. */
export function* loweringSteps(
  source: Graph,
  policy: PrecisionPolicy,
  { widen = false, digits = 'together' }: LoweringOptions = {},
): Steps<LoweredGraph> {
  const lowering = new Lowering(source, policy, { widen, digits })
  for (const [i, node] of source.nodes.entries()) {
    if (i % NODES === 0) yield
    lowering.add(node, policy)
  }
  for (const { name, value } of source.outputs) lowering.graph.output(name, lowering.mapped(value))
  return { graph: lowering.graph, linears: [...lowering.linears.values()] }
}

class Lowering {
  readonly graph: Graph
  readonly linears = new Map<string, LinearWeight>()
  readonly #values = new Map<Value, Value>()
  /** Products whose rows wait for their factors: some of these meet in the next product's. */
  readonly #scaledRows = new Map<Value, ScaledRows>()
  readonly #onlyProductsRead: (value: Value) => boolean
  readonly #constants: Graph['constants']
  readonly #digits: DigitProducts
  #int8Products: Int8Products | null = null
  /** Sums of blocks of inputs: layers that read one activation share the work. */
  readonly #sums = new Map<Value, Value>()
  readonly #widened: WidenedProducts | null

  constructor(
    source: Graph,
    policy: PrecisionPolicy,
    { widen, digits }: Required<LoweringOptions>,
  ) {
    this.graph = new Graph(source.name)
    this.#onlyProductsRead = readByProducts(source, policy)
    this.#digits = digits
    this.#widened = widen ? new WidenedProducts(this.graph) : null
    this.#constants = source.constants
    for (const input of source.inputs) {
      this.#values.set(input, this.graph.input(input.name, input.dtype, input.shape))
    }
  }

  mapped(value: Value): Value {
    const known = this.#values.get(value)
    if (known) return known
    const scaled = this.#scaledRows.get(value)
    if (scaled) return this.#keep(value, this.graph.op('Mul', [scaled.rows, scaled.factor]))
    const constant = this.#constants.get(value)
    const copy = constant
      ? this.graph.constant(constant, value.name)
      : this.graph.parameter(value.name, value.shape as readonly number[], value.dtype)
    return this.#keep(value, copy)
  }

  #keep(source: Value, lowered: Value): Value {
    this.#values.set(source, lowered)
    return lowered
  }

  add(node: Node, policy: PrecisionPolicy): void {
    const scaled = node.op === 'Mul' ? this.#scaledProduct(node) : null
    if (scaled) return void this.#scaledRows.set(node.outputs[0] as Value, scaled)
    const outputs = this.#outputs(node, policy)
    node.outputs.forEach((output, i) => {
      const lowered = outputs[i] as Value | ScaledRows
      if ('rows' in lowered) this.#scaledRows.set(output, lowered)
      else this.#keep(output, lowered)
    })
  }

  /**
   * a ⊙ (f b) = f (a ⊙ b): the rows' factors f wait on. Where others read the product they do not, so that a backward graph
   * makes it again to the bit, of a b that was kept or of one that is made again too.
   */
  #scaledProduct({ inputs, outputs }: Node): ScaledRows | null {
    if (!this.#onlyProductsRead(outputs[0] as Value)) return null
    const [a, b] = inputs as [Value, Value]
    for (const [waiting, other] of [
      [b, a],
      [a, b],
    ] as const) {
      const scaled = this.#waitingRows(waiting)
      if (!scaled || !sameShape(waiting.shape, other.shape)) continue
      return { ...scaled, rows: this.graph.op('Mul', [this.mapped(other), scaled.rows]) }
    }
    return null
  }

  #outputs(node: Node, policy: PrecisionPolicy): readonly (Value | ScaledRows)[] {
    if (node.op === 'Linear') return [this.#linear(node, policy)]
    if (node.op === 'LinearInputGradient') return [this.#inputGradient(node, policy)]
    const inputs = node.inputs.map((input) => input && this.mapped(input))
    if (node.op === 'LinearWeightGradient') return [this.#weightGradient(inputs as Value[])]
    if (node.op === 'GroupedAttention') {
      const [q, k, v, mask = null] = inputs as [Value, Value, Value, Value?]
      return groupedAttention(this.graph, { q, k, v, mask }, node.attributes['scale'] as number)
    }
    return this.graph.node(node.op, inputs, node.attributes).outputs
  }

  #linear(node: Node, policy: PrecisionPolicy): Value | ScaledRows {
    const [x, weight, bias] = node.inputs as [Value, Value, Value | null | undefined]
    if (weight.origin !== 'parameter') return this.#product(this.mapped(x), weight, bias)
    const precision = this.#precision(weight, policy)
    const output = this.#stored(x, weight, precision)
    if (!bias) return output
    const whole = 'rows' in output ? this.graph.op('Mul', [output.rows, output.factor]) : output
    return this.graph.op('Add', [whole, this.mapped(bias)])
  }

  /** x times a weight as it is stored. */
  #stored(x: Value, weight: Value, precision: LinearPrecision): Value | ScaledRows {
    if (this.#widened && precision !== 'f32') {
      return this.#widened.product(this.mapped(x), weight, precision)
    }
    if (precision === 'int8' || precision === 'int8a16') {
      return this.#int8(x, weight, precision === 'int8' ? 1 : 2)
    }
    return this.#byPrecision[precision](this.mapped(x), weight)
  }

  #precision(weight: Value, policy: PrecisionPolicy): LinearPrecision {
    const precision = policy(weight.name)
    checkPrecision(`precision: ${weight.name}`, precision)
    const [rows, columns] = weight.shape as readonly [number, number]
    this.linears.set(weight.name, { name: weight.name, precision, rows, columns })
    return precision
  }

  readonly #byPrecision: {
    readonly [P in Exclude<LinearPrecision, 'int8' | 'int8a16'>]: (x: Value, weight: Value) => Value
  } = {
    f32: (x, weight) => this.#product(x, weight),
    q8: (x, weight) => this.#blocks(x, weight, 'q8'),
    q4: (x, weight) => this.#blocks(x, weight, 'q4'),
    q4b128: (x, weight) => this.#blocks(x, weight, 'q4b128'),
  }

  #product(x: Value, weight: Value, bias?: Value | null): Value {
    const y = this.graph.op('FusedMatMul', [x, this.mapped(weight)], { transB: 1 })
    return bias ? this.graph.op('Add', [y, this.mapped(bias)]) : y
  }

  /** dy W, through the very weights that the forward product reads. */
  #inputGradient(node: Node, policy: PrecisionPolicy): Value {
    const [dy, weight] = node.inputs as [Value, Value]
    const gradient = this.mapped(dy)
    if (weight.origin !== 'parameter')
      return this.graph.op('MatMul', [gradient, this.mapped(weight)])
    const precision = this.#precision(weight, policy)
    if (precision === 'f32') return this.graph.op('MatMul', [gradient, this.mapped(weight)])
    if (this.#widened) return this.#widened.inputGradient(gradient, weight, precision)
    if (precision === 'int8') return this.#int8Gradient(gradient, weight)
    throw new ConfigError(
      'CONFIG_PRECISION_GRADIENT',
      `${this.graph.name}: gradients pass through weights of f32 or int8, ${weight.name} is ${precision}; choose one of the two for it.`,
    )
  }

  /**
   * The scale of an output is a factor of its gradient's column: with z = dy · s, which is quantised row by row, the
   * product is with the integers alone. One copy of the weight serves both directions.
   */
  #int8Gradient(dy: Value, weight: Value): Value {
    const { data, scale } = this.#int8Parameters(weight)
    const turned = this.graph.op('Transpose', [data], { perm: [1, 0] })
    const one = this.graph.constant(hostTensor('float32', [1], Float32Array.of(1)), 'one')
    const z = this.graph.op('Mul', [dy, scale])
    const parameters = { data: turned, scale: one }
    const { rows, factor } = this.#products.product({ rows: z, factor: null }, parameters, 1)
    return this.graph.op('Mul', [rows, factor])
  }

  /** dyᵀ x, all rows of a batch in one product. */
  #weightGradient(inputs: readonly Value[]): Value {
    const [dy, x] = inputs.map((value) => this.#rows(value)) as [Value, Value]
    return this.graph.op('FusedMatMul', [dy, x], { transA: 1 })
  }

  #rows(x: Value): Value {
    if (x.shape.length === 2) return x
    const shape = [product(x.shape.slice(0, -1)), x.shape.at(-1) as Dim]
    return this.graph.op('Reshape', [x], { shape })
  }

  #int8(x: Value, weight: Value, digits: ActivationDigits): ScaledRows {
    const waiting = this.#waitingRows(x)
    const input = waiting ?? { rows: this.mapped(x), factor: null }
    return this.#products.product(input, this.#int8Parameters(weight), digits)
  }

  /** The rows of a value whose factors nobody has asked for yet. */
  #waitingRows(value: Value): ScaledRows | undefined {
    return this.#values.has(value) ? undefined : this.#scaledRows.get(value)
  }

  get #products(): Int8Products {
    this.#int8Products ??= new Int8Products(this.graph, this.#digits)
    return this.#int8Products
  }

  #int8Parameters(weight: Value): Int8Parameters {
    const [rows, columns] = weight.shape as readonly [number, number]
    return {
      data: this.graph.parameter(`${weight.name}.int8`, [columns, rows], 'int8'),
      scale: this.graph.parameter(`${weight.name}.scale`, [rows]),
    }
  }

  #blocks(x: Value, weight: Value, precision: keyof typeof BLOCK_FORMATS): Value {
    const [rows, columns] = weight.shape as readonly [number, number]
    const { bits, block } = BLOCK_FORMATS[precision]
    const blocks = Math.ceil(columns / block)
    const data = this.graph.parameter(
      `${weight.name}.${precision}`,
      [rows, blocks, (block * bits) / 8],
      'uint8',
    )
    const scale = this.graph.parameter(`${weight.name}.scale`, [rows, blocks])
    const zeroPoint =
      precision === 'q4b128'
        ? this.graph.parameter(`${weight.name}.zeroPoint`, [rows, Math.ceil(blocks / 2)], 'uint8')
        : null
    const product = this.graph.op('MatMulNBits', [x, data, scale, zeroPoint], {
      K: columns,
      N: rows,
      bits,
      block_size: block,
      accuracy_level: 4,
    })
    return precision === 'q4' ? this.#withOffsets(product, x, weight) : product
  }

  /** Each block of the weight is an offset higher than its quantised part: y + (sums of x's blocks) offsetᵀ. */
  #withOffsets(product: Value, x: Value, weight: Value): Value {
    const [rows, columns] = weight.shape as readonly [number, number]
    const blocks = Math.ceil(columns / BLOCK_FORMATS.q4.block)
    const offset = this.graph.parameter(`${weight.name}.offset`, [rows, blocks])
    const added = this.graph.op('FusedMatMul', [this.#blockSums(x), offset], { transB: 1 })
    return this.graph.op('Add', [product, added])
  }

  #blockSums(x: Value): Value {
    const known = this.#sums.get(x)
    if (known) return known
    const { block } = BLOCK_FORMATS.q4
    const columns = x.shape.at(-1) as number
    const blocks = Math.ceil(columns / block)
    const outer = x.shape.slice(0, -1)
    const pads = [...outer.map(() => 0), 0, ...outer.map(() => 0), blocks * block - columns]
    const whole = columns % block === 0 ? x : this.graph.op('Pad', [x], { pads })
    const split = this.graph.op('Reshape', [whole], { shape: [...outer, blocks, block] })
    const sums = this.graph.op('ReduceSum', [split], { axes: [-1], keepdims: 0 })
    this.#sums.set(x, sums)
    return sums
  }
}

/** Whether 8-bit products, and no other node, read a value. */
function readByProducts({ nodes }: Graph, policy: PrecisionPolicy): (value: Value) => boolean {
  const isProduct = ({ op, inputs: [, weight] }: Node) =>
    op === 'Linear' &&
    weight?.origin === 'parameter' &&
    ['int8', 'int8a16'].includes(policy(weight.name))
  const readBy = (isReader: (node: Node) => boolean) =>
    new Set(nodes.filter(isReader).flatMap(({ inputs }) => inputs))
  const [byProducts, byOthers] = [readBy(isProduct), readBy((node) => !isProduct(node))]
  return (value) => byProducts.has(value) && !byOthers.has(value)
}

/** A policy from a default and overrides: `{ 'decoder.layers.3.*': 'f32' }`; the last matching pattern wins. */
export function precisionPolicy(
  fallback: LinearPrecision,
  overrides: Readonly<Record<string, LinearPrecision>> = {},
): PrecisionPolicy {
  checkPrecision('precision: the default', fallback)
  checkArgument('precision.layers', overrides, 'an object')
  const rules = Object.entries(overrides).map(([pattern, precision]) => {
    if (!/^[\w.*-]+$/.test(pattern)) {
      throw new ConfigError(
        'CONFIG_PRECISION_PATTERN',
        `precision.layers: "${pattern}" is no parameter pattern; write a dotted path in which * stands for anything.`,
      )
    }
    checkPrecision(`precision.layers: "${pattern}"`, precision)
    const source = pattern.replaceAll('.', '\\.').replaceAll('*', '.*')
    return { test: new RegExp(`^${source}(\\.weight)?$`), precision }
  })
  return (parameter) => rules.findLast(({ test }) => test.test(parameter))?.precision ?? fallback
}

function checkPrecision(where: string, precision: LinearPrecision): void {
  if (LINEAR_PRECISIONS.includes(precision)) return
  throw new ConfigError(
    'CONFIG_PRECISION',
    `${where} should be one of ${LINEAR_PRECISIONS.join(', ')}, ${describeValue(precision)} came.`,
  )
}

/** The int64 constant that ONNX wants for a list of numbers. */
export function int64Tensor(numbers: readonly Dim[]): ReturnType<typeof hostTensor> {
  return hostTensor(
    'int64',
    [numbers.length],
    BigInt64Array.from(numbers, (n) => BigInt(n)),
  )
}
