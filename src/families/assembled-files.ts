/** Config, processor, tokenizer and template of a new model, from those of its language model and of its tower. */
import { ConfigError } from '../core/errors.ts'
import { withFit, type ImageProcessor, type Rgb } from '../preprocess/image-processor.ts'
import { HALF } from '../preprocess/parse-image-processor.ts'
import { ggufTokenizerFiles } from '../text/gguf-tokenizer-files.ts'
import type { VisionConfig } from '../vision/vision-transformer.ts'
import { fromTheEnd, visionFields } from './convert/config-fields.ts'
import { processorFile } from './convert/processor-file.ts'
import { IMAGE_TOKEN } from './convert/tokenizer-files.ts'
import { jsonBytes } from './convert/written-json.ts'
import type { CheckpointDocuments } from './family.ts'
import { isObject } from './json-reader.ts'

export type AssembledParts = {
  readonly decoder: CheckpointDocuments & { readonly metadata: ReadonlyMap<string, unknown> }
  readonly tower: ReadonlyMap<string, unknown>
  readonly vision: VisionConfig
  /** The special token that becomes `<image>`. */
  readonly imageToken: string
}

export type AssembledFiles = {
  readonly processor: ImageProcessor
  readonly files: ReadonlyMap<string, Uint8Array>
}

/** Throws ConfigError for a language model whose template or token is not what a picture needs. */
export function assembledFiles({
  decoder,
  tower,
  vision,
  imageToken,
}: AssembledParts): AssembledFiles {
  const text = decoder.files.get('config.json') as Record<string, unknown>
  const { tokenizer, config } = ggufTokenizerFiles(
    decoder.metadata,
    new Map([[imageToken, IMAGE_TOKEN]]),
  )
  const image = (tokenizer as { model: { vocab: Record<string, number> } }).model.vocab[IMAGE_TOKEN]
  const processor = paddedProcessor(vision, tower.get('config.json'))
  const tokens = {
    bos_token_id: text['bos_token_id'],
    eos_token_id: text['eos_token_id'],
    pad_token_id: decoder.metadata.get('tokenizer.ggml.padding_token_id'),
  }
  const model = {
    architectures: ['LlavaForConditionalGeneration'],
    model_type: 'llava',
    ignore_index: -100,
    image_token_index: image,
    image_seq_length: (vision.imageSize / vision.patchSize / vision.patchMerge) ** 2,
    projector_hidden_act: 'gelu',
    multimodal_projector_bias: true,
    vision_feature_layer: fromTheEnd(vision.featureLayers[0] as number, vision.numLayers),
    vision_feature_select_strategy: vision.dropFirstRow ? 'default' : 'full',
    ...(vision.isStandardised && { vision_feature_scale: true }),
    ...(vision.patchMerge > 1 && { projector_patch_merge: vision.patchMerge }),
    tie_word_embeddings: text['tie_word_embeddings'],
    torch_dtype: 'float32',
    text_config: { ...text, ...tokens },
    vision_config: visionFields(vision, vision.numLayers),
  }
  const files = new Map<string, Uint8Array>([
    ['config.json', jsonBytes(model)],
    ['generation_config.json', jsonBytes(tokens)],
    ['preprocessor_config.json', jsonBytes(processorFile(processor, vision.kind))],
    ['processor_config.json', jsonBytes(processorConfig(vision))],
    ['chat_template.json', jsonBytes({ chat_template: templateOf(decoder) })],
    ['tokenizer.json', new TextEncoder().encode(JSON.stringify(tokenizer))],
    [
      'tokenizer_config.json',
      jsonBytes({ ...config, extra_special_tokens: { image_token: IMAGE_TOKEN } }),
    ],
  ])
  return { processor, files }
}

function processorConfig({ patchSize, dropFirstRow, hasClassToken }: VisionConfig): object {
  return {
    processor_class: 'LlavaProcessor',
    image_token: IMAGE_TOKEN,
    patch_size: patchSize,
    vision_feature_select_strategy: dropFirstRow ? 'default' : 'full',
    num_additional_image_tokens: hasClassToken ? 1 : 0,
  }
}

/** Nothing of a picture is cut off: it is padded to a square in the mean's colour and scaled to the tile. */
function paddedProcessor({ imageSize }: VisionConfig, config: unknown): ImageProcessor {
  const colour = (key: string): Rgb => {
    const value = isObject(config) ? config[key] : undefined
    return Array.isArray(value) && value.length === 3 ? (value as unknown as Rgb) : HALF
  }
  const tile = { width: imageSize, height: imageSize }
  const squashed: ImageProcessor = {
    tile,
    pad: null,
    resize: { kind: 'exact', size: tile },
    crop: null,
    filter: 'bicubic',
    order: 'pillow12',
    rescale: 1 / 255,
    normalise: { mean: colour('image_mean'), std: colour('image_std') },
    tiling: { kind: 'none' },
    severalPictures: 'each',
  }
  return withFit(squashed, 'pad')
}

/**
 * ChatML as the language model knows it, its default system message only where there is no picture: answers to text alone
 * stay what they were, and a question about a picture does not spend twenty tokens on it.
 *
 * Throws ConfigError for a template that is not ChatML.
 */
function templateOf({ files, name }: CheckpointDocuments): string {
  const own = files.get('chat_template.jinja')
  if (typeof own !== 'string' || !own.includes('<|im_start|>')) {
    throw new ConfigError(
      'CONFIG_TEMPLATE_MISSING',
      `${name}: expected a chat template in ChatML, ${typeof own === 'string' ? 'another one' : 'none'} came; take a language model that follows it.`,
    )
  }
  const system = /'(<\|im_start\|>system\n[^']*<\|im_end\|>\n)'/.exec(own)?.[1] ?? ''
  const spelt = JSON.stringify(system).slice(1, -1).replaceAll("'", "\\'")
  return [
    '{%- set seen = namespace(pictures=0) -%}',
    "{%- for message in messages -%}{%- if message['content'] is not string -%}",
    "{%- for part in message['content'] -%}{%- if part['type'] == 'image' -%}",
    '{%- set seen.pictures = seen.pictures + 1 -%}',
    '{%- endif -%}{%- endfor -%}{%- endif -%}{%- endfor -%}',
    `{%- if seen.pictures == 0 and messages[0]['role'] != 'system' -%}{{- '${spelt}' -}}{%- endif -%}`,
    '{%- for message in messages -%}',
    "{{- '<|im_start|>' + message['role'] + '\\n' -}}",
    '{%- set text = namespace(value="") -%}',
    "{%- if message['content'] is string -%}{%- set text.value = message['content'] -%}{%- else -%}",
    "{%- for part in message['content'] -%}{%- if part['type'] == 'image' -%}{{- '<image>\\n' -}}{%- endif -%}{%- endfor -%}",
    "{%- for part in message['content'] -%}{%- if part['type'] == 'text' -%}{%- set text.value = text.value + part['text'] -%}{%- endif -%}{%- endfor -%}",
    '{%- endif -%}',
    "{%- if message['role'] == 'assistant' -%}{%- generation -%}{{- text.value + '<|im_end|>' -}}{%- endgeneration -%}{{- '\\n' -}}",
    "{%- else -%}{{- text.value + '<|im_end|>\\n' -}}{%- endif -%}",
    '{%- endfor -%}',
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}",
  ].join('')
}
