/** The operations of `fixtures/training/ops` as graphs, built from the rooms' own blocks where there are some. */
import type { Dim } from '../../src/core/shape.ts'
import { hostTensor, type HostTensor } from '../../src/core/tensor.ts'
import type { Graph, Value } from '../../src/graph/index.ts'
import { crossEntropy, labelLogProbs } from '../../src/layers/cross-entropy.ts'
import { causalMask, groupedAttention, mergeHeads } from '../../src/layers/grouped-attention.ts'
import { rotaryTables } from '../../src/layers/rotary.ts'

export type Attributes = {
  readonly eps?: number
  readonly theta?: number
  readonly axis?: number
  readonly stride?: number
  readonly size?: readonly [number, number]
  readonly rows?: number
  readonly columns?: number
}

type Operation = {
  readonly values: Readonly<Record<string, Value>>
  readonly tensors: Readonly<Record<string, HostTensor>>
  readonly attributes: Attributes
}

type Builder = (g: Graph, v: Values, operation: Operation) => Value
/** Every name is there: a fixture without one fails in the operator that reads it. */
type Values = { readonly [name: string]: Value } & { readonly [N in InputName]: Value }
type InputName =
  | 'x'
  | 'weight'
  | 'bias'
  | 'q'
  | 'k'
  | 'v'
  | 'gate'
  | 'up'
  | 'logits'
  | 'text'
  | 'image'

export function buildOperation(g: Graph, name: string, operation: Operation): Value {
  const found = BUILDERS.find(([pattern]) => pattern.test(name))
  if (!found) throw new Error(`internal: no graph for the recorded operation ${name}`)
  return found[1](g, operation.values as Values, operation)
}

const BUILDERS: readonly (readonly [RegExp, Builder])[] = [
  [/^linear/, (g, v) => g.op('Linear', [v.x, v.weight, v.bias])],
  [
    /^rms_norm/,
    (g, v, { attributes: { eps } }) =>
      g.op('SimplifiedLayerNormalization', [v.x, v.weight], { epsilon: eps as number, axis: -1 }),
  ],
  [
    /^layer_norm/,
    (g, v, { attributes: { eps } }) =>
      g.op('LayerNormalization', [v.x, v.weight, v.bias], { epsilon: eps as number, axis: -1 }),
  ],
  [/^rope/, rotated],
  [
    /^attention_full/,
    (g, v) => {
      const rows = [v.q, v.k, v.v].map((heads) => mergeHeads(g, heads))
      return g.op('MultiHeadAttention', rows, { num_heads: v.q.shape[1] as number })
    },
  ],
  [/^attention_gqa/, attended],
  [/^quick_gelu/, (g, v) => g.op('QuickGelu', [v.x], { alpha: 1.702 })],
  [/^gelu_erf/, (g, v) => g.op('Gelu', [v.x])],
  [/^gelu_tanh/, (g, v) => g.op('Gelu', [v.x], { approximate: 'tanh' })],
  [/^silu_mul/, (g, v) => g.op('Mul', [g.op('QuickGelu', [v.gate], { alpha: 1 }), v.up])],
  [/^softmax/, (g, v, { attributes: { axis } }) => g.op('Softmax', [v.x], { axis: axis ?? -1 })],
  [/^cross_entropy.*_mean/, (g, v, operation) => shiftedLoss(g, v.logits, operation, 'mean')],
  [/^cross_entropy.*_sum/, (g, v, operation) => shiftedLoss(g, v.logits, operation, 'sum')],
  [/^sequence_logps/, sequenceLogProbs],
  [/^patch_embedding/, patches],
  [/^embedding/, (g, v) => g.op('Gather', [v.weight, v['ids'] as Value], { axis: 0 })],
  [/^average_pool/, (g, v) => g.op('ReduceMean', [cells(g, v.x)], { axes: [3, 5], keepdims: 0 })],
  [/^max_pool/, (g, v) => g.op('ReduceMax', [cells(g, v.x)], { axes: [3, 5], keepdims: 0 })],
  [/bilinear/, resized],
  [/^row_newline/, newlines],
  [/^mask_scatter/, merged],
]

