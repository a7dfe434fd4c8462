/** Clips in Node.js: lists of pictures and folders of them. */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { InputError } from '../core/errors.ts'
import { emptyClip, pictureClip, type Clip, type ClipInfo, type ClipSource } from './frames.ts'

export type OpenClipOptions = { readonly signal?: AbortSignal | undefined }

/** Throws InputError INPUT_VIDEO_… for what is no clip. */
export async function openClip(source: ClipSource, options: OpenClipOptions = {}): Promise<Clip> {
  options.signal?.throwIfAborted()
  return openPictures(source)
}

/** How many frames a clip has, while the caller waits. */
export function clipInfoOf(source: ClipSource): ClipInfo {
  return openPictures(source)
}

function openPictures(source: ClipSource): Clip {
  if (Array.isArray(source)) return pictureClip(source)
  const path = source instanceof URL ? fileURLToPath(source) : String(source)
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    throw new InputError(
      'INPUT_VIDEO_SOURCE',
      `video: expected a folder of frames or a list of pictures, came ${path}.`,
    )
  }
  const names = readdirSync(path).filter((name) => PICTURE_NAME.test(name))
  if (names.length === 0) throw emptyClip(`${path} has no pictures in it`)
  // By code points, as Python's sorted().
  return pictureClip(names.sort().map((name) => join(path, name)))
}

const PICTURE_NAME = /^[^.].*\.(?:png|jpe?g|webp|gif|tiff?|avif|bmp|p[bgpn]m)$/i
