/**
 * What people give as a clip, as what opens clips takes: a path, bytes, or a list of pictures.
 *
 * As with pictures, `http:` and `https:` URLs are fetched only if the model was loaded with `allowRemote`. The pictures
 * of a list are resolved one by one when their turn comes.
 */
import { InputError } from '../core/errors.ts'
import { isPictureList, type ClipSource } from '../preprocess/frames.ts'
import type { VideoSource } from './messages.ts'
import { fetchRemote, resolveLocalPicture, type ResolveOptions } from './picture-source.ts'

const MAX_REMOTE_BYTES = 1 << 29

export async function resolveClip(
  video: VideoSource,
  options: ResolveOptions,
): Promise<ClipSource> {
  const source = resolveLocalClip(video)
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer())
  if (!(source instanceof URL) || source.protocol === 'file:') return source
  return fetchRemote(source, { ...options, what: 'clip', maxBytes: MAX_REMOTE_BYTES })
}

/** The same without fetching and without waiting: remote clips stay URLs, Blobs stay Blobs. */
export function resolveLocalClip(video: VideoSource): ClipSource {
  if (isPictureList(video)) return video
  const source = resolveLocalPicture(video)
  if (typeof source === 'string' || source instanceof URL || source instanceof Blob) return source
  if (source instanceof Uint8Array) return source
  throw new InputError(
    'INPUT_VIDEO_SOURCE',
    'messages: a clip should be a path, a URL, bytes, a Blob or a list of pictures; put a picture into a list.',
  )
}
