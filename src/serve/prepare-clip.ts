/**
 * A clip to what the stages read: which frames, how many rows they take, and their pixel values as a stream.
 *
 * How many frames there are is known before one is decoded; they are then decoded and resized a little ahead of whoever
 * encodes them, so that a long clip never lies in memory.
 */
import {
  frameTimes,
  sampleFrames,
  type Clip,
  type ClipInfo,
  type Sampling,
} from '../preprocess/frames.ts'
import type { ImageFile, ImagePixels } from '../preprocess/image-source.ts'
import type { PreparedImage } from '../preprocess/preprocess-image.ts'
import {
  countVideoTokens,
  type VideoTokenConfig,
  type VideoTokens,
} from '../preprocess/video-tokens.ts'
import { arrangeVideoTokens, type VideoRowMaps } from '../sequence/arrange-video-tokens.ts'
import type { VideoSource } from './messages.ts'

/** What opens clips: `preprocess/frames-node.ts`, or the browser's. */
export type ClipOpener = {
  open(video: VideoSource, signal?: AbortSignal): Promise<Clip>
  /** The same facts while the caller waits. */
  infoOf(video: VideoSource): ClipInfo
}

export type PreparedFrame = Pick<PreparedImage, 'tiles' | 'pixelValues'> & {
  /** Names its pixels: SHA-256 in hex. */
  readonly hash: string
}

export type PreparedClip = {
  readonly kind: 'video'
  readonly tokens: VideoTokens
  readonly maps: VideoRowMaps
  /** Seconds of the frames that are taken. */
  readonly times: readonly number[]
  /** Decodes and prepares the frames in order; nothing happens before the first is asked for. */
  frames(signal?: AbortSignal): AsyncIterable<PreparedFrame>
}

export type PrepareFrame = (
  frame: ImageFile | ImagePixels,
  signal: AbortSignal | undefined,
) => Promise<PreparedFrame>

export function prepareClip(
  clip: Clip,
  parts: {
    readonly sampling: Sampling
    readonly config: VideoTokenConfig
    readonly prepareFrame: PrepareFrame
  },
): PreparedClip {
  const taken = sampleFrames(clip, parts.sampling)
  const tokens = countVideoTokens(taken.length, parts.config)
  return {
    kind: 'video',
    tokens,
    maps: arrangeVideoTokens(tokens, parts.config),
    times: frameTimes(clip, taken, parts.sampling),
    frames: (signal) =>
      mapAhead(clip.read(taken, signal), (frame) => parts.prepareFrame(frame, signal)),
  }
}

export function countClip(
  info: ClipInfo,
  sampling: Sampling,
  config: VideoTokenConfig,
): VideoTokens {
  return countVideoTokens(sampleFrames(info, sampling).length, config)
}

/** Frames that are decoded or resized while one is encoded. */
const AHEAD = 3
const END = Symbol('end')

/** `map` of each item in order; the next items are already under way. */
async function* mapAhead<T, U>(
  items: AsyncIterable<T>,
  map: (item: T) => Promise<U>,
): AsyncGenerator<U> {
  const iterator = items[Symbol.asyncIterator]()
  const start = () => {
    const next = iterator
      .next()
      .then(async ({ done, value }) => (done ? END : { mapped: await map(value as T) }))
    // Whoever takes it from the queue hears of its failure; one that is never taken is of no interest.
    next.catch(() => {})
    return next
  }
  const queue = Array.from({ length: AHEAD }, start)
  try {
    for (;;) {
      const result = await queue.shift()
      if (result === undefined || result === END) return
      queue.push(start())
      yield result.mapped
    }
  } finally {
    await Promise.allSettled([...queue, iterator.return?.()])
  }
}
