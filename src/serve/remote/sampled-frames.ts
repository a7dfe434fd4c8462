/** Of pictures that are a clip, those that a server is sent. */
import { pictureClip, sampleFrames, type Sampling } from '../../preprocess/frames.ts'
import type { ImageFile, ImagePixels } from '../../preprocess/image-source.ts'
import type { VideoPart } from '../messages.ts'
import type { ServerKind } from './server-kind.ts'

/** vLLM takes the first so many of a list and leaves the rest, unless it was started otherwise; nobody knows what others do. */
export const FRAMES_OF_OTHERS = 32
/** Our own server takes no more, and samples them itself. */
export const MOST_FRAMES = 1024

export type FrameFields = Pick<VideoPart, 'frames' | 'fps' | 'start' | 'end' | 'forceSample'>

/** As our own server calls them. */
export function wireFields({ forceSample, ...fields }: FrameFields): object {
  return { ...fields, ...(forceSample && { force_sample: true }) }
}

/** How frames are taken here where at most `most` may be sent; only as many as were asked for are forced. */
export function samplingOf(options: FrameFields, most: number): Sampling {
  const { forceSample: _, ...others } = options
  const isForced = options.frames !== undefined && options.forceSample === true
  return { ...others, frames: most, ...(isForced && { forceSample: true }) }
}

/** How many of a clip a server is sent at most. */
export function mostFrames({ frames }: FrameFields, kind: ServerKind | null): number {
  return frames ?? (kind === 'llava-ts' ? MOST_FRAMES : FRAMES_OF_OTHERS)
}

/**
 * The pictures that the options ask for, evenly spaced and `most` at most, with what is left for the server to know. Seconds
 * are reckoned from the first of them, at the pace of those that are left.
 */
export function sampledFrames<T extends ImageFile | ImagePixels>(
  pictures: readonly T[],
  options: FrameFields,
  most: number,
): { readonly taken: readonly T[]; readonly fields: FrameFields } {
  const places = sampleFrames(pictureClip(pictures), samplingOf(options, most))
  const taken = places.map((place) => pictures[place] as T)
  const [first = 0, last = 0] = [places[0], places.at(-1)]
  const pace = last > first ? (places.length - 1) / (last - first) : 1
  const fps = (options.fps ?? 1) * pace
  return {
    taken,
    fields: {
      ...(options.frames !== undefined && { frames: taken.length }),
      ...((options.fps !== undefined || pace < 1) && { fps }),
    },
  }
}

/** The same of the fields that a server of that kind has a word for. */
export function fieldsFor(
  fields: FrameFields,
  asked: FrameFields,
  kind: ServerKind | null,
): FrameFields {
  if (kind === 'llava-ts') return fields
  // Whoever is not known may be ours, and is told what was asked for.
  const { fps, ...others } = fields
  return kind === null ? { ...others, ...(asked.fps !== undefined && { fps }) } : {}
}
