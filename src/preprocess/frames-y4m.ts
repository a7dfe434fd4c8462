/**
 * The frames of a YUV4MPEG2 file, which are not compressed and so need no decoder.
 *
 * Source: the yuv4mpeg(5) manual of mjpegtools; FFmpeg 5.1 libavformat/yuv4mpegdec.c (names of colour spaces).
 */
import { checkClipSize, emptyClip, unreadableClip, type Clip } from './frames.ts'
import { isPositiveInteger, type ImageSize } from './image.ts'
import { yuvFrameBytes, yuvToRgb, type YuvFormat } from './yuv-to-rgb.ts'

/** Bytes that can be read anywhere: a file's, or those in memory. */
export type RandomBytes = {
  readonly size: number
  /** Fewer than `length` only at the end. */
  read(at: number, length: number): Uint8Array
}

/** Opens the bytes whenever some are read, so that nothing stays open in between. */
export type OpenBytes = <T>(use: (bytes: RandomBytes) => T) => T

/** Throws InputError INPUT_VIDEO_UNREADABLE, INPUT_VIDEO_EMPTY. */
export function y4mClip(open: OpenBytes): Clip {
  const { header, starts } = open((bytes) => {
    const parsed = readHeader(bytes)
    return { header: parsed, starts: frameStarts(bytes, parsed) }
  })
  if (starts.length === 0) throw emptyClip('a Y4M file has none')
  const { framesPerSecond, frameBytes, size, format } = header
  return {
    frames: starts.length,
    framesPerSecond,
    timeOf: (frame) => frame / framesPerSecond,
    async *read(taken) {
      for (const frame of taken) {
        const planes = open((bytes) => bytes.read(starts[frame] as number, frameBytes))
        yield yuvToRgb(planes, size, format)
      }
    },
  }
}

type Header = {
  readonly size: ImageSize
  readonly framesPerSecond: number
  readonly format: YuvFormat
  /** Of one frame's samples. */
  readonly frameBytes: number
  /** Where the frames begin. */
  readonly end: number
}

const MOST_LINE_BYTES = 4096
const FRAME = 'FRAME'

function readHeader(bytes: RandomBytes): Header {
  const line = readLine(bytes, 0)
  const fields = line.split(' ').slice(1)
  const field = (name: string) => fields.find((text) => text.startsWith(name))?.slice(name.length)
  const size = { width: Number(field('W')), height: Number(field('H')) }
  if (!isPositiveInteger(size.width) || !isPositiveInteger(size.height)) {
    throw unreadableClip('a Y4M file', `says ${size.width} × ${size.height} pixels`)
  }
  checkClipSize(size)
  const [numerator = 0, denominator = 0] = (field('F') ?? '').split(':').map(Number)
  const rate = numerator / denominator
  const format = readFormat(field('C') ?? '420jpeg', field('XCOLORRANGE='))
  return {
    size,
    // A file may leave its rate open (0:0).
    framesPerSecond: rate > 0 && Number.isFinite(rate) ? rate : USUAL_RATE,
    format,
    frameBytes: yuvFrameBytes(size, format),
    end: line.length + 1,
  }
}

const USUAL_RATE = 25

const FORMATS: Readonly<Record<string, YuvFormat['chroma']>> = {
  '420': { x: 2, y: 2 },
  '420jpeg': { x: 2, y: 2 },
  '420mpeg2': { x: 2, y: 2 },
  '420paldv': { x: 2, y: 2 },
  '411': { x: 4, y: 1 },
  '422': { x: 2, y: 1 },
  '444': { x: 1, y: 1 },
  mono: null,
}

function readFormat(name: string, range: string | undefined): YuvFormat {
  const chroma = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined
  if (chroma === undefined) {
    throw unreadableClip(
      'a Y4M file',
      `has colours of the kind ${name}; known are ${Object.keys(FORMATS).join(', ')}`,
    )
  }
  // Grey is taken for what it says, as ffmpeg does.
  return { chroma, isFullRange: range === 'FULL' || chroma === null }
}

/** Where each whole frame's samples begin. A last frame that is cut off does not count. */
function frameStarts(bytes: RandomBytes, { end, frameBytes }: Header): number[] {
  const starts: number[] = []
  for (let at = end; at < bytes.size;) {
    const line = readLine(bytes, at)
    if (!line.startsWith(FRAME)) {
      throw unreadableClip('a Y4M file', `has no frame where one should begin, at byte ${at}`)
    }
    const start = at + line.length + 1
    at = start + frameBytes
    if (at <= bytes.size) starts.push(start)
  }
  return starts
}

/** The characters up to the next line feed. */
function readLine(bytes: RandomBytes, at: number): string {
  for (const length of [64, MOST_LINE_BYTES]) {
    const piece = bytes.read(at, length)
    const end = piece.indexOf(10)
    if (end >= 0) return String.fromCharCode(...piece.subarray(0, end))
  }
  throw unreadableClip('a Y4M file', `has a line without end at byte ${at}`)
}
