/** Processor and token accounting of a family's pictures, checked against each other. */
import { ConfigError } from '../core/errors.ts'
import type { ImageProcessor } from '../preprocess/image-processor.ts'
import { imageTokenConfig, type PatchMerge } from '../preprocess/image-tokens.ts'
import type { VisionConfig } from '../vision/vision-transformer.ts'
import type { Layout, ModelConfig, Quirks, VideoConfig } from './family.ts'

/** A caller's wishes about tiles against what the config says. */
export function withTilingQuirks(
  processor: ImageProcessor,
  { tiles, base }: Quirks,
): ImageProcessor {
  const { tiling } = processor
  if (tiles === 'one') return { ...processor, tiling: { kind: 'none' } }
  if (base === undefined || tiling.kind !== 'anyres') return processor
  return { ...processor, tiling: { ...tiling, base } }
}

export function imageConfig(
  processor: ImageProcessor,
  parts: {
    readonly vision: VisionConfig
    readonly placeholder: number
    readonly merge: PatchMerge
    /** How the size of an unpadded map is rounded. */
    readonly rounding: Layout
    readonly video: VideoConfig | null
  },
): NonNullable<ModelConfig['image']> {
  const { vision, placeholder, merge, rounding, video } = parts
  const { width, height } = processor.tile
  if (width !== vision.imageSize || height !== vision.imageSize) {
    throw new ConfigError(
      'CONFIG_IMAGE_SIZE',
      `config: the image processor makes tiles of ${width} × ${height}, the vision tower takes ${vision.imageSize} × ${vision.imageSize}.`,
    )
  }
  return {
    processor,
    placeholder,
    hasNewline:
      (merge.layout === 'spatial' && merge.newline) || (video?.tokens.newline ?? 'none') !== 'none',
    tokens: imageTokenConfig({
      tile: processor.tile,
      patchSize: vision.patchSize * vision.patchMerge,
      tiling: processor.tiling,
      merge,
      rounding,
      severalPictures: processor.severalPictures,
    }),
  }
}
