/** A record's pictures or clips: how many rows each takes in the decoder, and their pixels, as serving prepares them. */
import { RecordFault } from '../data/record-fault.ts'
import type { DataRecord } from '../data/record.ts'
import type { ModelConfig, VideoConfig } from '../families/family.ts'
import { defaultFrames } from '../families/video-config.ts'
import { openClip } from '../preprocess/frames-node.ts'
import { sampleFrames, type Clip, type ClipInfo, type Sampling } from '../preprocess/frames.ts'
import { countImageTokens } from '../preprocess/image-tokens.ts'
import type { ImageSize } from '../preprocess/image.ts'
import type { Preprocessor } from '../preprocess/node.ts'
import { countVideoTokens } from '../preprocess/video-tokens.ts'
import { arrangeImageTokens } from '../sequence/arrange-image-tokens.ts'
import type { MediaRows } from '../sequence/layout-sequence.ts'
import { featureRows } from '../vision/vision-transformer.ts'
import { LazyPixels } from './lazy-pixels.ts'
import type { PixelTensor, Sample } from './sample.ts'

export type RecordMedia = Pick<DataRecord, 'images' | 'videos'>

export type MediaTools = {
  readonly config: ModelConfig
  readonly preprocessor: Preprocessor
  /** How clips are sampled; frames by the checkpoint's recipe unless said. */
  readonly sampling: {
    readonly frames: number | undefined
    readonly fps: number | undefined
    readonly forceSample?: boolean | undefined
  }
}

export type PreparedMedia = Pick<Sample, 'pixelValues' | 'imageSizes' | 'videos'> & {
  readonly rows: readonly MediaRows[]
}

/** Decoded and cut. Throws InputError for what cannot be decoded. */
export async function prepareMedia(media: RecordMedia, tools: MediaTools): Promise<PreparedMedia> {
  const { images, videos } = media
  if (videos.length > 0) return prepareClips(videos, tools)
  if (images.length === 0) return { rows: [] }
  const { config, preprocessor } = tools
  const { processor } = config.image ?? noEyes()
  const pictures = await Promise.all(
    images.map((one) => preprocessor.preprocess(one, processor, { pictures: images.length })),
  )
  const sizes = pictures.map(({ imageSize }) => imageSize)
  const pixelValues = joinPixels(pictures.map((picture) => picture.pixelValues))
  return { rows: pictureRows(sizes, config), pixelValues, imageSizes: sizes }
}

/** The same with pixels that are decoded when they are needed; `sizes` are those of its pictures. */
export async function planMedia(
  media: RecordMedia,
  sizes: readonly ImageSize[],
  tools: MediaTools,
): Promise<PreparedMedia> {
  const { images, videos } = media
  if (videos.length > 0) return planClips(videos, tools)
  if (images.length === 0) return { rows: [] }
  const tiles = pictureTiles(sizes, tools.config)
  const pixelValues = new LazyPixels(tileShape(tiles, tools), async () => {
    const prepared = await prepareMedia({ images, videos: [] }, tools)
    return prepared.pixelValues as PixelTensor
  })
  return { rows: pictureRows(sizes, tools.config), pixelValues, imageSizes: sizes }
}

/** Whether a record's pixels are many times those of a single tile. */
export function hasManyTiles({ images, videos }: RecordMedia, { config }: MediaTools): boolean {
  if (videos.length > 0 || images.length > 1) return true
  return images.length > 0 && config.image?.tokens.tiling.kind !== 'none'
}

function tileShape(tiles: number, { config }: MediaTools): readonly number[] {
  const side = config.vision?.imageSize ?? noEyes()
  return [tiles, 3, side, side]
}

/** The rows alone, by the sizes of its pictures and what clips say of themselves. */
export async function countMedia(
  { videos }: RecordMedia,
  sizes: readonly ImageSize[],
  tools: MediaTools,
): Promise<readonly MediaRows[]> {
  if (videos.length === 0) return pictureRows(sizes, tools.config)
  const clips = await Promise.all(videos.map((source) => openClip(source)))
  return clips.map((clip) => clipRows(framesOf(clip, videos.length, tools), tools))
}

