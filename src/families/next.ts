/**
 * LLaVA-1.5-HD, 1.6 and NeXT with any language model, Interleave and OneVision: pictures cut into tiles, their maps
 * unpadded, each row ended by a learned newline.
 *
 * Sources: arXiv:2310.03744 appendix A (HD); the LLaVA-NeXT posts of 2024; arXiv:2408.03326 (OneVision); LLaVA-NeXT at
 * df17966 `llava/model/llava_arch.py`; transformers 5.23 `models/llava_next`, `models/llava_onevision`.
 */
import { parsePatchMerge, type PatchMerge } from '../preprocess/image-tokens.ts'
import { IMAGE_TOKEN_INDEX } from '../text/tokenize-prompt.ts'
import type { CheckpointDocuments, Family, FamilyOptions, ModelConfig } from './family.ts'
import { hfProcessor, parseHfParts } from './hf-parts.ts'
import { imageConfig } from './image-config.ts'
import { JsonReader } from './json-reader.ts'
import { isOriginalConfig, parseOriginalParts } from './original-parts.ts'
import { DECODER_NAMES, NEWLINE_NAMES, PROJECTOR_NAMES, VISION_NAMES } from './parameter-names.ts'

const HF_TYPES = ['llava_next', 'llava_onevision']

export const next: Family = {
  name: 'next',
  matches: (config) => isOriginalConfig(config) || HF_TYPES.includes(String(config['model_type'])),
  parseConfig: (documents, options) => {
    const json = new JsonReader('config.json', documents.files.get('config.json'))
    return json.has('mm_vision_tower')
      ? parseOriginal(json, documents, options)
      : parseHf(json, documents, options)
  },
  parameterNames: [...NEWLINE_NAMES, ...DECODER_NAMES, ...VISION_NAMES, ...PROJECTOR_NAMES],
}

/** What transformers does, whatever the config says. */
const SPATIAL_UNPAD: PatchMerge = {
  layout: 'spatial',
  unpad: true,
  maxPool: false,
  base: true,
  newline: true,
}

function parseHf(
  json: JsonReader,
  documents: CheckpointDocuments,
  options: FamilyOptions,
): ModelConfig {
  const { placeholder, ...parts } = parseHfParts(json, documents, options)
  const isOnevision = json.string('model_type') === 'llava_onevision'
  const processor = hfProcessor(documents, options, {
    aspectRatio: json.string('vision_aspect_ratio', isOnevision ? 'anyres_max_9' : 'anyres'),
    // OneVision pads each of several pictures to one tile; NeXT cuts each up as if it were alone.
    severalPictures: options.quirks?.severalPictures ?? (isOnevision ? 'single' : 'each'),
  })
  const image = imageConfig(processor, { ...parts, placeholder, merge: SPATIAL_UNPAD })
  return { family: 'next', ...parts, image }
}

function parseOriginal(
  json: JsonReader,
  documents: CheckpointDocuments,
  options: FamilyOptions,
): ModelConfig {
  const { processor, ...parts } = parseOriginalParts(json, documents, options)
  const merge = parsePatchMerge(json.string('mm_patch_merge_type', 'flat'))
  const { severalPictures = processor.severalPictures } = options.quirks ?? {}
  const image = imageConfig(
    { ...processor, severalPictures },
    { ...parts, placeholder: IMAGE_TOKEN_INDEX, merge },
  )
  return { family: 'next', ...parts, image }
}
