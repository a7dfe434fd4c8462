/** Pictures and clips: bytes → pixels → tiles → pixel values, and how many tokens that will be. */
export {
  fitOnCanvas,
  keptRegion,
  selectBestResolution,
  shrinkToBudget,
  type AnyresRounding,
} from './anyres.ts'
export { convertImage, type ImageMode, type ModeImage } from './convert-image.ts'
export type { DecodedImage, DecodeOptions } from './decode-image.ts'
export {
  frameTimes,
  sampleFrames,
  statedTimes,
  type Clip,
  type ClipInfo,
  type ClipSource,
  type Sampling,
} from './frames.ts'
export { clipInfoOf, openClip, type OpenClipOptions } from './frames-node.ts'
export { isPixels, pixelsToRgb, type ImageFile, type ImagePixels } from './image-source.ts'
export type { Channels, Image, ImageSize, Region, RgbImage } from './image.ts'
export {
  fitOf,
  padColour,
  withFit,
  type ImageFit,
  type ImageProcessor,
  type Resize,
  type Rgb,
} from './image-processor.ts'
export {
  countImageTokens,
  imageTokenConfig,
  parsePatchMerge,
  type ImageTokenConfig,
  type ImageTokenOptions,
  type ImageTokens,
  type PatchMerge,
  type TokenMap,
} from './image-tokens.ts'
export {
  createPreprocessor,
  imageSizeOf,
  readImage,
  type PreprocessedImage,
  type PreprocessOptions,
  type Preprocessor,
  type PreprocessorOptions,
  type ReadOptions,
} from './node.ts'
export { originalImageProcessor, type OriginalProcessorInput } from './original-image-processor.ts'
export { parseImageProcessor, type ProcessorOptions } from './parse-image-processor.ts'
export { parsePinpoints } from './pinpoints.ts'
export { preprocessImage, resizedSize, type PreparedImage } from './preprocess-image.ts'
export { probeImage, type ImageFormat, type ImageHeader, type Orientation } from './probe-image.ts'
export type { ResampleFilter } from './resample-kernel.ts'
export type { Box } from './resample.ts'
export { resizeImage, type ResizeOptions, type ResizeOrder } from './resize.ts'
export { planTiles, tileCount, type TilePlan, type Tiling } from './tiling.ts'
export {
  countVideoTokens,
  videoTokenConfig,
  type ClipNewline,
  type FramePooling,
  type VideoTokenConfig,
  type VideoTokens,
} from './video-tokens.ts'