/** Tiles and frames that the tower sees of a record, counted as its rows are. */
export async function countTiles(
  { videos }: RecordMedia,
  sizes: readonly ImageSize[],
  tools: MediaTools,
): Promise<number> {
  if (videos.length === 0) return pictureTiles(sizes, tools.config)
  const clips = await Promise.all(videos.map((source) => openClip(source)))
  return clips.reduce((sum, clip) => sum + framesOf(clip, videos.length, tools).length, 0)
}

function pictureTiles(sizes: readonly ImageSize[], { image }: ModelConfig): number {
  if (sizes.length === 0) return 0
  const { tokens } = image ?? noEyes()
  return sizes.reduce(
    (sum, size) => sum + countImageTokens(size, tokens, { pictures: sizes.length }).tiles,
    0,
  )
}

function pictureRows(sizes: readonly ImageSize[], config: ModelConfig): MediaRows[] {
  if (sizes.length === 0) return []
  const { image, vision } = config
  if (!image || !vision) return noEyes()
  return sizes.map((size) => {
    const tokens = countImageTokens(size, image.tokens, { pictures: sizes.length })
    const { rows } = arrangeImageTokens(tokens, {
      patchesPerSide: image.tokens.patchesPerSide,
      rowsPerTile: featureRows(vision),
    })
    return { kind: 'image', rows }
  })
}

async function prepareClips(
  sources: RecordMedia['videos'],
  tools: MediaTools,
): Promise<PreparedMedia> {
  const clips = await Promise.all(
    sources.map(async (source) => {
      const clip = await openClip(source)
      const taken = framesOf(clip, sources.length, tools)
      return { rows: clipRows(taken, tools), pixels: await readFrames(clip, taken, tools) }
    }),
  )
  return { rows: clips.map(({ rows }) => rows), videos: clips.map(({ pixels }) => pixels) }
}

async function planClips(
  sources: RecordMedia['videos'],
  tools: MediaTools,
): Promise<PreparedMedia> {
  const clips = await Promise.all(
    sources.map(async (source) => {
      const taken = framesOf(await openClip(source), sources.length, tools)
      const pixels = new LazyPixels(tileShape(taken.length, tools), async () =>
        readFrames(await openClip(source), taken, tools),
      )
      return { rows: clipRows(taken, tools), pixels }
    }),
  )
  return { rows: clips.map(({ rows }) => rows), videos: clips.map(({ pixels }) => pixels) }
}

async function readFrames(
  clip: Clip,
  taken: readonly number[],
  tools: MediaTools,
): Promise<PixelTensor> {
  const { processor } = videoOf(tools)
  const frames: Promise<PixelTensor>[] = []
  for await (const frame of clip.read(taken)) {
    const prepared = tools.preprocessor.preprocess(frame, processor, { pictures: 1 })
    const pixels = prepared.then(({ pixelValues }) => pixelValues)
    // Its failure is heard of below, when all frames are there.
    pixels.catch(() => {})
    frames.push(pixels)
  }
  return joinPixels(await Promise.all(frames))
}

function framesOf(info: ClipInfo, clips: number, { config, sampling }: MediaTools): number[] {
  const wanted: Sampling = {
    frames: sampling.frames ?? defaultFrames(config, clips),
    fps: sampling.fps,
    forceSample: sampling.forceSample,
  }
  return sampleFrames(info, wanted)
}

function clipRows(frames: readonly number[], tools: MediaTools): MediaRows {
  return { kind: 'video', rows: countVideoTokens(frames.length, videoOf(tools).tokens).tokens }
}

function videoOf({ config: { video } }: MediaTools): VideoConfig {
  return video ?? noEyes()
}

function joinPixels(parts: readonly PixelTensor[]): PixelTensor {
  const [first] = parts as [PixelTensor]
  if (parts.length === 1) return first
  const tiles = parts.reduce((sum, { shape }) => sum + (shape[0] as number), 0)
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0))
  let at = 0
  for (const part of parts) {
    data.set(part.data, at)
    at += part.data.length
  }
  return { data, shape: [tiles, ...first.shape.slice(1)] }
}

function noEyes(): never {
  throw new RecordFault('places', 'record: the model takes no pictures or clips, and it has some.')
}
