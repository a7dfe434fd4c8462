/** Language models without eyes: Llama, Mistral and Qwen2 checkpoints as they are, for text and as bases. */
import { endTokens, templateOf } from './checkpoint-text.ts'
import { isKnownDecoder, parseDecoderConfig, scaledPositions } from './decoder-config.ts'
import { TOKENISED, type Family } from './family.ts'
import { JsonReader } from './json-reader.ts'
import { DECODER_NAMES } from './parameter-names.ts'

export const textOnly: Family = {
  name: 'text',
  matches: (config) =>
    isKnownDecoder(config['model_type']) &&
    !('mm_vision_tower' in config) &&
    !('vision_config' in config),
  parseConfig: (documents, options) => {
    const json = new JsonReader('config.json', documents.files.get('config.json'))
    const decoder = parseDecoderConfig(json)
    const layout = options.layout ?? 'hf'
    return {
      family: 'text',
      layout,
      vision: null,
      projector: null,
      decoder,
      image: null,
      video: null,
      truncate: options.quirks?.truncate ?? 'refuse',
      tokenise: options.quirks?.tokenise ?? TOKENISED[layout],
      prompt: templateOf(documents, options, 'tokenizer') ?? { kind: 'none' },
      endTokens: endTokens(documents, json),
      maxContext: scaledPositions(decoder),
    }
  },
  parameterNames: DECODER_NAMES,
}
