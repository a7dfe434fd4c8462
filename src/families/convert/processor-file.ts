/** An image processor as a preprocessor_config.json, every step written out. */
import { ConfigError } from '../../core/errors.ts'
import type { ImageProcessor } from '../../preprocess/image-processor.ts'
import type { ResampleFilter } from '../../preprocess/resample-kernel.ts'
import type { VisionConfig } from '../../vision/vision-transformer.ts'
import type { VideoConfig } from '../family.ts'
import { baseTileField, isAnyres, pinpointPairs, type HfClass } from './hf-class.ts'

/** Pillow's numbers. */
const FILTERS: { readonly [F in ResampleFilter]: number } = {
  nearest: 0,
  lanczos: 1,
  bilinear: 2,
  bicubic: 3,
  box: 4,
  hamming: 5,
}

type Classes = Pick<HfClass, 'processorClass' | 'imageProcessor'>

const PLAIN: Classes = { processorClass: 'LlavaProcessor', imageProcessor: null }

/** Throws ConfigError for a processor that no class of transformers works as. */
export function processorFile(
  processor: ImageProcessor,
  kind: VisionConfig['kind'],
  classes: Classes = PLAIN,
): Record<string, unknown> {
  const { tiling } = processor
  const shared = sharedFields(processor, classes)
  return isAnyres(tiling)
    ? { ...shared, ...tileFields(processor, classes), image_grid_pinpoints: pinpointPairs(tiling) }
    : { ...shared, ...fitFields(processor, kind) }
}

/** What prepares frames and how many. Where the class has no processor for them, this file is read by us alone. */
export function videoProcessorFile(
  { processor, frames }: Pick<VideoConfig, 'processor' | 'frames'>,
  kind: VisionConfig['kind'],
  { processorClass, videoProcessor }: Pick<HfClass, 'processorClass' | 'videoProcessor'>,
): Record<string, unknown> {
  const { image_processor_type: _, ...steps } = fitFields(processor, kind)
  const shared = sharedFields(processor, { processorClass })
  const type = videoProcessor === null ? {} : { video_processor_type: videoProcessor }
  // Classes for clips crop unless a file says otherwise.
  const sampled = {
    do_sample_frames: frames !== null,
    ...(frames !== null && { num_frames: frames }),
  }
  return { ...shared, do_center_crop: false, ...steps, ...sampled, ...type }
}

function sharedFields(
  { resize, rescale, normalise, filter }: ImageProcessor,
  { processorClass }: Pick<Classes, 'processorClass'>,
): Record<string, unknown> {
  return {
    do_convert_rgb: true,
    resample: FILTERS[filter],
    do_rescale: rescale !== null,
    rescale_factor: rescale ?? 1 / 255,
    do_normalize: normalise !== null,
    image_mean: normalise?.mean ?? [0, 0, 0],
    image_std: normalise?.std ?? [1, 1, 1],
    do_resize: resize.kind !== 'none',
    processor_class: processorClass,
  }
}

/** Tiles are of their size already: the steps say which, and resize them once more only where `resize` names another. */
function tileFields(
  { tile, crop, resize, tiling }: ImageProcessor,
  { imageProcessor }: Classes,
): Record<string, unknown> {
  const square = { height: tile.height, width: tile.width }
  const type = { do_pad: true, image_processor_type: imageProcessor, ...baseTileField(tiling) }
  // OneVision's class has no crop.
  if (crop === null || imageProcessor === 'LlavaOnevisionImageProcessor') {
    return { ...type, size: square, crop_size: square, do_center_crop: false }
  }
  const edge = resize.kind === 'shortestEdge' ? resize.edge : tile.width
  const size = resize.kind === 'exact' ? resize.size : { shortest_edge: edge }
  return { ...type, size, crop_size: square, do_center_crop: true }
}

function fitFields(
  { tile, pad, resize, crop }: ImageProcessor,
  kind: VisionConfig['kind'],
): Record<string, unknown> {
  const square = { height: tile.height, width: tile.width }
  if (pad !== null) {
    // On a square, shortest edge and crop come to the tile itself; the class knows no other way to say so.
    const cropped = { size: { shortest_edge: tile.width }, crop_size: square, do_center_crop: true }
    return { ...cropped, do_pad: true, image_processor_type: 'LlavaImageProcessor' }
  }
  if (resize.kind === 'shortestEdge' && crop !== null) {
    const size = { shortest_edge: resize.edge }
    const cropped = { size, crop_size: square, do_center_crop: true }
    return { ...cropped, image_processor_type: 'CLIPImageProcessor' }
  }
  if (resize.kind === 'exact' && crop === null) {
    const type = kind === 'siglip' ? 'SiglipImageProcessor' : 'ViTImageProcessor'
    return { size: square, image_processor_type: type }
  }
  throw new ConfigError(
    'CONFIG_CONVERT',
    `convert: pictures are prepared in a way (${resize.kind}${crop ? ', cropped' : ''}) that no image processor of transformers has.`,
  )
}
