/**
 * The language model of an original checkpoint, with what the repositories' classes and the transformers they are
 * pinned to make of its config.
 *
 * Sources: LLaVA at c121f04 and LLaVA-NeXT at df17966, `llava/model/language_model/llava_{mistral,qwen}.py`; transformers
 * 4.37.2 `modeling_mistral.py`, `MistralModel.forward`; 4.40.2 `modeling_attn_mask_utils.py`, `_make_causal_mask`.
 */
import type { DecoderConfig } from '../decoder/decoder.ts'
import { parseDecoderConfig } from './decoder-config.ts'
import type { JsonReader } from './json-reader.ts'

/** Reads the top level of an original config.json. */
export function parseOriginalDecoder(json: JsonReader): DecoderConfig {
  const decoder = parseDecoderConfig(json)
  if (decoder.kind === 'llama') return decoder
  // Only the Llama class obeys rope_scaling: the others set it to null or have never heard of it.
  const unscaled = { ...decoder, rope: { theta: decoder.rope.theta, factor: 1 } }
  return decoder.kind === 'qwen2' ? withWindow(unscaled, json) : ownWindow(unscaled, json)
}

/**
 * LLaVA's Mistral attends by torch's own function, whose mask is made without the window of the config. Models that were
 * converted from transformers had one: it stands in `attention_window`, a key of ours.
 */
function ownWindow(decoder: DecoderConfig, json: JsonReader): DecoderConfig {
  const slidingWindow = json.has('attention_window') ? json.integer('attention_window') : null
  return { ...decoder, attention: { ...decoder.attention, slidingWindow } }
}

/**
 * Qwen2's masks of that version take `sliding_window` whatever `use_sliding_window` says, in every layer, and leave one
 * position more than it in sight. In released checkpoints it is as long as the context, where it changes nothing.
 */
function withWindow(parsed: DecoderConfig, json: JsonReader): DecoderConfig {
  const { fullLayers: _, ...rest } = parsed
  const decoder = { ...rest, attention: { ...rest.attention, slidingWindow: null } }
  if (json.states('sliding_window') && !json.has('sliding_window')) return decoder
  const slidingWindow = json.integer('sliding_window', 4096) + 1
  if (slidingWindow > decoder.maxPositions) return decoder
  return { ...decoder, attention: { ...decoder.attention, slidingWindow } }
}
