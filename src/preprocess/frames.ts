/**
 * Clips: which frames of one are taken, and a clip as whoever decodes it hands it over.
 *
 * Source of the rules: LLaVA-VL/LLaVA-NeXT playground/demo/video_demo.py (load_video) at df17966; numpy 1.26 linspace.
 */
import { checkArgument } from '../core/check-argument.ts'
import { checkKinds, checkOptions } from '../core/check-options.ts'
import { InputError } from '../core/errors.ts'
import { FLAG } from '../core/option-kinds.ts'
import type { ImageFile, ImagePixels } from './image-source.ts'
import type { ImageSize } from './image.ts'
import { MAX_PIXELS } from './max-pixels.ts'
import { roundHalfEven } from './round-half-even.ts'

/** A file, a folder of pictures, a clip's bytes, or pictures. */
export type ClipSource = string | URL | Uint8Array | Blob | readonly (ImageFile | ImagePixels)[]

/** Pictures of a clip one by one, and nothing that has to be opened. */
export function isPictureList<S>(source: S): source is Extract<S, readonly unknown[]> {
  return Array.isArray(source)
}

export type ClipInfo = {
  /** Frames that it has, at least one. */
  readonly frames: number
  /** On average; null: nobody knows, as of a folder of pictures. */
  readonly framesPerSecond: number | null
  /**
   * Seconds after its beginning at which a frame is shown, and at which the last one ends, of `frames`. Not given: frames
   * follow one another at `framesPerSecond`.
   */
  timeOf?(frame: number): number
}

/** A clip that was opened: what it has is known, nothing is decoded yet and nothing is held open. */
export type Clip = ClipInfo & {
  timeOf(frame: number): number
  /** Decodes the frames numbered, in ascending order and perhaps repeated, one by one as they are asked for. */
  read(frames: readonly number[], signal?: AbortSignal): AsyncIterable<ImageFile | ImagePixels>
}

export type Sampling = {
  /** Most frames that are taken. */
  readonly frames: number
  /** Frames for each second of a clip with a clock. Of pictures without one: how many of them make a second. */
  readonly fps?: number | undefined
  /** As many as `frames` says, evenly spaced, whatever `fps` is: those of a shorter clip are repeated (`force_sample`). */
  readonly forceSample?: boolean | undefined
  /** Seconds between which frames are taken. */
  readonly start?: number | undefined
  readonly end?: number | undefined
}

/**
 * The frames that are taken. With `fps` every ⌊rate / fps⌉-th from the first on, unless that are more than `frames`; else
 * `frames` of them, evenly spaced, first and last included:
 *
 *   ⌊i · (n − 1) / (frames − 1)⌋
 *
 * A clip that has fewer frames gives all it has, unless `forceSample` wants exactly so many. With `start` and `end` the same of
 * the frames whose times lie in [start, end); where none does, of the one that is shown then. Throws InputError
 * INPUT_VIDEO_SECONDS where the clip ends before the start, INPUT_VIDEO_FRAMES for more forced frames than a list may have,
 * INPUT_ARGUMENT for numbers that cannot be.
 */
export function sampleFrames(info: ClipInfo, sampling: Sampling): number[] {
  checkClip('sampleFrames', info, sampling)
  const [first, count] = windowOf(info, sampling)
  return sampleWhole({ ...info, frames: count }, sampling).map((frame) => first + frame)
}

const SAMPLING = [
  'frames',
  'fps',
  'forceSample',
  'start',
  'end',
] as const satisfies (keyof Sampling)[]

function checkClip(where: string, info: ClipInfo, sampling: Sampling): void {
  checkArgument(`${where}: the clip`, info, 'an object')
  checkOptions(`${where}: sampling`, sampling, SAMPLING)
  checkKinds(`${where}: sampling`, sampling, { forceSample: FLAG })
  const { framesPerSecond } = info
  const { fps, start, end } = sampling
  checkArgument(`${where}: frames of the clip`, info.frames, 'a whole number from 1')
  checkArgument(`${where}: sampling.frames`, sampling.frames, 'a whole number from 1')
  if (framesPerSecond !== null) {
    checkArgument(`${where}: framesPerSecond of the clip`, framesPerSecond, 'a number above 0')
  }
  if (fps !== undefined) checkArgument(`${where}: sampling.fps`, fps, 'a number above 0')
  if (start !== undefined) checkArgument(`${where}: sampling.start`, start, 'seconds from 0')
  if (end !== undefined) checkArgument(`${where}: sampling.end`, end, 'seconds from 0')
}

/** Containers round times to milliseconds. */
const TIME_ERROR = 0.0005

/** The first frame and how many, of those that the seconds hold. */
function windowOf(
  info: ClipInfo,
  { fps, start = 0, end = Number.POSITIVE_INFINITY }: Sampling,
): readonly [first: number, count: number] {
  const seconds = timeIn(info, info.frames, fps)
  if (start >= seconds) {
    throw new InputError(
      'INPUT_VIDEO_SECONDS',
      `video: expected a start within the clip, which lasts for ${seconds.toFixed(2)} seconds, ${start} came; begin earlier.`,
    )
  }
  const first = framesBefore(info, start - TIME_ERROR, fps)
  const count = framesBefore(info, end - TIME_ERROR, fps) - first
  return count > 0 ? [first, count] : [framesBefore(info, start + TIME_ERROR, fps) - 1, 1]
}

