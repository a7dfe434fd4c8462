/** A plain LLaVA checkpoint in the layout of `llava-hf`: what transformers' LlavaForConditionalGeneration reads. */
import { ConfigError } from '../../core/errors.ts'
import { conversationTemplate, pieceGap } from './conversation-template.ts'
import {
  activationName,
  decoderFields,
  fromTheEnd,
  tokenFields,
  visionFields,
  type TokenIds,
} from './config-fields.ts'
import { copied, decoderTensors, storedLayers, usualDType, visionTensors } from './plan-tensors.ts'
import { processorFile } from './processor-file.ts'
import { hfProjector } from './projector-tensors.ts'
import type { Target, TargetInput } from './target.ts'
import { llavaHfName } from './target-names.ts'
import { IMAGE_TOKEN, imageTokenId, withImageToken } from './tokenizer-files.ts'
import { jsonBytes } from './written-json.ts'

/** Throws ConfigError for what the layout has no form for. */
export function llavaHfTarget(input: TargetInput): Target {
  const { config, stored, tokenizer, tokenizerFiles, dtype } = input
  const { vision, projector, decoder } = config
  const numLayers = Math.min(storedLayers(stored), vision.numLayers)
  const image = imageTokenId(tokenizer)
  const vocabSize = Math.max(decoder.vocabSize, image + 1)
  const name = (path: string) => llavaHfName(path, vision.kind)
  const parts = { stored, dtype, name }
  const tensors = [
    ...visionTensors(vision, numLayers, parts),
    ...(vision.isStandardised ? STANDARDISING.map((path) => copied(path, parts)) : []),
    ...hfProjector(projector, parts),
    ...decoderTensors(decoder, vocabSize, parts),
  ]
  const written = {
    image,
    vocabSize,
    numLayers,
    dtype: usualDType(tensors),
    tokens: tokenIds(input),
  }
  const files = new Map([
    ...withImageToken(tokenizerFiles, tokenizer, image),
    ['config.json', jsonBytes(modelConfig(input, written))],
    ['generation_config.json', jsonBytes(generationConfig(input, written.tokens))],
    ['preprocessor_config.json', jsonBytes(processorFile(config.image.processor, vision.kind))],
    ['processor_config.json', jsonBytes(processorConfig(input))],
    ['chat_template.json', jsonBytes({ chat_template: chatTemplate(input) })],
  ] as [string, Uint8Array][])
  return { folders: [{ folder: '', files, tensors }], notices: notices(input) }
}

const STANDARDISING = ['standardise.weight', 'standardise.bias']

type Written = {
  readonly image: number
  readonly vocabSize: number
  readonly numLayers: number
  readonly dtype: ReturnType<typeof usualDType>
  readonly tokens: TokenIds
}

function modelConfig({ config, documents }: TargetInput, written: Written): unknown {
  const { vision, projector, decoder } = config
  const { vocabSize, tokens, dtype, numLayers } = written
  const layers = vision.featureLayers.map((layer) => fromTheEnd(layer, numLayers))
  return {
    architectures: ['LlavaForConditionalGeneration'],
    model_type: 'llava',
    ignore_index: -100,
    image_token_index: written.image,
    image_seq_length: tokensOfPicture(config),
    projector_hidden_act: projector.depth === 1 ? 'linear' : activationName(projector.activation),
    multimodal_projector_bias: projector.bias,
    vision_feature_layer: layers.length === 1 ? layers[0] : layers,
    vision_feature_select_strategy: vision.dropFirstRow ? 'default' : 'full',
    tie_word_embeddings: decoder.tieEmbeddings,
    ...(tokens.pad !== undefined && { pad_token_id: tokens.pad }),
    torch_dtype: dtype,
    text_config: {
      model_type: decoder.kind,
      ...decoderFields(decoder, { vocabSize, tokens, dtype }),
    },
    vision_config: visionFields(vision, numLayers),
    ...(vision.isStandardised && { vision_feature_scale: true }),
    ...(vision.patchMerge > 1 && { projector_patch_merge: vision.patchMerge }),
    ...lengthLimit(documents.files.get('config.json')),
  }
}

function tokensOfPicture({ image, vision }: TargetInput['config']): number {
  const rows = image.tokens.patchesPerSide ** 2
  return rows + (vision.hasClassToken && !vision.dropFirstRow ? 1 : 0)
}

/** The original's limit on a prompt, which transformers has no key for and keeps. */
function lengthLimit(json: unknown): object {
  const limit = (json as Record<string, unknown> | undefined)?.['tokenizer_model_max_length']
  return typeof limit === 'number' ? { tokenizer_model_max_length: limit } : {}
}

function processorConfig({ config }: TargetInput): unknown {
  const { vision } = config
  return {
    processor_class: 'LlavaProcessor',
    image_token: IMAGE_TOKEN,
    patch_size: vision.patchSize,
    vision_feature_select_strategy: vision.dropFirstRow ? 'default' : 'full',
    num_additional_image_tokens: vision.hasClassToken ? 1 : 0,
  }
}

/** Ids with a role, from the checkpoint where it names them, else the tokenizer's. */
export function tokenIds({ config, tokenizer }: TargetInput): TokenIds {
  const { bosId, eosId, padId } = tokenizer
  const eos = config.endTokens.length > 0 ? config.endTokens : eosId === undefined ? [] : [eosId]
  return { bos: bosId, eos, pad: padId }
}

export function generationConfig({ documents }: TargetInput, tokens: TokenIds): unknown {
  const known = documents.files.get('generation_config.json') as object | undefined
  return { ...known, ...tokenFields(tokens) }
}

function chatTemplate({ config, tokenizer }: TargetInput): string {
  const { prompt } = config
  if (prompt.kind === 'template') return prompt.template
  if (prompt.kind === 'conversation') {
    const gap = pieceGap(tokenizer) ?? ''
    return conversationTemplate(prompt.mode, { wrapImage: prompt.wrapImage, gap })
  }
  throw new ConfigError(
    'CONFIG_TEMPLATE_MISSING',
    'convert: the checkpoint has no chat template; give one as template.',
  )
}

/** Where the two ways to tokenise around a picture cannot be made to agree. */
function notices({ config, tokenizer }: TargetInput): string[] {
  const { patchMerge, isStandardised } = config.vision
  const own = [
    ...(patchMerge > 1 ? [`merges ${patchMerge} × ${patchMerge} patches into one row`] : []),
    ...(isStandardised ? ["standardises the tower's channels"] : []),
  ]
  return [
    ...(own.length > 0
      ? [
          `The model ${own.join(' and ')} before the projector, which transformers' llava has no form for: this folder is read by llava-ts alone.`,
        ]
      : []),
    ...(config.prompt.kind !== 'conversation' || pieceGap(tokenizer) !== null
      ? []
      : [
          'The tokenizer reads the text after a picture in another way than the original, which tokenises it alone: prompts may differ by a token there.',
        ]),
  ]
}
