/**
 * Pictures and clips to rows for the decoder. What several requests want at the same time is decoded and encoded once for
 * all of them; what comes again is put together from the frames' rows that are kept, and decoded only if one of them is gone.
 */
import { inTurns } from '../core/steps.ts'
import { mergeSteps, type RowFormat } from '../sequence/merge-rows.ts'
import { aboutMedium } from './about-medium.ts'
import { BoundedMap } from './bounded-map.ts'
import { sha256 } from './content-name.ts'
import type { EncodedMedia } from './embedded-prompt.ts'
import { Breath } from './kv-cache.ts'
import type { PreparedClip } from './prepare-clip.ts'
import type { PreparedPicture } from './prepare-picture.ts'
import { SharedWork } from './shared-work.ts'
import type { VisionOptions, VisionRunner } from './vision-runner.ts'

export type EncodeMediaOptions = VisionOptions & {
  /** Counts what was waited for decoders. */
  readonly clock: { decodeMs: number }
}

/** Names of some fifty thousand frames. */
const NAME_BYTES = 8 << 20

type EncodedClip = { readonly media: EncodedMedia; readonly decodeMs: number }

/** What is needed of the tower and of the rows it keeps. */
export type FrameEncoder = Pick<VisionRunner, 'encode' | 'encodeFrame' | 'keptFrames' | 'noteFound'>

export class MediaEncoder {
  readonly #vision: FrameEncoder
  readonly #format: RowFormat
  readonly #clips = new SharedWork<EncodedClip>()
  /** Names of the frames that clips gave, by the clips' keys. */
  readonly #frames = new BoundedMap<readonly string[]>(NAME_BYTES)

  /** `width` of a row; `newline` ends rows of tiles, where the family has one. */
  constructor(vision: FrameEncoder, format: RowFormat) {
    this.#vision = vision
    this.#format = format
  }

  encode(one: PreparedPicture | PreparedClip, options: EncodeMediaOptions): Promise<EncodedMedia> {
    const encoding = one.kind === 'image' ? this.#picture(one, options) : this.#clip(one, options)
    return aboutMedium(one.medium, encoding)
  }

  async #picture(
    { hash, imageSize, rows, pixels }: PreparedPicture,
    { clock, ...options }: EncodeMediaOptions,
  ): Promise<EncodedMedia> {
    const pixelValues = async (signal?: AbortSignal) => {
      const start = performance.now()
      const decoded = await pixels(signal)
      clock.decodeMs += performance.now() - start
      return decoded.pixelValues.data
    }
    const features = await this.#vision.encode({ hash, pixelValues }, options)
    return {
      kind: 'image',
      // Equal tiles are not yet equal rows: how much of them is padding says the size alone.
      name: `${hash} ${imageSize.width}x${imageSize.height} ${rows.rows}`,
      rows: await inTurns(mergeSteps(rows, features, this.#format)),
    }
  }

  async #clip(
    clip: PreparedClip,
    { clock, ...options }: EncodeMediaOptions,
  ): Promise<EncodedMedia> {
    const key = await clip.key()
    const known = key === null ? undefined : this.#frames.get(key)
    const kept = known && this.#vision.keptFrames(known, clip.maps.pool, options)
    if (known && kept) return this.#merged(clip, known, kept)
    const start = performance.now()
    let isOwn = false
    const { media, decodeMs } = await this.#clips.do(key, options.signal, async (signal) => {
      isOwn = true
      return this.#encodeClip(clip, key, { ...options, signal })
    })
    if (!isOwn) this.#vision.noteFound(clip.tokens.frames)
    clock.decodeMs += Math.min(decodeMs, performance.now() - start)
    return media
  }

  /** Encodes frames as they come. */
  async #encodeClip(
    clip: PreparedClip,
    key: string | null,
    options: VisionOptions,
  ): Promise<EncodedClip> {
    const names: string[] = []
    const rows: Float32Array[] = []
    let decodeMs = 0
    let waitsSince = performance.now()
    for await (const { hash, pixelValues } of clip.frames(options.signal)) {
      decodeMs += performance.now() - waitsSince
      const frame = { hash, pixelValues: async () => pixelValues.data }
      rows.push(await this.#vision.encodeFrame(frame, clip.maps.pool, options))
      names.push(hash)
      waitsSince = performance.now()
    }
    if (key !== null) this.#frames.set(key, names, 160 * names.length)
    return { media: await this.#merged(clip, names, rows), decodeMs }
  }

  async #merged(
    { tokens, maps }: PreparedClip,
    names: readonly string[],
    rows: readonly Float32Array[],
  ): Promise<EncodedMedia> {
    const { frames, frameRows } = tokens
    const pooled = new Float32Array(frames * frameRows * this.#format.width)
    const breath = new Breath()
    for (const [i, one] of rows.entries()) {
      pooled.set(one, i * frameRows * this.#format.width)
      await breath.after(one.byteLength)
    }
    return {
      kind: 'video',
      name: `clip ${await sha256(names.join(' '))}`,
      rows: await inTurns(mergeSteps(maps.rows, pooled, this.#format)),
    }
  }
}
