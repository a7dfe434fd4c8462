/**
 * The language model's part of a config file. Hub files leave out what equals the default of the class, and the
 * classes' defaults differ: they are the table below.
 *
 * Source: transformers 5.23, `LlamaConfig`, `MistralConfig`, `Qwen2Config`.
 */
import { describeValue } from '../core/describe-value.ts'
import { ConfigError } from '../core/errors.ts'
import type { DecoderConfig } from '../decoder/decoder.ts'
import type { RopeBands, RopeConfig } from '../layers/rotary.ts'
import { isObject, JsonReader } from './json-reader.ts'

type Kind = DecoderConfig['kind']

type Defaults = {
  readonly kind: Kind
  readonly vocabSize: number
  readonly intermediateSize: number
  /** null: as many as query heads. */
  readonly numKvHeads: number | null
  readonly maxPositions: number
  readonly slidingWindow: number | null
  readonly bias: boolean
}

const LLAMA: Defaults = {
  kind: 'llama',
  vocabSize: 32000,
  intermediateSize: 11008,
  numKvHeads: null,
  maxPositions: 2048,
  slidingWindow: null,
  bias: false,
}
const MISTRAL: Defaults = {
  kind: 'mistral',
  vocabSize: 32000,
  intermediateSize: 14336,
  numKvHeads: 8,
  maxPositions: 131072,
  slidingWindow: 4096,
  bias: false,
}
const QWEN2: Defaults = {
  kind: 'qwen2',
  vocabSize: 151936,
  intermediateSize: 22016,
  numKvHeads: 32,
  maxPositions: 32768,
  slidingWindow: null,
  bias: true,
}

/** `model_type` of a text model, or of an original LLaVA checkpoint, to its class. */
const DECODERS: Readonly<Record<string, Defaults>> = {
  llama: LLAMA,
  mistral: MISTRAL,
  qwen2: QWEN2,
  llava: LLAMA,
  llava_llama: LLAMA,
  llava_mistral: MISTRAL,
  llava_qwen: QWEN2,
}

export function isKnownDecoder(modelType: unknown): boolean {
  return typeof modelType === 'string' && Object.hasOwn(DECODERS, modelType)
}

/**
 * Refuses an original checkpoint whose language model is none of ours (MPT), before its other parts are looked for. Throws
 * ConfigError CONFIG_UNSUPPORTED.
 */
export function checkOriginalDecoder(config: unknown): void {
  if (!isObject(config)) return
  const isOriginal = typeof config['mm_vision_tower'] === 'string'
  const isMpt = /^(?:llava_)?mpt$/.test(String(config['model_type']))
  if (isOriginal || isMpt)
    new JsonReader('config.json', config).choice('model_type', DECODERS, 'llama')
}

/**
 * Reads `text_config`, or the top level of an original or plain text checkpoint. `isTied`: what stands above `text_config`;
 * either place is enough. Whether the files agree is seen when they are opened: `tied-head.ts`. `usual`: the `model_type` of
 * one that names none.
 */
export function parseDecoderConfig(
  json: JsonReader,
  { isTied = false, usual = 'llama' }: { readonly isTied?: boolean; readonly usual?: string } = {},
): DecoderConfig {
  const defaults = json.choice('model_type', DECODERS, usual)
  const hiddenSize = json.integer('hidden_size', 4096)
  const numHeads = json.integer('num_attention_heads', 32)
  const headDim = json.integer('head_dim', evenShare(json, hiddenSize, numHeads))
  const numKvHeads = json.integer('num_key_value_heads', defaults.numKvHeads ?? numHeads)
  json.choice('hidden_act', { silu: true, swish: true }, 'silu')
  checkHeads(json, { numHeads, numKvHeads, headDim })
  const numLayers = json.layerCount('num_hidden_layers', 32)
  const window = slidingWindow(json, defaults, numLayers)
  return {
    kind: defaults.kind,
    hiddenSize,
    intermediateSize: json.integer('intermediate_size', defaults.intermediateSize),
    numLayers,
    attention: {
      numHeads,
      numKvHeads,
      headDim,
      bias: defaults.bias || hasLlamaBias(json, defaults, 'attention_bias'),
      outputBias: hasLlamaBias(json, defaults, 'attention_bias'),
      slidingWindow: window.size,
    },
    ...(window.fullLayers.length > 0 && { fullLayers: window.fullLayers }),
    mlpBias: hasLlamaBias(json, defaults, 'mlp_bias'),
    vocabSize: json.integer('vocab_size', defaults.vocabSize),
    epsilon: json.number('rms_norm_eps', 1e-6, 0),
    rope: parseRope(json),
    tieEmbeddings: json.boolean('tie_word_embeddings', false) || isTied,
    maxPositions: json.integer('max_position_embeddings', defaults.maxPositions),
  }
}

