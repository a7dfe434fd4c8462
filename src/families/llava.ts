/**
 * LLaVA v1 and 1.5, their llava-hf twins, and every plain `llava` checkpoint: one tile a picture, its patches in order.
 *
 * Sources: arXiv:2304.08485, arXiv:2310.03744; LLaVA at c121f04 `llava/model/llava_arch.py`; transformers 5.23
 * `models/llava`.
 */
import { IMAGE_TOKEN_INDEX } from '../text/tokenize-prompt.ts'
import type { CheckpointDocuments, Family, FamilyOptions, ModelConfig } from './family.ts'
import { hfFrames, hfProcessor, parseHfParts } from './hf-parts.ts'
import { imageConfig } from './image-config.ts'
import { JsonReader } from './json-reader.ts'
import { isOriginalConfig, parseOriginalParts } from './original-parts.ts'
import { DECODER_NAMES, NEWLINE_NAMES, PROJECTOR_NAMES, VISION_NAMES } from './parameter-names.ts'
import { hfHabits, originalHabits, videoConfig, zeroShotPooling } from './video-config.ts'

export const llava: Family = {
  name: 'llava',
  matches: (config) =>
    isOriginalConfig(config) ? hasOneTile(config) : config['model_type'] === 'llava',
  parseConfig: (documents, options) => {
    const json = new JsonReader('config.json', documents.files.get('config.json'))
    return json.has('mm_vision_tower')
      ? parseOriginal(json, documents, options)
      : parseHf(json, documents, options)
  },
  // A model of tiles whose config was made one of whole pictures keeps its newline.
  parameterNames: [...NEWLINE_NAMES, ...DECODER_NAMES, ...VISION_NAMES, ...PROJECTOR_NAMES],
}

const FLAT = { layout: 'flat' } as const

function hasOneTile(config: Readonly<Record<string, unknown>>): boolean {
  const aspect = config['image_aspect_ratio'] ?? 'square'
  const merge = config['mm_patch_merge_type'] ?? 'flat'
  return (aspect === 'pad' || aspect === 'square') && merge === 'flat'
}

function parseHf(
  json: JsonReader,
  documents: CheckpointDocuments,
  options: FamilyOptions,
): ModelConfig {
  const { placeholder, ...parts } = parseHfParts(json, documents, options)
  // In the original layout v1 (a linear projector) crops and 1.5 pads, whatever the processor's file says.
  const originalFit = parts.projector.activation === 'identity' ? 'crop' : 'pad'
  const fit = parts.layout === 'original' ? originalFit : undefined
  const processor = hfProcessor(documents, options, { fit })
  const video = videoConfig(
    hfHabits(json, zeroShotPooling(parts.vision)),
    { ...parts, ...hfFrames(documents, options, processor), placeholder },
    options.quirks,
  )
  const image = imageConfig(processor, {
    ...parts,
    placeholder,
    merge: FLAT,
    rounding: parts.layout,
    video,
  })
  return { family: 'llava', ...parts, image, video }
}

function parseOriginal(
  json: JsonReader,
  documents: CheckpointDocuments,
  options: FamilyOptions,
): ModelConfig {
  const { processor, frameProcessor, ...parts } = parseOriginalParts(json, documents, options)
  const placeholder = IMAGE_TOKEN_INDEX
  const video = videoConfig(
    originalHabits(json, parts.vision, FLAT),
    { ...parts, processor: frameProcessor, frames: null, placeholder },
    options.quirks,
  )
  const image = imageConfig(processor, {
    ...parts,
    placeholder,
    merge: FLAT,
    rounding: parts.layout,
    video,
  })
  return { family: 'llava', ...parts, image, video }
}