function rotated(g: Graph, v: Values, { tensors, attributes }: Operation): Value {
  const positions = numbers(tensors['position_ids'])
  const [count, headDim] = [Math.max(...positions) + 1, v.x.shape[3] as number]
  const rope = { theta: attributes.theta as number, factor: 1 }
  const { cos, sin } = rotaryTables(rope, { positions: count, headDim, width: headDim / 2 })
  const table = (data: Float32Array) =>
    g.constant(hostTensor('float32', [count, headDim / 2], data))
  return g.op('RotaryEmbedding', [v.x, v['position_ids'] as Value, table(cos), table(sin)])
}

/** Causal, and within the segments or without the padding that is recorded. */
function attended(g: Graph, { q, k, v }: Values, { values, tensors }: Operation): Value {
  const [batch, , length] = q.shape as readonly number[] as readonly [number, number, number]
  const count = { length: batch * length }
  const positions = int64(
    g,
    [batch, length],
    Array.from(count, (_, i) => i % length),
  )
  const segments = values['segment_ids'] ?? null
  const causal = causalMask(g, { positions, segments, slidingWindow: null })
  const padding = tensors['mask']
  if (!padding) return mergeHeads(g, groupedAttention(g, { q, k, v }, causal))
  const hidden = Float32Array.from(numbers(padding), (isReal) => (isReal === 1 ? 0 : -1e30))
  const keys = g.constant(hostTensor('float32', [batch, 1, 1, length], hidden))
  return mergeHeads(g, groupedAttention(g, { q, k, v }, g.op('Add', [causal, keys])))
}

const IGNORE_INDEX = -100

/** Rows of the flattened logits whose next label is supervised, and those labels. */
function supervisedRows({ shape, data }: HostTensor): { rows: number[]; labels: number[] } {
  const length = shape[1] as number
  const labels = numbers({ data })
  const rows = labels.flatMap((_, i) => {
    return (i + 1) % length !== 0 && labels[i + 1] !== IGNORE_INDEX ? [i] : []
  })
  return { rows, labels: rows.map((row) => labels[row + 1] as number) }
}

function flatRows(g: Graph, x: Value): Value {
  const [batch, length, width] = x.shape as readonly number[] as readonly [number, number, number]
  return g.op('Reshape', [x], { shape: [batch * length, width] })
}

/** The head's way: supervised rows are gathered first. */
function shiftedLoss(
  g: Graph,
  logits: Value,
  { tensors }: Operation,
  reduction: 'mean' | 'sum',
): Value {
  const { rows, labels } = supervisedRows(tensors['labels'] as HostTensor)
  const chosen = g.op('Gather', [flatRows(g, logits), int64(g, [rows.length], rows)], { axis: 0 })
  const weight = reduction === 'mean' ? 1 / rows.length : 1
  const weights = new Float32Array(rows.length).fill(weight)
  return crossEntropy(g, {
    logits: chosen,
    labels: int64(g, [rows.length], labels),
    weights: g.constant(hostTensor('float32', [rows.length], weights)),
  })
}

/** All rows, those without a label weighed 0. */
function sequenceLogProbs(g: Graph, v: Values, { tensors }: Operation): Value {
  const recorded = tensors['labels'] as HostTensor
  const [batch, length] = recorded.shape as readonly [number, number]
  const supervised = supervisedRows(recorded)
  const labels = Array.from({ length: batch * length }, () => 0)
  const weights = new Float32Array(batch * length)
  supervised.rows.forEach((row, i) => {
    labels[row] = supervised.labels[i] as number
    weights[row] = 1
  })
  const all = labelLogProbs(g, flatRows(g, v.logits), int64(g, [batch * length], labels))
  const kept = g.op('Mul', [all, g.constant(hostTensor('float32', [batch * length], weights))])
  const table = g.op('Reshape', [kept], { shape: [batch, length] })
  return g.op('ReduceSum', [table], { axes: [1], keepdims: 0 })
}

