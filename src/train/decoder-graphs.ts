/**
 * The decoder as training runs it, cut where memory or batching wants it: embeddings with pictures merged in, a layer
 * before and after its attention, attention of one block of rows, and the head with its loss.
 *
 * Every layer is built as layer 0; the trainer binds the weights of the layer at hand.
 */
import { decoderLayer, EMBEDDING, languageHead, type DecoderConfig } from '../decoder/decoder.ts'
import { IMAGE_NEWLINE } from '../families/parameter-names.ts'
import { Graph, type Value } from '../graph/graph.ts'
import { crossEntropy, labelLogProbs } from '../layers/cross-entropy.ts'
import {
  causalMask,
  groupedAttention,
  mergeHeads,
  splitHeads,
} from '../layers/grouped-attention.ts'
import { rmsNorm } from '../layers/norm.ts'
import type { GatherForm } from './row-gather.ts'

/** Path of the layer that stands for all. */
export const ANY_LAYER = 'decoder.layers.0.'

/**
 * x float32[1,T,D], positions int64[1,T], cos and sin float32[P,H/2] to q float32[1,T,N·H], k and v float32[1,T,K·H], and
 * `skip`, which is x: it goes on to the other half of the layer.
 */
export function projectionsGraph(config: DecoderConfig): Graph {
  const { g, x, rows } = halves(config)
  for (const name of ['q', 'k', 'v'] as const) g.output(name, rows[name])
  g.output('skip', x)
  return g
}

/** x float32[1,T,D] and attended float32[1,T,N·H] to y float32[1,T,D]. */
export function restGraph(config: DecoderConfig): Graph {
  const { g, y } = halves(config)
  g.output('y', y)
  return g
}

function halves(config: DecoderConfig) {
  const { numHeads, headDim } = config.attention
  const g = new Graph('decoder.layer')
  const x = g.input('x', 'float32', [1, 'T', config.hiddenSize])
  const attended = g.input('attended', 'float32', [1, 'T', numHeads * headDim])
  const positions = g.input('positions', 'int64', [1, 'T'])
  const cos = g.input('cos', 'float32', ['P', headDim / 2])
  const sin = g.input('sin', 'float32', ['P', headDim / 2])
  let rows: { readonly q: Value; readonly k: Value; readonly v: Value } | null = null
  const attend = (projected: NonNullable<typeof rows>) => {
    rows = projected
    return attended
  }
  const cache = { positions, cos, sin, attend }
  const { output: y } = decoderLayer(g, config, { index: 0, x, cache })
  if (!rows) throw new Error('internal: the layer does not attend')
  return { g, x, rows: rows as NonNullable<typeof rows>, y }
}

/**
 * R query rows of one sample and its S key rows up to the last of them: q float32[1,R,N·H], k and v float32[1,S,K·H],
 * their positions int64[1,R] and int64[1,S], to y float32[1,R,N·H].
 *
 * `kPassed` and `vPassed` are k and v: gradients that other blocks gave them are added in place.
 */
export function attentionGraph(attention: DecoderConfig['attention']): Graph {
  const { numHeads, numKvHeads, headDim, slidingWindow } = attention
  const g = new Graph('decoder.attention')
  const q = g.input('q', 'float32', [1, 'R', numHeads * headDim])
  const k = g.input('k', 'float32', [1, 'S', numKvHeads * headDim])
  const v = g.input('v', 'float32', [1, 'S', numKvHeads * headDim])
  const positions = g.input('positions', 'int64', [1, 'R'])
  const keyPositions = g.input('keyPositions', 'int64', [1, 'S'])
  const mask = causalMask(g, { positions, keyPositions, segments: null, slidingWindow })
  const heads = {
    q: splitHeads(g, q, numHeads),
    k: splitHeads(g, k, numKvHeads),
    v: splitHeads(g, v, numKvHeads),
  }
  g.output('y', mergeHeads(g, groupedAttention(g, heads, mask)))
  g.output('kPassed', k)
  g.output('vPassed', v)
  return g
}

/** hidden float32[R,D], labels int64[R], weights float32[R] to loss float32[] = −Σ weights ∘ log p(label). */
export function lossGraph(config: DecoderConfig): Graph {
  const { g, logits, labels } = headGraph('decoder.loss', config)
  const weights = g.input('weights', 'float32', ['R'])
  g.output('loss', crossEntropy(g, { logits, labels, weights }))
  return g
}

