/**
 * A clip to what the stages read: which frames, how many rows they take, and their pixel values as a stream.
 *
 * How many frames there are is known before one is decoded; they are then decoded and resized a little ahead of whoever
 * encodes them, so that a long clip never lies in memory.
 */
import {
  frameTimes,
  isPictureList,
  pictureClip,
  sampleFrames,
  type Clip,
  type ClipInfo,
  type ClipSource,
  type Sampling,
} from '../preprocess/frames.ts'
import { isPixels, type ImageFile, type ImagePixels } from '../preprocess/image-source.ts'
import {
  countVideoTokens,
  type VideoTokenConfig,
  type VideoTokens,
} from '../preprocess/video-tokens.ts'
import { arrangeVideoTokens, type VideoRowMaps } from '../sequence/arrange-video-tokens.ts'
import { BoundedMap } from './bounded-map.ts'
import { contentName, sha256 } from './content-name.ts'
import type { VideoSource } from './messages.ts'
import type { NamedImage } from './prepare-picture.ts'
import { SharedWork } from './shared-work.ts'

/** What opens clips: `preprocess/frames-node.ts`, or the browser's. */
export type ClipOpener = {
  /** What is to be opened: pictures, a folder's among them, a file, or bytes. What is elsewhere is fetched, if the model may. */
  find(video: VideoSource, signal?: AbortSignal): Promise<ClipSource>
  /** A name that only files of equal contents have, null where nobody knows. */
  identify(file: string | URL): Promise<string | null>
  open(source: ClipSource, signal?: AbortSignal): Promise<Clip>
  /** The same facts while the caller waits. */
  infoOf(video: VideoSource): ClipInfo
}

export type PreparedFrame = Pick<NamedImage, 'tiles' | 'pixelValues' | 'hash'>

export type PreparedClip = {
  readonly kind: 'video'
  /** As the prompt gave it: what fails later is about it. */
  readonly medium?: unknown
  readonly tokens: VideoTokens
  readonly maps: VideoRowMaps
  /** Seconds of the frames that are taken. */
  readonly times: readonly number[]
  /** Clips of equal keys have equal frames, and may be decoded together; null: nobody knows. */
  key(): Promise<string | null>
  /** Decodes and prepares the frames in order; nothing happens before the first is asked for. */
  frames(signal?: AbortSignal): AsyncIterable<PreparedFrame>
}

export type PrepareFrame = (
  frame: ImageFile | ImagePixels,
  signal: AbortSignal | undefined,
) => Promise<PreparedFrame>

/** Which frames of a clip are taken, and their seconds. */
type Sampled = { readonly taken: readonly number[]; readonly times: readonly number[] }

export type ClipRequest = {
  readonly sampling: Sampling
  /** Only requests of equal salt share anything. */
  readonly salt: string
  readonly signal?: AbortSignal | undefined
}

const KNOWN_BYTES = 4 << 20

export class ClipPreparer {
  readonly #opener: ClipOpener
  readonly #config: VideoTokenConfig
  readonly #prepareFrame: PrepareFrame
  readonly #opening = new SharedWork<Sampled & { readonly clip: Clip }>()
  readonly #known = new BoundedMap<Sampled>(KNOWN_BYTES)

  constructor(parts: {
    readonly opener: ClipOpener
    readonly config: VideoTokenConfig
    readonly prepareFrame: PrepareFrame
  }) {
    this.#opener = parts.opener
    this.#config = parts.config
    this.#prepareFrame = parts.prepareFrame
  }

  async prepare(video: VideoSource, request: ClipRequest): Promise<PreparedClip> {
    const source = await this.#opener.find(video, request.signal)
    return isPictureList(source) ? this.#ofPictures(source, request) : this.#ofFilm(source, request)
  }

  #ofPictures(
    pictures: readonly (ImageFile | ImagePixels)[],
    { sampling, salt }: ClipRequest,
  ): PreparedClip {
    const clip = pictureClip(pictures)
    const sampled = sample(clip, sampling)
    const key = async () => {
      const taken = sampled.taken.map((frame) => pictures[frame] as ImageFile | ImagePixels)
      const names = await Promise.all(taken.map((picture) => this.#nameOf(picture)))
      return names.includes(null) ? null : sha256(`pictures ${salt} ${names.join(' ')}`)
    }
    return this.#prepared(sampled, { key, open: async () => clip })
  }

  /** A film is probed once for all requests that want the same frames of it. */
  async #ofFilm(
    source: Exclude<ClipSource, readonly unknown[]>,
    { sampling, salt, signal }: ClipRequest,
  ): Promise<PreparedClip> {
    const name = await this.#nameOf(source)
    const { frames, fps, forceSample = false, start, end } = sampling
    const wanted = [frames, fps ?? '', forceSample, start ?? '', end ?? ''].join(' ')
    const key = name && (await sha256(`film ${salt} ${wanted} ${name}`))
    const known = key === null ? undefined : this.#known.get(key)
    const opened = known
      ? null
      : await this.#opening.do(key, signal, async (stop) => {
          const clip = await this.#opener.open(source, stop)
          const sampled = sample(clip, sampling)
          if (key !== null) this.#known.set(key, sampled, 200 + 16 * sampled.taken.length)
          return { ...sampled, clip }
        })
    return this.#prepared(known ?? (opened as Sampled), {
      key: async () => key,
      open: async (stop) => opened?.clip ?? this.#opener.open(source, stop),
    })
  }

  #prepared(
    { taken, times }: Sampled,
    {
      key,
      open,
    }: {
      readonly key: PreparedClip['key']
      readonly open: (signal: AbortSignal | undefined) => Promise<Clip>
    },
  ): PreparedClip {
    const tokens = countVideoTokens(taken.length, this.#config)
    const prepareFrame = this.#prepareFrame
    return {
      kind: 'video',
      tokens,
      maps: arrangeVideoTokens(tokens, this.#config),
      times,
      key,
      async *frames(signal) {
        const clip = await open(signal)
        yield* mapAhead(clip.read(taken, signal), (frame) => prepareFrame(frame, signal))
      },
    }
  }

  async #nameOf(source: ImageFile | ImagePixels): Promise<string | null> {
    if (source instanceof Blob) return null
    if (source instanceof Uint8Array || isPixels(source)) return contentName(source)
    const isText = typeof source === 'string' && /^data:/i.test(source)
    return isText ? sha256(source) : this.#opener.identify(source)
  }
}

function sample(clip: Clip, sampling: Sampling): Sampled {
  const taken = sampleFrames(clip, sampling)
  return { taken, times: frameTimes(clip, taken, sampling) }
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
