/** The parts of a config file that both layouts share, every field written out: no reader's default decides. */
import type { DType } from '../../core/dtype.ts'
import type { DecoderConfig } from '../../decoder/decoder.ts'
import type { Activation } from '../../layers/mlp.ts'
import type { VisionConfig } from '../../vision/vision-transformer.ts'
import { ACTIVATION_NAMES } from '../vision-config.ts'

export type TokenIds = {
  readonly bos: number | undefined
  readonly eos: readonly number[]
  readonly pad: number | undefined
}

export function decoderFields(
  config: DecoderConfig,
  { vocabSize, tokens, dtype }: { vocabSize: number; tokens: TokenIds; dtype: DType },
): Record<string, unknown> {
  const { attention, rope } = config
  return {
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.numLayers,
    num_attention_heads: attention.numHeads,
    num_key_value_heads: attention.numKvHeads,
    head_dim: attention.headDim,
    hidden_act: 'silu',
    max_position_embeddings: config.maxPositions,
    rms_norm_eps: config.epsilon,
    rope_theta: rope.theta,
    rope_scaling: ropeScaling(rope),
    ...slidingWindowFields(config),
    attention_bias: attention.outputBias,
    mlp_bias: config.mlpBias,
    vocab_size: vocabSize,
    tie_word_embeddings: config.tieEmbeddings,
    ...tokenFields(tokens),
    torch_dtype: dtype,
  }
}

/** As `parseRope` reads it; null where positions are as they are. */
export function ropeScaling({ factor, bands }: DecoderConfig['rope']): object | null {
  if (!bands) return factor === 1 ? null : { type: 'linear', rope_type: 'linear', factor }
  return {
    rope_type: 'llama3',
    factor: bands.factor,
    low_freq_factor: bands.low,
    high_freq_factor: bands.high,
    original_max_position_embeddings: bands.context,
  }
}

/** Llama has no window; Qwen2 has one only where it says so, from a layer on or in those that are listed. */
function slidingWindowFields(config: DecoderConfig): Record<string, unknown> {
  const { kind, attention, numLayers, fullLayers = [] } = config
  const { slidingWindow } = attention
  if (kind === 'llama') return {}
  if (kind === 'mistral') return { sliding_window: slidingWindow }
  if (slidingWindow === null) return { use_sliding_window: false }
  const types = Array.from({ length: numLayers }, (_, i) =>
    fullLayers.includes(i) ? 'full_attention' : 'sliding_attention',
  )
  const areFirst = fullLayers.every((layer, i) => layer === i)
  return {
    use_sliding_window: true,
    sliding_window: slidingWindow,
    max_window_layers: fullLayers.length,
    ...(!areFirst && { layer_types: types }),
  }
}

export function tokenFields({ bos, eos, pad }: TokenIds): Record<string, unknown> {
  return {
    ...(bos !== undefined && { bos_token_id: bos }),
    ...(eos.length > 0 && { eos_token_id: eos.length === 1 ? eos[0] : eos }),
    ...(pad !== undefined && { pad_token_id: pad }),
  }
}

const MODEL_TYPES: { readonly [K in VisionConfig['kind']]: string } = {
  clip: 'clip_vision_model',
  siglip: 'siglip_vision_model',
  vit: 'vit',
}

export function visionFields(config: VisionConfig, numLayers: number): Record<string, unknown> {
  return {
    model_type: MODEL_TYPES[config.kind],
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: numLayers,
    num_attention_heads: config.numHeads,
    num_channels: 3,
    image_size: config.imageSize,
    patch_size: config.patchSize,
    hidden_act: activationName(config.activation),
    layer_norm_eps: config.epsilon,
    attention_dropout: 0,
    ...(config.kind === 'siglip' && { vision_use_head: false }),
    ...(config.kind === 'vit' && { qkv_bias: config.hasAttentionBias }),
  }
}

/** The name that checkpoints have for an activation; where there are several, the usual one. */
export function activationName(activation: Activation): string {
  if (activation === 'geluTanh') return 'gelu_pytorch_tanh'
  const found = Object.entries(ACTIVATION_NAMES).find(([, ours]) => ours === activation)
  if (!found) throw new Error(`internal: activation ${activation} has no name in checkpoints`)
  return found[0]
}

/** Feature layer f of a tower of `numLayers` blocks, counted from the end as configs do: −1 is the last block. */
export function fromTheEnd(layer: number, numLayers: number): number {
  return layer - numLayers - 1
}
