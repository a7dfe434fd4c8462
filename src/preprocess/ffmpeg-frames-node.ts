/**
 * Frames of a film by their numbers, through a pipe: nothing is written to disk, and of a long film no more than a frame is
 * in memory.
 *
 * The flags give the bytes that PyAV and decord give before any turning: no frames repeated to keep a rate, swscale as it is.
 * Sources: FFmpeg 5.1 doc/ffmpeg.texi, doc/filters.texi (trim), fftools/ffmpeg_opt.c (`-ss` counts from the start of the
 * file's clock).
 */
import { resolve } from 'node:path'
import { firstLine, isNotKnown, oldTool, startTool } from './ffmpeg-process-node.ts'
import type { FfprobeReport } from './ffprobe-report.ts'
import { unreadableClip } from './frames.ts'
import type { ImageSize, RgbImage } from './image.ts'

export type Film = {
  readonly path: string
  readonly name: string
  readonly report: FfprobeReport
  /** What `ffmpeg -version` says. */
  readonly version: string
}

/** Frames further apart than this are jumped to: to decode what lies between would take longer than another start. */
const FAR_FRAMES = 200
/** More conditions than this make a filter slow; frames that dense are all decoded anyway. */
const MOST_CONDITIONS = 500

/**
 * `taken`: numbers of frames, ascending. Throws InputError INPUT_VIDEO_UNREADABLE where one cannot be had, and
 * INPUT_VIDEO_DECODER where ffmpeg is too old.
 */
export async function* filmFrames(
  film: Film,
  taken: readonly number[],
  signal: AbortSignal | undefined,
): AsyncGenerator<RgbImage> {
  const { times, size } = film.report
  const isFar = (taken.at(-1) ?? 0) > FAR_FRAMES * taken.length
  if (times && isFar) {
    for (const frame of taken) {
      yield pictureOf(size, await jumpTo(film, times, { frame, signal }))
    }
    return
  }
  const isDense = taken.length > MOST_CONDITIONS
  const wanted = isDense ? taken : taken.map((_, i) => i)
  const filter = isDense ? [] : ['-vf', `select=${anyOf(taken)}`]
  const count = (wanted.at(-1) ?? 0) + 1
  let next = 0
  let given = 0
  const run = startFrames(film, { seek: [], filter, count }, signal)
  for await (const data of run.frames) {
    if (next++ !== wanted[given]) continue
    given++
    yield pictureOf(size, data)
  }
  if (given < taken.length) throw await missingFrame(film, taken[given] as number, run.complaint)
}

/** True of the frames numbered. In halves, because ffmpeg refuses sums that are a hundred terms deep. */
function anyOf(frames: readonly number[]): string {
  if (frames.length === 1) return `eq(n\\,${frames[0]})`
  const half = frames.length >> 1
  return `(${anyOf(frames.slice(0, half))}+${anyOf(frames.slice(half))})`
}

/**
 * Seconds before a frame at which decoding begins. Where the file jumps past it, or what it is made of lies further back
 * (the leading pictures of an open group), the next is tried, and the beginning last.
 */
const RUN_UPS = [1, 15, Infinity]

async function jumpTo(
  film: Film,
  times: Float64Array,
  { frame, signal }: { readonly frame: number; readonly signal: AbortSignal | undefined },
): Promise<Uint8Array> {
  // Half-way between frames no rounding of times can hit the wrong one.
  const between = (at: number) => ((times[at - 1] as number) + (times[at] as number)) / 2
  const start = frame > 0 ? [`start=${between(frame).toFixed(6)}`] : []
  const end = frame + 1 < times.length ? [`end=${between(frame + 1).toFixed(6)}`] : []
  const filter = ['-copyts', '-vf', `trim=${[...start, ...end].join(':')}`]
  let complaint = Promise.resolve('')
  for (const runUp of RUN_UPS) {
    const from = (times[frame] as number) - film.report.clockStart - runUp
    const seek = from > 0 ? ['-noaccurate_seek', '-ss', from.toFixed(6)] : []
    const run = startFrames(film, { seek, filter, count: 1 }, signal)
    for await (const data of run.frames) return data
    complaint = run.complaint
    if (seek.length === 0) break
  }
  throw await missingFrame(film, frame, complaint)
}