/** hidden float32[R,D], labels int64[R] to logProbs float32[R]. */
export function logProbsGraph(config: DecoderConfig): Graph {
  const { g, logits, labels } = headGraph('decoder.logProbs', config)
  g.output('logProbs', labelLogProbs(g, logits, labels))
  return g
}

/** hidden float32[R,D] to logits float32[R,V]. */
export function logitsGraph(config: DecoderConfig): Graph {
  const g = new Graph('decoder.logits')
  g.output('logits', headLogits(g, config))
  return g
}

function headGraph(name: string, config: DecoderConfig) {
  const g = new Graph(name)
  const logits = headLogits(g, config)
  return { g, labels: g.input('labels', 'int64', ['R']), logits }
}

function headLogits(g: Graph, config: DecoderConfig): Value {
  const hidden = g.input('hidden', 'float32', ['R', config.hiddenSize])
  return languageHead(g, config, rmsNorm(g, 'decoder.norm', hidden, config.epsilon))
}

/** One way in which rows of pictures come out of the projector's, see `row-gather.ts`. */
export type MergePart = GatherForm & { readonly hasNewline: boolean }

/**
 * ids int64[T] to embeddings float32[1,T,D]. features float32[F,D], the projector's rows, become rows of positions part by
 * part: `slots.i` int64[M,1] by `indices.i` int64[M] or int64[M,taps] and, for sums, `shares.i` float32[M,taps,1].
 * Index F is the newline row. `featuresPassed` are the features: their gradient starts with what its gradient holds.
 */
export function mergeGraph(config: DecoderConfig, parts: readonly MergePart[]): Graph {
  const { vocabSize, hiddenSize } = config
  const g = new Graph('decoder.merge')
  const ids = g.input('ids', 'int64', ['T'])
  const table = g.parameter(EMBEDDING, [vocabSize, hiddenSize])
  let rows = g.op('Gather', [table, ids], { axis: 0 }) // [T, D]
  if (parts.length > 0) {
    const features = g.input('features', 'float32', ['F', hiddenSize])
    g.output('featuresPassed', features)
    const hasNewline = parts.some((part) => part.hasNewline)
    const source = hasNewline ? withNewline(g, features, hiddenSize) : features
    parts.forEach((part, i) => {
      const slots = g.input(`slots.${i}`, 'int64', [`M${i}`, 1])
      const merged = combineRows(g, source, { ...part, rows: `M${i}`, suffix: `.${i}` })
      rows = g.op('ScatterND', [rows, slots, merged])
    })
  }
  g.output('embeddings', g.op('Reshape', [rows], { shape: [1, 'T', hiddenSize] }))
  return g
}

/**
 * features float32[F,Dv] of the tower to pooled float32[M,Dv]: frames of clips that are pooled before the projector.
 * `featuresPassed` are the features.
 */
export function poolGraph(width: number, form: GatherForm): Graph {
  const g = new Graph('vision.pool')
  const features = g.input('features', 'float32', ['F', width])
  g.output('featuresPassed', features)
  g.output('pooled', combineRows(g, features, { ...form, rows: 'M', suffix: '' }))
  return g
}

function withNewline(g: Graph, features: Value, hiddenSize: number): Value {
  const newline = g.parameter(IMAGE_NEWLINE, [hiddenSize])
  const row = g.op('Reshape', [newline], { shape: [1, hiddenSize] })
  return g.op('Concat', [features, row], { axis: 0 })
}

function combineRows(
  g: Graph,
  source: Value,
  { combine, taps, rows, suffix }: GatherForm & { readonly rows: string; readonly suffix: string },
): Value {
  if (combine === 'copy') {
    return g.op('Gather', [source, g.input(`indices${suffix}`, 'int64', [rows])], { axis: 0 })
  }
  const indices = g.input(`indices${suffix}`, 'int64', [rows, taps])
  const gathered = g.op('Gather', [source, indices], { axis: 0 }) // [M, taps, D]
  if (combine === 'max') return g.op('ReduceMax', [gathered], { axes: [1], keepdims: 0 })
  const shares = g.input(`shares${suffix}`, 'float32', [rows, taps, 1])
  return g.op('ReduceSum', [g.op('Mul', [gathered, shares])], { axes: [1], keepdims: 0 })
}
