/** An image processor as a preprocessor_config.json, every step written out. */
import { ConfigError } from '../../core/errors.ts'
import type { ImageProcessor } from '../../preprocess/image-processor.ts'
import type { ResampleFilter } from '../../preprocess/resample-kernel.ts'
import type { VisionConfig } from '../../vision/vision-transformer.ts'

/** Pillow's numbers. */
const FILTERS: { readonly [F in ResampleFilter]: number } = {
  nearest: 0,
  lanczos: 1,
  bilinear: 2,
  bicubic: 3,
  box: 4,
  hamming: 5,
}

/** Throws ConfigError for a processor that no class of transformers works as. */
export function processorFile(
  processor: ImageProcessor,
  kind: VisionConfig['kind'],
): Record<string, unknown> {
  const { tile, pad, resize, crop, rescale, normalise, filter } = processor
  const square = { height: tile.height, width: tile.width }
  const shared = {
    do_convert_rgb: true,
    resample: FILTERS[filter],
    do_rescale: rescale !== null,
    rescale_factor: rescale ?? 1 / 255,
    do_normalize: normalise !== null,
    image_mean: normalise?.mean ?? [0, 0, 0],
    image_std: normalise?.std ?? [1, 1, 1],
    do_resize: resize.kind !== 'none',
    processor_class: 'LlavaProcessor',
  }
  if (pad !== null) {
    // On a square, shortest edge and crop come to the tile itself; the class knows no other way to say so.
    const cropped = { size: { shortest_edge: tile.width }, crop_size: square, do_center_crop: true }
    return { ...shared, ...cropped, do_pad: true, image_processor_type: 'LlavaImageProcessor' }
  }
  if (resize.kind === 'shortestEdge' && crop !== null) {
    const size = { shortest_edge: resize.edge }
    const cropped = { size, crop_size: square, do_center_crop: true }
    return { ...shared, ...cropped, image_processor_type: 'CLIPImageProcessor' }
  }
  if (resize.kind === 'exact' && crop === null) {
    const type = kind === 'siglip' ? 'SiglipImageProcessor' : 'ViTImageProcessor'
    return { ...shared, size: square, image_processor_type: type }
  }
  throw new ConfigError(
    'CONFIG_CONVERT',
    `convert: pictures are prepared in a way (${resize.kind}${crop ? ', cropped' : ''}) that no image processor of transformers has.`,
  )
}
