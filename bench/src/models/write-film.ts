/** A film as phones and cameras make them: moving patterns with detail. Made once, by the system's ffmpeg. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'

/** The encoders of which the first that this ffmpeg has is taken. */
const ENCODERS = ['libx264', 'libopenh264', 'mpeg4'] as const

export type Film = { readonly path: string; readonly encoder: string }

/** Null where no ffmpeg is installed. */
export function writeFilm(
  workFolder: string,
  { width, height, seconds }: Readonly<Record<'width' | 'height' | 'seconds', number>>,
): Film | null {
  mkdirSync(workFolder, { recursive: true })
  const pattern = `testsrc2=size=${width}x${height}:rate=30:duration=${seconds}`
  for (const encoder of ENCODERS) {
    const path = join(workFolder, `film-${width}x${height}-${seconds}-${encoder}.mp4`)
    if (existsSync(path)) return { path, encoder }
    const unfinished = join(workFolder, 'unfinished.mp4')
    const input = ['-v', 'error', '-y', '-f', 'lavfi', '-i', pattern]
    const output = ['-c:v', encoder, '-pix_fmt', 'yuv420p', unfinished]
    const { status } = spawnSync('ffmpeg', [...input, ...output], { stdio: 'ignore' })
    if (status !== 0) continue
    renameSync(unfinished, path)
    return { path, encoder }
  }
  return null
}
