/**
 * Whether a clip can be learnt from.
 *
 * Frames in a folder are looked at as pictures are. Of a film `header` sees whether there is something; `decode` decodes
 * every frame of a GIF and of a Y4M file, and has ffprobe read any other one, where it is installed: to decode those takes
 * as long as to train on them.
 */
import { stat } from 'node:fs/promises'
import { InputError } from '../core/errors.ts'
import { decodeClip, unfolded } from '../preprocess/frames-node.ts'
import { checkFile, type PictureDepth } from './check-picture.ts'
import { faultReasonOf, RecordFault } from './record-fault.ts'
import type { RecordClip } from './record.ts'

/** Throws RecordFault clip-missing or clip-broken. */
export async function checkClip(clip: RecordClip, depth: PictureDepth = 'header'): Promise<void> {
  if (typeof clip !== 'string') {
    if (clip.length === 0) throw emptyClip('a clip inside the file')
    return checkFilm(clip, depth)
  }
  const found = await stat(clip).catch(() => null)
  if (found === null) {
    throw new RecordFault(
      'clip-missing',
      `clip: expected a film or a folder of frames at ${clip}, there is nothing; check videoFolder or leave the record out.`,
    )
  }
  if (found.isDirectory()) return checkFrames(clip, depth)
  if (found.size === 0) throw emptyClip(clip)
  return checkFilm(clip, depth)
}

function emptyClip(name: string): RecordFault {
  return new RecordFault(
    'clip-broken',
    `clip: ${name} is empty; get it again or leave the record out.`,
  )
}

async function checkFilm(film: RecordClip, depth: PictureDepth): Promise<void> {
  if (depth === 'header') return
  try {
    await decodeClip(film)
  } catch (cause) {
    // Told where the film is opened: it is no fault of the record.
    if (cause instanceof InputError && cause.code === 'INPUT_VIDEO_DECODER') return
    if (faultReasonOf(cause) === null) throw cause
    const name = typeof film === 'string' ? film : 'a clip inside the file'
    throw broken(name, cause as Error)
  }
}

async function checkFrames(folder: string, depth: PictureDepth): Promise<void> {
  for (const frame of unfolded(folder) as readonly string[]) {
    try {
      await checkFile(frame, depth)
    } catch (cause) {
      throw broken(`its frame ${frame}`, cause as Error)
    }
  }
}

function broken(name: string, cause: Error): RecordFault {
  return new RecordFault(
    'clip-broken',
    `clip: ${name} cannot be used (${cause.message}); get it again or leave the record out.`,
    { cause },
  )
}
