/**
 * LLaVA-1.5-HD, 1.6 and NeXT with any language model, Interleave and OneVision: pictures cut into tiles, their maps
 * unpadded, each row ended by a learned newline.
 *
 * Sources: arXiv:2310.03744 appendix A (HD); the LLaVA-NeXT posts of 2024; arXiv:2408.03326 (OneVision); LLaVA-NeXT at
 * df17966 `llava/model/llava_arch.py`; transformers 5.23 `models/llava_next`, `models/llava_onevision`.
 */
import type { ImageProcessor } from '../preprocess/image-processor.ts'
import { parsePatchMerge, type PatchMerge } from '../preprocess/image-tokens.ts'
import { parseSeveralPictures } from '../preprocess/parse-image-processor.ts'
import type { VisionConfig } from '../vision/vision-transformer.ts'
import { IMAGE_TOKEN_INDEX } from '../text/tokenize-prompt.ts'
import type { CheckpointDocuments, Family, FamilyOptions, ModelConfig } from './family.ts'
import { hfFrames, hfProcessor, parseHfParts, tokenId } from './hf-parts.ts'
import { imageConfig } from './image-config.ts'
import { JsonReader } from './json-reader.ts'
import { isOriginalConfig, parseOriginalParts } from './original-parts.ts'
import { DECODER_NAMES, NEWLINE_NAMES, PROJECTOR_NAMES, VISION_NAMES } from './parameter-names.ts'
import { originalHabits, videoConfig, zeroShotPooling, type VideoHabits } from './video-config.ts'

export const next: Family = {
  name: 'next',
  matches: (config) =>
    isOriginalConfig(config) || Object.hasOwn(HF_CLASSES, String(config['model_type'])),
  parseConfig: (documents, options) => {
    const json = new JsonReader('config.json', documents.files.get('config.json'))
    if (json.has('mm_vision_tower')) return parseOriginal(json, documents, options)
    const hfClass = json.choice('model_type', HF_CLASSES)
    return { family: 'next', ...parseNextHf(json, documents, { options, hfClass }) }
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

/** In what transformers' classes of this line differ. */
export type NextHfClass = {
  readonly aspectRatio: string
  /** OneVision pads each of several pictures to one tile; NeXT cuts each up as if it were alone. */
  readonly severalPictures: 'each' | 'single'
  /** The id of clips where a config does not say it; null: they stand in places of pictures. */
  readonly videoToken: number | null
  readonly habits: (json: JsonReader, vision: VisionConfig) => VideoHabits
}

const HF_CLASSES: Readonly<Record<string, NextHfClass>> = {
  llava_next: {
    aspectRatio: 'anyres',
    severalPictures: 'each',
    videoToken: null,
    // transformers takes no clips here: the original's habits of a model that was never shown one.
    habits: (_, vision) => ({
      pooling: zeroShotPooling(vision),
      poolPlace: 'after',
      newline: 'end',
      isTrained: false,
    }),
  },
  llava_onevision: {
    aspectRatio: 'anyres_max_9',
    severalPictures: 'single',
    videoToken: 151647,
    habits: () => ({
      pooling: { mode: 'bilinear', stride: 2 },
      poolPlace: 'after',
      newline: 'end',
      isTrained: true,
    }),
  },
}

/** Everything of a config but the family's name. */
export function parseNextHf(
  json: JsonReader,
  documents: CheckpointDocuments,
  { options, hfClass }: { readonly options: FamilyOptions; readonly hfClass: NextHfClass },
): Omit<ModelConfig, 'family'> {
  const { placeholder, ...parts } = parseHfParts(json, documents, options)
  const { quirks = {} } = options
  const anyres = quirks.anyres ?? parts.layout
  const processor = hfProcessor(documents, options, {
    layout: anyres,
    aspectRatio: json.string('vision_aspect_ratio', hfClass.aspectRatio),
    severalPictures: quirks.severalPictures ?? severalOf(json) ?? hfClass.severalPictures,
  })
  const isOriginal = parts.layout === 'original'
  const { videoToken } = hfClass
  const habits = hfClass.habits(json, parts.vision)
  const video = videoConfig(
    isOriginal ? { ...habits, poolPlace: 'after', newline: 'end' } : habits,
    {
      vision: parts.vision,
      ...hfFrames(documents, options, processor),
      placeholder:
        isOriginal || videoToken === null ? placeholder : tokenId(json, 'video', videoToken),
    },
    quirks,
  )
  const image = imageConfig(processor, {
    ...parts,
    placeholder,
    merge: SPATIAL_UNPAD,
    rounding: anyres,
    video,
  })
  return { ...parts, image, video }
}

function parseOriginal(
  json: JsonReader,
  documents: CheckpointDocuments,
  options: FamilyOptions,
): ModelConfig {
  const { processor, frameProcessor, ...parts } = parseOriginalParts(json, documents, options)
  const placeholder = IMAGE_TOKEN_INDEX
  const merge = parsePatchMerge(json.string('mm_patch_merge_type', 'flat'))
  const severalPictures =
    options.quirks?.severalPictures ?? severalOf(json) ?? originalSeveral(processor, options)
  const video = videoConfig(
    originalHabits(json, parts.vision, merge),
    { ...parts, processor: frameProcessor, frames: null, placeholder },
    options.quirks,
  )
  const image = imageConfig(
    { ...processor, severalPictures },
    { ...parts, placeholder, merge, rounding: options.quirks?.anyres ?? parts.layout, video },
  )
  return { family: 'next', ...parts, image, video }
}

/**
 * The original's inference gives every picture of a list to `process_images` (`mm_utils.py:314`), which cuts each as if it
 * were alone; its trainer pads each of several to one tile (`train.py:1149`), as transformers' OneVision does.
 */
function originalSeveral(
  { tiling }: ImageProcessor,
  { use = 'serving' }: FamilyOptions,
): ImageProcessor['severalPictures'] {
  return use === 'training' && tiling.kind !== 'none' ? 'single' : 'each'
}

function severalOf(json: JsonReader): ImageProcessor['severalPictures'] | undefined {
  return parseSeveralPictures({ several_pictures: json.raw('several_pictures') })
}