function patches(g: Graph, v: Values, { attributes, values }: Operation): Value {
  const strides = [attributes.stride as number, attributes.stride as number]
  const kernel = v.weight.shape.slice(2) as readonly number[]
  const map = g.op('Conv', [v.x, v.weight, values['bias'] ?? null], {
    kernel_shape: kernel,
    strides,
  })
  const [batch, channels, height, width] = map.shape as readonly number[]
  const columns = g.op('Reshape', [map], {
    shape: [batch as Dim, channels as Dim, (height as number) * (width as number)],
  })
  return g.op('Transpose', [columns], { perm: [0, 2, 1] })
}

/** [B, C, h, w] as [B, C, h/2, 2, w/2, 2], an odd last row or column left out. */
function cells(g: Graph, x: Value): Value {
  const [batch, channels, ...sides] = x.shape as readonly number[]
  const [h, w] = sides.map((side) => Math.floor(side / 2)) as [number, number]
  const even = g.op('Slice', [x], { starts: [0, 0], ends: [2 * h, 2 * w], axes: [2, 3] })
  return g.op('Reshape', [even], { shape: [batch as Dim, channels as Dim, h, 2, w, 2] })
}

/** A_h x A_wᵀ */
function resized(g: Graph, v: Values, { attributes }: Operation): Value {
  const [height, width] = attributes.size as readonly [number, number]
  const rows = interpolation(g, v.x.shape[2] as number, height)
  const columns = interpolation(g, v.x.shape[3] as number, width)
  return g.op('FusedMatMul', [g.op('MatMul', [rows, v.x]), columns], { transB: 1 })
}

/** The matrix [to, from] of linear interpolation between pixel centres. */
function interpolation(g: Graph, from: number, to: number): Value {
  const matrix = new Float32Array(to * from)
  for (let i = 0; i < to; i++) {
    const place = Math.max(0, ((i + 0.5) * from) / to - 0.5)
    const left = Math.floor(place)
    const right = Math.min(left + 1, from - 1)
    matrix[i * from + left] = 1 - (place - left)
    matrix[i * from + right] = (matrix[i * from + right] as number) + place - left
  }
  return g.constant(hostTensor('float32', [to, from], matrix))
}

/** A map of rows, as `sequence` makes them: the newline is the row behind the picture's. */
function newlines(g: Graph, v: Values, { attributes }: Operation): Value {
  const [height, width] = [attributes.rows as number, attributes.columns as number]
  const newline = g.op('Unsqueeze', [v['newline'] as Value], { axes: [0] })
  const all = g.op('Concat', [v.x, newline], { axis: 0 })
  const order = Array.from({ length: height * (width + 1) }, (_, i) => {
    const [row, column] = [Math.floor(i / (width + 1)), i % (width + 1)]
    return column === width ? height * width : row * width + column
  })
  return g.op('Gather', [all, int64(g, [order.length], order)], { axis: 0 })
}

function merged(g: Graph, v: Values, { tensors }: Operation): Value {
  const [batch, length, width] = v.text.shape as readonly number[] as readonly [
    number,
    number,
    number,
  ]
  const all = g.op('Concat', [flatRows(g, v.text), v.image], { axis: 0 })
  let next = batch * length
  const order = numbers(tensors['ids']).map((id, i) => (id === 1 ? next++ : i))
  const rows = g.op('Gather', [all, int64(g, [order.length], order)], { axis: 0 })
  return g.op('Reshape', [rows], { shape: [batch, length, width] })
}

function numbers(tensor: Pick<HostTensor, 'data'> | undefined): number[] {
  return tensor ? [...tensor.data].map(Number) : []
}

function int64(g: Graph, shape: readonly number[], values: readonly number[]): Value {
  return g.constant(hostTensor('int64', shape, BigInt64Array.from(values, BigInt)))
}
