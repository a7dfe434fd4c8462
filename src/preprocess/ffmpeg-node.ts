/** Clips that need a decoder, through the `ffmpeg` and `ffprobe` of the system, which are found by trying. */
import { execFileSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { InputError } from '../core/errors.ts'
import { filmFrames, inputArguments } from './ffmpeg-frames-node.ts'
import {
  firstLine,
  isNotKnown,
  missingTool,
  oldTool,
  startTool,
  versionOf,
  versionOfSync,
} from './ffmpeg-process-node.ts'
import {
  FFPROBE_ENTRIES,
  FfprobeReader,
  isUnknownSection,
  firstFramesArguments,
  type FfprobeReport,
} from './ffprobe-report.ts'
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
 * Throws InputError INPUT_VIDEO_DECODER where ffmpeg or ffprobe is not installed or too old, INPUT_VIDEO_UNREADABLE,
 * INPUT_VIDEO_EMPTY or INPUT_VIDEO_TOO_LARGE for what they cannot or must not read.
 */
export async function ffmpegClip(
  lend: () => Promise<LentFile>,
  {
    autoOrient,
    signal,
  }: { readonly autoOrient: boolean; readonly signal?: AbortSignal | undefined },
): Promise<FfmpegClip> {
  await using file = await lend()
  const [found, version] = await Promise.all([probe(file, signal), versionOf('ffmpeg', signal)])
  const report = checkReport(file.name, found)
  const orientation = orientationOf(report.rotation)
  const turn = (image: RgbImage) => (autoOrient ? orientImage(image, orientation) : image)
  return {
    ...infoOf(report),
    orientation,
    async *read(taken, stop) {
      await using opened = await lend()
      const film = { ...opened, report, version }
      for await (const image of filmFrames(film, taken, stop)) yield turn(image)
    },
  }
}

/** The same facts while the caller waits. */
export function ffmpegClipInfo({ path, name }: Pick<LentFile, 'path' | 'name'>): ClipInfo {
  let complaint: string | null = ''
  for (const entries of FFPROBE_ENTRIES) {
    const reader = new FfprobeReader()
    complaint = readSync(reader, path, ['-show_entries', entries])
    if (complaint === null && reader.doubtfulPackets > 0) {
      complaint = readSync(reader, path, firstFramesArguments(reader.doubtfulPackets))
    }
    if (complaint === null) return infoOf(checkReport(name, reader.finish()))
    if (!isUnknownSection(complaint)) break
  }
  if (isNotKnown(complaint)) throw oldTool('ffprobe', versionOfSync('ffprobe'), complaint)
  throw unreadableFile(name, complaint)
}

/** Hands what ffprobe says to the reader; its complaint where it fails. */
function readSync(reader: FfprobeReader, path: string, asked: readonly string[]): string | null {
  try {
    const lines = execFileSync('ffprobe', probeArguments(path, asked), {
      encoding: 'utf8',
      maxBuffer: MOST_PROBE_BYTES,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const line of lines.split('\n')) reader.line(line)
    return null
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: string }
    if (code === 'ENOENT') throw missingTool('ffprobe', error)
    return String(stderr ?? '')
  }
}

/** A line for each frame of the longest film. */
const MOST_PROBE_BYTES = 1 << 28

function probeArguments(path: string, asked: readonly string[]): string[] {
  // V: streams that are films, not the picture on a record's sleeve.
  const stream = ['-select_streams', 'V:0', '-of', 'compact']
  return ['-v', 'error', ...stream, ...asked, ...inputArguments(path)]
}

async function probe(
  { path, name }: LentFile,
  signal: AbortSignal | undefined,
): Promise<FfprobeReport | null> {
  let complaint: string | null = ''
  for (const entries of FFPROBE_ENTRIES) {
    const reader = new FfprobeReader()
    const read = (asked: readonly string[]) => readLines(reader, { path, asked, signal })
    complaint = await read(['-show_entries', entries])
    if (complaint === null && reader.doubtfulPackets > 0) {
      complaint = await read(firstFramesArguments(reader.doubtfulPackets))
    }
    if (complaint === null) return reader.finish()
    if (!isUnknownSection(complaint)) break
  }
  if (isNotKnown(complaint)) throw oldTool('ffprobe', await versionOf('ffprobe', signal), complaint)
  throw unreadableFile(name, complaint)
}

/** As `readSync`. */
async function readLines(
  reader: FfprobeReader,
  run: {
    readonly path: string
    readonly asked: readonly string[]
    readonly signal: AbortSignal | undefined
  },
): Promise<string | null> {
  const tool = startTool('ffprobe', probeArguments(run.path, run.asked), run.signal)
  for await (const line of createInterface({ input: tool.output })) reader.line(line)
  const { code, complaint } = await tool.end
  run.signal?.throwIfAborted()
  return code === 0 ? null : complaint
}

function checkReport(name: string, report: FfprobeReport | null): FfprobeReport {
  if (!report) throw emptyClip(`${name} has no video in it`)
  if (!isSize(report.size)) throw unreadableFile(name, 'the size of its frames is not known')
  if (report.frames === 0) throw emptyClip(`${name} has none`)
  checkClipSize(report.size)
  return report
}

function infoOf({ frames, framesPerSecond, times, seconds }: FfprobeReport) {
  const first = times?.[0] ?? 0
  return {
    frames,
    framesPerSecond,
    timeOf: (frame: number) => {
      if (frame === frames) return seconds
      return times ? (times[frame] as number) - first : frame / framesPerSecond
    },
  }
}

/** Exif's number for a turn, counterclockwise in degrees; in between nobody holds a phone. */
function orientationOf(rotation: number): Orientation {
  const quarters = ((Math.round(rotation / 90) % 4) + 4) % 4
  return ([1, 8, 3, 6] as const)[quarters] as Orientation
}

function unreadableFile(name: string, complaint: string): InputError {
  const foreign = /\[(\S+) @ \w+\] Format not on whitelist/.exec(complaint)
  if (foreign) return unreadableClip(name, `is no film (it looks like ${foreign[1]})`)
  const reason = firstLine(complaint).replace(/^file:.*: /, '') || 'ffmpeg does not say why'
  return unreadableClip(name, `cannot be read: ${reason.replace(/\.$/, '')}`)
}