/** How many are shown before so many seconds. */
function framesBefore(info: ClipInfo, seconds: number, fps: number | undefined): number {
  let low = 0
  let high = info.frames
  while (low < high) {
    const middle = (low + high) >> 1
    if (timeIn(info, middle, fps) < seconds) low = middle + 1
    else high = middle
  }
  return low
}

/** As `timeOf`; pictures without a clock are a second apart unless `fps` says otherwise. */
function timeIn(info: ClipInfo, frame: number, fps = 1): number {
  const { framesPerSecond } = info
  if (framesPerSecond === null) return frame / fps
  return info.timeOf?.(frame) ?? frame / framesPerSecond
}

function sampleWhole(
  { frames: count, framesPerSecond }: ClipInfo,
  { frames, fps, forceSample = false }: Sampling,
): number[] {
  if (forceSample) return spaced(checkForced(frames), count)
  if (fps !== undefined && framesPerSecond !== null) {
    const step = stepOf(framesPerSecond, fps)
    if (Math.ceil(count / step) <= frames) return multiples(step, count)
  }
  return spaced(Math.min(frames, count), count)
}

/** `taken` of `count` frames, first and last included. */
function spaced(taken: number, count: number): number[] {
  if (taken === 1) return [0]
  // In this order numpy computes it: the step first, which is not always exact, and the last one is set.
  const step = (count - 1) / (taken - 1)
  return Array.from({ length: taken }, (_, i) =>
    i === taken - 1 ? count - 1 : Math.trunc(i * step),
  )
}

/** No context holds so many, and a list of them is soon made. */
const MOST_FORCED = 1 << 16

function checkForced(frames: number): number {
  if (frames <= MOST_FORCED) return frames
  throw new InputError(
    'INPUT_VIDEO_FRAMES',
    `video: expected at most ${MOST_FORCED} frames where they are forced, ${frames} came; ask for fewer.`,
  )
}

/** Seconds of the frames taken; pictures without a clock are a second apart unless `fps` says otherwise. */
export function frameTimes(clip: Clip, taken: readonly number[], sampling: Sampling): number[] {
  checkClip('frameTimes', clip, sampling)
  checkArgument('frameTimes: taken', taken, 'a list')
  return taken.map((frame) => timeIn(clip, frame, sampling.fps))
}

/**
 * The same as the reference writes them before a question, which knows of a clip its mean rate alone:
 *
 *   frame / rate      of evenly spaced frames
 *   frame / ⌊rate⌉    of one a second
 *
 * So they agree with the length frames / rate of a film whose rate varies, and differ from when its frames are shown.
 * With another `fps` the latter is the number of steps over `fps`.
 * Source: video_demo.py (load_video); llava/utils.py (process_video_with_decord), whose times are right for one a second only.
 */
export function statedTimes(
  info: ClipInfo,
  taken: readonly number[],
  sampling: Sampling,
): number[] {
  checkClip('statedTimes', info, sampling)
  checkArgument('statedTimes: taken', taken, 'a list')
  const { framesPerSecond, frames: count } = info
  const { fps, frames, forceSample = false, start, end } = sampling
  const rate = framesPerSecond ?? fps ?? 1
  const isWhole = start === undefined && end === undefined
  if (framesPerSecond === null || fps === undefined || forceSample || !isWhole) {
    return taken.map((frame) => frame / rate)
  }
  const step = stepOf(framesPerSecond, fps)
  if (Math.ceil(count / step) > frames) return taken.map((frame) => frame / rate)
  return taken.map((frame) => frame / step / fps)
}

/** Pictures that are the frames of a clip. */
export function pictureClip<T extends ImageFile | ImagePixels>(pictures: readonly T[]): Clip {
  if (pictures.length === 0) throw emptyClip('the list of pictures is empty')
  return {
    frames: pictures.length,
    framesPerSecond: null,
    timeOf: (frame) => frame,
    async *read(frames) {
      for (const frame of frames) yield pictures[frame] as T
    },
  }
}

export function emptyClip(reason: string): InputError {
  return new InputError(
    'INPUT_VIDEO_EMPTY',
    `video: expected at least one frame, but ${reason}; check that it is the right file.`,
  )
}

/** The error of a file that is no clip, or not a whole one. */
export function unreadableClip(what: string, reason: string, options?: ErrorOptions): InputError {
  return new InputError(
    'INPUT_VIDEO_UNREADABLE',
    `video: expected a whole clip, but ${what} ${reason}; give a file that plays from beginning to end.`,
    options,
  )
}

/** As for pictures: what a header claims is checked before anything is decoded. */
export function checkClipSize({ width, height }: ImageSize): void {
  if (width * height <= MAX_PIXELS) return
  throw new InputError(
    'INPUT_VIDEO_TOO_LARGE',
    `video: expected frames of at most ${MAX_PIXELS} pixels, they have ${width} × ${height}; make it smaller.`,
  )
}

/** From one frame to the next where so many of a second are taken. */
function stepOf(rate: number, fps: number): number {
  return Math.max(1, roundHalfEven(rate / fps))
}

function multiples(step: number, count: number): number[] {
  return Array.from({ length: Math.ceil(count / step) }, (_, i) => i * step)
}
