/** Clips that need a decoder, through the `ffmpeg` and `ffprobe` of the system, which are found by trying. */
import { execFileSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { InputError } from '../core/errors.ts'
import { filmFrames, inputArguments } from './ffmpeg-frames-node.ts'
import { firstLine, missingTool, startTool } from './ffmpeg-process-node.ts'
import { FFPROBE_ENTRIES, FfprobeReader, type FfprobeReport } from './ffprobe-report.ts'
import { checkClipSize, emptyClip, unreadableClip, type Clip, type ClipInfo } from './frames.ts'
import { isSize, type RgbImage } from './image.ts'
import { orientImage } from './orient-image.ts'
import type { Orientation } from './probe-image.ts'

/** A file that is there until it is given back. */
export type LentFile = AsyncDisposable & {
  readonly path: string
  /** What messages call it. */
  readonly name: string
}

export type FfmpegClip = Clip & {
  /** As Exif counts; 1 where the picture stands upright. */
  readonly orientation: Orientation
}

/**
 * Throws InputError INPUT_VIDEO_DECODER where ffmpeg or ffprobe is not installed, INPUT_VIDEO_UNREADABLE, INPUT_VIDEO_EMPTY
 * or INPUT_VIDEO_TOO_LARGE for what they cannot or must not read.
 */
export async function ffmpegClip(
  lend: () => Promise<LentFile>,
  {
    autoOrient,
    signal,
  }: { readonly autoOrient: boolean; readonly signal?: AbortSignal | undefined },
): Promise<FfmpegClip> {
  await using file = await lend()
  const [found, fpsMode] = await Promise.all([probe(file, signal), passthrough(signal)])
  const report = checkReport(file.name, found)
  const { times, framesPerSecond, frames } = report
  const orientation = orientationOf(report.rotation)
  const turn = (image: RgbImage) => (autoOrient ? orientImage(image, orientation) : image)
  const first = times?.[0] ?? 0
  return {
    frames,
    framesPerSecond,
    orientation,
    timeOf: (frame) => (times ? (times[frame] as number) - first : frame / framesPerSecond),
    async *read(taken, stop) {
      await using opened = await lend()
      const film = { ...opened, report, fpsMode }
      for await (const image of filmFrames(film, taken, stop)) yield turn(image)
    },
  }
}

/** The same facts while the caller waits. */
export function ffmpegClipInfo({ path, name }: Pick<LentFile, 'path' | 'name'>): ClipInfo {
  const reader = new FfprobeReader()
  let lines: string
  try {
    lines = execFileSync('ffprobe', probeArguments(path), {
      encoding: 'utf8',
      maxBuffer: MOST_PROBE_BYTES,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: string }
    if (code === 'ENOENT') throw missingTool('ffprobe', error)
    throw unreadableFile(name, String(stderr ?? ''))
  }
  for (const line of lines.split('\n')) reader.line(line)
  return checkReport(name, reader.finish())
}

/** A line for each frame of the longest film. */
const MOST_PROBE_BYTES = 1 << 28

function probeArguments(path: string): string[] {
  // V: streams that are films, not the picture on a record's sleeve.
  const what = ['-select_streams', 'V:0', '-show_entries', FFPROBE_ENTRIES, '-of', 'compact']
  return ['-v', 'error', ...what, ...inputArguments(path)]
}

async function probe(
  { path, name }: LentFile,
  signal: AbortSignal | undefined,
): Promise<FfprobeReport | null> {
  const reader = new FfprobeReader()
  const run = startTool('ffprobe', probeArguments(path), signal)
  for await (const line of createInterface({ input: run.output })) reader.line(line)
  const { code, complaint } = await run.end
  signal?.throwIfAborted()
  if (code !== 0) throw unreadableFile(name, complaint)
  return reader.finish()
}

function checkReport(name: string, report: FfprobeReport | null): FfprobeReport {
  if (!report) throw emptyClip(`${name} has no video in it`)
  if (report.frames === 0) throw emptyClip(`${name} has none`)
  if (!isSize(report.size)) throw unreadableFile(name, 'the size of its frames is not known')
  checkClipSize(report.size)
  return report
}

/** Exif's number for a turn, counterclockwise in degrees; in between nobody holds a phone. */
function orientationOf(rotation: number): Orientation {
  const quarters = ((Math.round(rotation / 90) % 4) + 4) % 4
  return ([1, 8, 3, 6] as const)[quarters] as Orientation
}

/** The flag against repeated and dropped frames; it was renamed in 5.1. */
async function passthrough(signal: AbortSignal | undefined): Promise<readonly string[]> {
  const run = startTool('ffmpeg', ['-version'], signal)
  let version = ''
  for await (const line of createInterface({ input: run.output })) version ||= line
  await run.end
  const [, major, minor = 0] = /version n?(\d+)(?:\.(\d+))?/.exec(version) ?? []
  const isOld =
    major !== undefined && (Number(major) < 5 || (Number(major) === 5 && Number(minor) < 1))
  return isOld ? ['-vsync', 'passthrough'] : ['-fps_mode', 'passthrough']
}

function unreadableFile(name: string, complaint: string): InputError {
  const foreign = /\[(\S+) @ \w+\] Format not on whitelist/.exec(complaint)
  if (foreign) return unreadableClip(name, `is no film (it looks like ${foreign[1]})`)
  const reason = firstLine(complaint).replace(/^file:.*: /, '') || 'ffmpeg does not say why'
  return unreadableClip(name, `cannot be read: ${reason.replace(/\.$/, '')}`)
}