type FramesRun = {
  readonly frames: AsyncIterable<Uint8Array>
  /** What ffmpeg said, once it is through. */
  readonly complaint: Promise<string>
}

/** One run of ffmpeg over the film: `count` of the frames that the filter lets through. */
function startFrames(
  { path, report, version }: Film,
  run: {
    readonly seek: readonly string[]
    readonly filter: readonly string[]
    readonly count: number
  },
  signal: AbortSignal | undefined,
): FramesRun {
  const input = ['-nostdin', '-v', 'error', '-noautorotate', ...run.seek, ...inputArguments(path)]
  const passthrough = [fpsFlag(version), 'passthrough']
  const frames = ['-map', '0:V:0', ...run.filter, ...passthrough, '-frames:v', String(run.count)]
  const output = ['-pix_fmt', 'rgb24', '-f', 'rawvideo', '-']
  const ffmpeg = startTool('ffmpeg', [...input, ...frames, ...output], signal)
  const complaint = ffmpeg.end.then((end) => end.complaint)
  complaint.catch(() => {})
  const { width, height } = report.size
  return {
    complaint,
    frames: (async function* () {
      try {
        yield* pieces(ffmpeg.output, width * height * 3)
        await ffmpeg.end
        signal?.throwIfAborted()
      } finally {
        ffmpeg.kill()
      }
    })(),
  }
}

/** libavutil of FFmpeg 5.1, in which the flag against repeated and dropped frames was renamed. */
const RENAMED_IN = 57_028

/** By the library, since builds call themselves what they like: `N-47683-g0e8eb07980`, `git-2020-01-01`. */
function fpsFlag(version: string): string {
  const [, major, minor] = /libavutil\s+(\d+)\.\s*(\d+)\./.exec(version) ?? []
  const isOld = major !== undefined && 1000 * Number(major) + Number(minor) < RENAMED_IN
  return isOld ? '-vsync' : '-fps_mode'
}

async function missingFrame(
  { name, version }: Film,
  frame: number,
  complaint: Promise<string>,
): Promise<Error> {
  const said = await complaint
  if (isNotKnown(said)) return oldTool('ffmpeg', version, said)
  const why = firstLine(said).replace(/\.$/, '')
  const reason = why === '' ? '' : ` (${why})`
  return unreadableClip(name, `is damaged: frame ${frame + 1} cannot be decoded${reason}`)
}

function pictureOf({ width, height }: ImageSize, data: Uint8Array): RgbImage {
  return { width, height, channels: 3, data }
}

/** A stream cut into pieces of `size` bytes; what is left over at the end is dropped. */
async function* pieces(
  stream: AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<Uint8Array> {
  let piece = new Uint8Array(size)
  let filled = 0
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length;) {
      const part = chunk.subarray(at, at + size - filled)
      piece.set(part, filled)
      filled += part.length
      at += part.length
      if (filled < size) continue
      yield piece
      piece = new Uint8Array(size)
      filled = 0
    }
  }
}

/** Containers of films. Playlists and scripts are not among them: they name other files. */
const FORMATS =
  'mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,av1,obu,ivf,flv,ogg,asf,mxf,nut,rm,dv,gif,apng,yuv4mpegpipe'

/** The file alone is opened, whatever is in it; `file:` keeps a name such as `http:…` from being an address. */
export function inputArguments(path: string): string[] {
  return [
    '-protocol_whitelist',
    'file',
    '-format_whitelist',
    FORMATS,
    '-i',
    `file:${resolve(path)}`,
  ]
}
