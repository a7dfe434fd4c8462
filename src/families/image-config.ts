/** Processor and token accounting of a family's pictures, checked against each other. */
import { ConfigError } from '../core/errors.ts'
import type { ImageProcessor } from '../preprocess/image-processor.ts'
import { imageTokenConfig, type PatchMerge } from '../preprocess/image-tokens.ts'
import { featureRows, rowsPerSide, type VisionConfig } from '../vision/vision-transformer.ts'
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
      `config: the image processor makes tiles of ${width} × ${height}, the vision tower takes ${vision.imageSize} × ${vision.imageSize}; take both files from where the checkpoint came from.`,
    )
  }
  checkMap(vision, { merge, tiling: processor.tiling })
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

/**
 * Tiles are put beside one another patch by patch, so a row that is no patch has no place there. The original and
 * transformers stop at the first such picture.
 */
function checkMap(
  vision: VisionConfig,
  { merge, tiling }: { readonly merge: PatchMerge; readonly tiling: ImageProcessor['tiling'] },
): void {
  const [rows, side] = [featureRows(vision), rowsPerSide(vision)]
  if (merge.layout === 'flat' || tiling.kind === 'none' || rows === side ** 2) return
  throw new ConfigError(
    'CONFIG_PATCH_MERGE',
    `config: tiles of ${rows} rows are no map of ${side} × ${side} patches that could be put beside others; leave the class token out (mm_vision_select_feature "patch", in llava-hf vision_feature_select_strategy "default"), or take one tile a picture (quirk tiles=one).`,
  )
}