/** The width of a head where the config does not say it. */
function evenShare(json: JsonReader, hiddenSize: number, numHeads: number): number {
  if (json.has('head_dim') || hiddenSize % numHeads === 0) return hiddenSize / numHeads
  throw new ConfigError(
    'CONFIG_HEADS',
    `${json.path}: hidden_size ${hiddenSize} is not a multiple of num_attention_heads ${numHeads}, and no head_dim is there; correct one of them.`,
  )
}

function checkHeads(
  json: JsonReader,
  { numHeads, numKvHeads, headDim }: { numHeads: number; numKvHeads: number; headDim: number },
): void {
  if (numHeads % numKvHeads !== 0) {
    throw new ConfigError(
      'CONFIG_HEADS',
      `${json.path}: num_attention_heads ${numHeads} is not a multiple of num_key_value_heads ${numKvHeads}; correct one of them.`,
    )
  }
  if (headDim % 2 !== 0) {
    throw new ConfigError(
      'CONFIG_HEADS',
      `${json.path}: head_dim ${headDim} is odd, and rotary positions need pairs; correct it, or hidden_size and num_attention_heads that it follows from.`,
    )
  }
}

/** Llama alone has these switches; Mistral and Qwen2 are as their defaults say, whatever stands there. */
function hasLlamaBias(
  json: JsonReader,
  { kind }: Defaults,
  key: 'attention_bias' | 'mlp_bias',
): boolean {
  return json.boolean(key, false) && kind === 'llama'
}

/** How far back layers see, null for all positions, and those layers that see all of them although others do not. */
type Window = { readonly size: number | null; readonly fullLayers: readonly number[] }

const NO_WINDOW: Window = { size: null, fullLayers: [] }

/** Qwen2 has a window only if it says so, and then in the layers of `layer_types` or from `max_window_layers` on. */
function slidingWindow(json: JsonReader, defaults: Defaults, numLayers: number): Window {
  const isNull = !json.has('sliding_window') && json.states('sliding_window')
  if (defaults.kind === 'llama' || isNull) return NO_WINDOW
  if (defaults.kind === 'mistral') {
    return {
      ...NO_WINDOW,
      size: json.integer('sliding_window', defaults.slidingWindow ?? undefined),
    }
  }
  if (!json.boolean('use_sliding_window', false)) return NO_WINDOW
  const isFull = json.has('layer_types')
    ? layerTypes(json, numLayers).map((type) => type === 'full_attention')
    : Array.from({ length: numLayers }, (_, i) => i < json.integer('max_window_layers', 28, 0))
  const fullLayers = [...isFull.keys()].filter((i) => isFull[i])
  if (fullLayers.length === numLayers) return NO_WINDOW
  return { size: json.integer('sliding_window', 4096), fullLayers }
}

const LAYER_TYPES: readonly unknown[] = ['full_attention', 'sliding_attention']

function layerTypes(json: JsonReader, numLayers: number): readonly unknown[] {
  const types = json.raw('layer_types')
  const isUsable = Array.isArray(types) && types.every((type) => LAYER_TYPES.includes(type))
  if (isUsable && types.length === numLayers) return types
  throw new ConfigError(
    'CONFIG_TYPE',
    `${json.path}.layer_types: expected ${numLayers} of ${LAYER_TYPES.join(' or ')}, one a layer, ${describeValue(types)} came; correct the config.`,
  )
}

/** The longest sequence: positions as the model was trained with, stretched by its factor. */
export function scaledPositions({ maxPositions, rope }: DecoderConfig): number {
  return Math.floor(maxPositions * rope.factor)
}

/** `rope_theta` and `rope_scaling` (transformers 4) or `rope_parameters` (5). */
function parseRope(json: JsonReader): RopeConfig {
  const parameters = json.object('rope_parameters')
  const scaling = json.has('rope_scaling') ? json.object('rope_scaling') : parameters
  const theta = parameters.has('rope_theta')
    ? parameters.number('rope_theta', undefined, 1)
    : json.number('rope_theta', 10000, 1)
  const kind = scaling.string('rope_type', scaling.string('type', 'default'))
  if (kind === 'default') return { theta, factor: 1 }
  if (kind === 'linear') return { theta, factor: scaling.number('factor', undefined, 1) }
  if (kind === 'llama3') return { theta, factor: 1, bands: parseBands(scaling) }
  throw new ConfigError(
    'CONFIG_UNSUPPORTED',
    `${scaling.path}: rope type "${kind}" is not supported; known are default, linear, llama3; take a checkpoint with one of these.`,
  )
}

function parseBands(scaling: JsonReader): RopeBands {
  const low = scaling.number('low_freq_factor', undefined, 0)
  const high = scaling.number('high_freq_factor', undefined, 0)
  if (low <= 0 || high <= low) {
    throw new ConfigError(
      'CONFIG_ROPE',
      `${scaling.path}: expected high_freq_factor above low_freq_factor above 0, ${high} and ${low} came; correct the config.`,
    )
  }
  const context = scaling.integer('original_max_position_embeddings')
  return { factor: scaling.number('factor', undefined, 1), low, high, context }
}
