/**
 * The causal language models of the family: Llama, Mistral and Qwen2 are one decoder whose differences are data.
 *
 * Sources: arXiv:2302.13971 (Llama), arXiv:2310.06825 (Mistral), arXiv:2407.10671 (Qwen2).
 */
import type { Graph, Value } from '../graph/graph.ts'
import {
  causalAttention,
  type Attended,
  type CausalAttentionConfig,
  type LayerContext,
} from '../layers/attention.ts'
import { linear } from '../layers/linear.ts'
import { gatedMlp } from '../layers/mlp.ts'
import { rmsNorm } from '../layers/norm.ts'
import type { RopeConfig } from '../layers/rotary.ts'

export type DecoderConfig = {
  readonly kind: 'llama' | 'mistral' | 'qwen2'
  readonly hiddenSize: number
  readonly intermediateSize: number
  readonly numLayers: number
  readonly attention: CausalAttentionConfig
  /** Layers that see all positions although the others have a window; none unless given. */
  readonly fullLayers?: readonly number[] | undefined
  /** Whether the three products of the feed-forward block have biases: Llama's with `mlp_bias`. */
  readonly mlpBias: boolean
  readonly vocabSize: number
  readonly epsilon: number
  readonly rope: RopeConfig
  /** The head is the embedding matrix. */
  readonly tieEmbeddings: boolean
  /** Positions that the checkpoint was made for, before any scaling. */
  readonly maxPositions: number
}

type ExtendedCache = Omit<Attended, 'output'>

/** Parameter of the embedding table [V, D]; the host copies its rows. */
export const EMBEDDING = 'decoder.embedTokens.weight'

/**
 * embeddings [B, T, D] through all layers and the final norm to hidden states [B, T, D], with the caches
 * of every layer extended by T.
 */
export function decoder(
  g: Graph,
  config: DecoderConfig,
  embeddings: Value,
  caches: readonly LayerContext[],
): { readonly hidden: Value; readonly caches: readonly ExtendedCache[] } {
  let x = embeddings
  const extended: ExtendedCache[] = []
  for (let i = 0; i < config.numLayers; i++) {
    const { output, ...cache } = decoderLayer(g, config, {
      index: i,
      x,
      cache: caches[i] as LayerContext,
    })
    x = output
    extended.push(cache)
  }
  return { hidden: rmsNorm(g, 'decoder.norm', x, config.epsilon), caches: extended }
}

/** hidden [..., D] to logits [..., V]. */
export function languageHead(g: Graph, config: DecoderConfig, hidden: Value): Value {
  const { vocabSize, tieEmbeddings } = config
  if (!tieEmbeddings) return linear(g, 'decoder.head', hidden, { outputs: vocabSize, bias: false })
  const weight = g.parameter(EMBEDDING, [vocabSize, config.hiddenSize])
  return g.op('Linear', [hidden, weight, null])
}

/** The attention of one layer. */
export function layerAttention(
  { attention, fullLayers = [] }: Pick<DecoderConfig, 'attention' | 'fullLayers'>,
  index: number,
): CausalAttentionConfig {
  return fullLayers.includes(index) ? { ...attention, slidingWindow: null } : attention
}

/** x + attention(norm(x)), then + mlp(norm(·)). x [B, T, D]. Training builds layers one by one. */
export function decoderLayer(
  g: Graph,
  config: DecoderConfig,
  { index, x, cache }: { readonly index: number; readonly x: Value; readonly cache: LayerContext },
): Attended {
  const path = `decoder.layers.${index}`
  const normed = rmsNorm(g, `${path}.attentionNorm`, x, config.epsilon)
  const attended = causalAttention(g, `${path}.attention`, normed, {
    config: layerAttention(config, index),
    cache,
  })
  const middle = g.op('Add', [x, attended.output])
  const lifted = gatedMlp(g, `${path}.mlp`, rmsNorm(g, `${path}.mlpNorm`, middle, config.epsilon), {
    intermediateSize: config.intermediateSize,
    bias: config.mlpBias,
  })
  return { ...attended, output: g.op('Add', [middle, lifted]) }
}
