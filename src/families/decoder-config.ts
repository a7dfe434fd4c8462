/**
 * The language model's part of a config file. Hub files leave out what equals the default of the class, and the
 * classes' defaults differ: they are the table below.
 *
 * Source: transformers 5.23, `LlamaConfig`, `MistralConfig`, `Qwen2Config`.
 */
import { ConfigError } from '../core/errors.ts'
import type { DecoderConfig } from '../decoder/decoder.ts'
import type { RopeConfig } from '../layers/rotary.ts'
import type { JsonReader } from './json-reader.ts'

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

/** Reads `text_config`, or the top level of an original or plain text checkpoint. */
export function parseDecoderConfig(json: JsonReader, tieDefault = false): DecoderConfig {
  const defaults = json.choice('model_type', DECODERS, 'llama')
  const hiddenSize = json.integer('hidden_size', 4096)
  const numHeads = json.integer('num_attention_heads', 32)
  const headDim = json.integer('head_dim', hiddenSize / numHeads)
  const numKvHeads = json.integer('num_key_value_heads', defaults.numKvHeads ?? numHeads)
  json.choice('hidden_act', { silu: true }, 'silu')
  checkHeads(json, { numHeads, numKvHeads, headDim })
  const numLayers = json.layerCount('num_hidden_layers', 32)
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
      slidingWindow: slidingWindow(json, defaults, numLayers),
    },
    mlpBias: hasLlamaBias(json, defaults, 'mlp_bias'),
    vocabSize: json.integer('vocab_size', defaults.vocabSize),
    epsilon: json.number('rms_norm_eps', 1e-6, 0),
    rope: parseRope(json),
    tieEmbeddings: json.boolean('tie_word_embeddings', tieDefault),
    maxPositions: json.integer('max_position_embeddings', defaults.maxPositions),
  }
}

function checkHeads(
  json: JsonReader,
  { numHeads, numKvHeads, headDim }: { numHeads: number; numKvHeads: number; headDim: number },
): void {
  if (numHeads % numKvHeads !== 0) {
    throw new ConfigError(
      'CONFIG_HEADS',
      `${json.path}: num_attention_heads ${numHeads} is not a multiple of num_key_value_heads ${numKvHeads}.`,
    )
  }
  if (headDim % 2 !== 0) {
    throw new ConfigError(
      'CONFIG_HEADS',
      `${json.path}: head_dim ${headDim} is odd; rotary positions need pairs.`,
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

/** Qwen2 has a window only if it says so, and then only from layer `max_window_layers` on. */
function slidingWindow(json: JsonReader, defaults: Defaults, numLayers: number): number | null {
  if (defaults.kind === 'llama') return null
  if (defaults.kind === 'qwen2') {
    if (!json.boolean('use_sliding_window', false)) return null
    const first = json.integer('max_window_layers', 28, 0)
    if (first >= numLayers) return null
    if (first > 0) {
      throw new ConfigError(
        'CONFIG_UNSUPPORTED',
        `${json.path}.max_window_layers: ${first} gives some of ${numLayers} layers a sliding window and not others, which is not supported.`,
      )
    }
    return json.integer('sliding_window', 4096)
  }
  const isNull = json.raw('sliding_window') === undefined && json.states('sliding_window')
  return isNull ? null : json.integer('sliding_window', defaults.slidingWindow ?? undefined)
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
  throw new ConfigError(
    'CONFIG_UNSUPPORTED',
    `${scaling.path}: rope type "${kind}" is not supported; known are default, linear.`,
  )
}
