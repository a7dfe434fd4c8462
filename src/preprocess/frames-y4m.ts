/**
 * The frames of a YUV4MPEG2 file, which are not compressed and so need no decoder.
 *
 * Source: the yuv4mpeg(5) manual of mjpegtools; FFmpeg 5.1 libavformat/yuv4mpegdec.c (names of colour spaces).
 */
import { InputError } from '../core/errors.ts'
import type { Steps } from '../core/steps.ts'
import { checkClipSize, emptyClip, unreadableClip, type Clip } from './frames.ts'
import { isPositiveInteger, type ImageSize } from './image.ts'
import type { ByteSource, RandomBytes } from './random-bytes.ts'
import { yuvFrameBytes, yuvToRgb, type YuvFormat } from './yuv-to-rgb.ts'

/** Throws InputError INPUT_VIDEO_UNREADABLE, INPUT_VIDEO_EMPTY; what was not looked at before throws when it is read. */
export function* y4mSteps(source: ByteSource): Steps<Clip> {
  const { header, size: bytes } = source.open((file) => ({
    header: readHeader(file),
    size: file.size,
  }))
  const places = regularPlaces(source, header, bytes) ?? (yield* placeSteps(source, header, bytes))
  if (places.count === 0) throw emptyClip('a Y4M file has none')
  const { framesPerSecond, frameBytes, size, format } = header
  return {
    frames: places.count,
    framesPerSecond,
    timeOf: (frame) => frame / framesPerSecond,
    async *read(taken, signal) {
      for (const frame of taken) {
        signal?.throwIfAborted()
        const { at, headBytes } = places.of(frame)
        const whole = await source.readLater(at, headBytes + frameBytes, signal)
        checkFrame(readText(whole.subarray(0, FRAME.length)), at)
        yield yuvToRgb(whole.subarray(headBytes), size, format)
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
    throw new InputError(
      'INPUT_VIDEO_UNREADABLE',
      `video: expected a Y4M file whose colours are 8 bits of ${Object.keys(FORMATS).join(', ')}, ${name} came; convert it (ffmpeg -i IN -pix_fmt yuv420p OUT.y4m).`,
    )
  }
  // Grey is taken for what it says, as ffmpeg does.
  return { chroma, isFullRange: range === 'FULL' || chroma === null }
}

/** Where whole frames are: the line before each, as long as it is, and then its samples. A last frame that is cut off does not count. */
type Places = {
  readonly count: number
  of(frame: number): { readonly at: number; readonly headBytes: number }
}

/**
 * By counting, where no frame says more of itself than that it begins. Lines can only be longer than the shortest, so if
 * the last whole frame is where it would then be, all before it are; null otherwise.
 */
function regularPlaces(
  { open }: ByteSource,
  { end, frameBytes }: Header,
  size: number,
): Places | null {
  const headBytes = FRAME.length + 1
  const stride = headBytes + frameBytes
  const count = Math.floor((size - end) / stride)
  if (count === 0) return null
  const place = (frame: number) => ({ at: end + frame * stride, headBytes })
  const isThere = (frame: number) =>
    open((bytes) => readText(bytes.read(place(frame).at, headBytes)) === `${FRAME}\n`)
  const rest = size - end - count * stride
  const isRestFrame = rest === 0 || open((bytes) => isBeginning(bytes.read(place(count).at, 5)))
  return isThere(0) && isThere(count - 1) && isRestFrame ? { count, of: place } : null
}

const FRAMES_A_STEP = 64

function* placeSteps(
  { open }: ByteSource,
  { end, frameBytes }: Header,
  size: number,
): Steps<Places> {
  const starts: { at: number; headBytes: number }[] = []
  let at = end
  const walk = (bytes: RandomBytes) => {
    for (let i = 0; i < FRAMES_A_STEP && at < size; i++) {
      const line = readLine(bytes, at)
      checkFrame(line, at)
      const headBytes = line.length + 1
      if (at + headBytes + frameBytes <= size) starts.push({ at, headBytes })
      at += headBytes + frameBytes
    }
  }
  while (at < size) {
    open(walk)
    yield
  }
  return { count: starts.length, of: (frame) => starts[frame] as (typeof starts)[number] }
}

function checkFrame(line: string, at: number): void {
  if (line.startsWith(FRAME)) return
  throw unreadableClip('a Y4M file', `has no frame where one should begin, at byte ${at}`)
}

function isBeginning(piece: Uint8Array): boolean {
  return FRAME.startsWith(readText(piece))
}

function readText(piece: Uint8Array): string {
  return String.fromCharCode(...piece)
}

/** The characters up to the next line feed. */
function readLine(bytes: RandomBytes, at: number): string {
  for (const length of [64, MOST_LINE_BYTES]) {
    const piece = bytes.read(at, length)
    const end = piece.indexOf(10)
    if (end >= 0) return readText(piece.subarray(0, end))
  }
  throw unreadableClip('a Y4M file', `has a line without end at byte ${at}`)
}
