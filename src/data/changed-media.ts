/** Whether a record's files are still those that were looked at. */
import { stat } from 'node:fs/promises'
import { unfolded } from '../preprocess/frames-node.ts'
import type { AnyRecord } from './check-record.ts'

/** `sinceMs`: when the look began. What is not there, or cannot be listed, counts as changed. */
export async function hasChangedMedia(
  { images, videos }: Pick<AnyRecord, 'images' | 'videos'>,
  sinceMs: number,
): Promise<boolean> {
  try {
    const clips = videos.filter((clip) => typeof clip === 'string')
    const pictures = images.filter((picture) => typeof picture === 'string')
    const files = [...pictures, ...clips.flatMap((path) => [path, ...framesOf(path)])]
    const found = await Promise.all(files.map((path) => stat(path)))
    // The time of the last change of a file's entry is set even where that of its content is put back.
    return found.some(({ mtimeMs, ctimeMs }) => Math.max(mtimeMs, ctimeMs) >= sinceMs)
  } catch {
    return true
  }
}

function framesOf(clip: string): readonly string[] {
  const frames = unfolded(clip)
  return Array.isArray(frames) ? (frames as readonly string[]) : []
}
