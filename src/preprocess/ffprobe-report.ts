/**
 * What ffprobe says of a file (`-of compact`), line by line: its first video stream and when each frame is shown.
 *
 * Source: FFmpeg 5.1 and 8.0 fftools/ffprobe.c. Packets are listed as they lie in the file, frames follow one another by their
 * times; packets marked D come before the beginning that an edit list sets, and give no frame.
 */
import type { ImageSize } from './image.ts'

export type FfprobeReport = {
  readonly size: ImageSize
  /** Frames a second on average. */
  readonly framesPerSecond: number
  /** float64[F]: seconds, ascending, on the file's clock; null where packets do not say. */
  readonly times: Float64Array | null
  readonly frames: number
  /** Seconds at which the file's clock begins. */
  readonly clockStart: number
  /** How far a viewer is asked to turn the picture, counterclockwise, in degrees. */
  readonly rotation: number
}

const EVERY_FFPROBE =
  'stream=width,height,avg_frame_rate,r_frame_rate,duration:stream_tags=rotate:format=start_time:packet=pts_time,flags'

/** What to ask for: the latter of an FFmpeg 4.0 that cannot name the first's side data, and tells the turn as a tag. */
export const FFPROBE_ENTRIES = [
  `${EVERY_FFPROBE}:stream_side_data=rotation`,
  EVERY_FFPROBE,
] as const

/** Whether ffprobe complains that it cannot name what was asked for. */
export function isUnknownSection(complaint: string): boolean {
  return complaint.startsWith('No match for section')
}

/** Takes the lines one by one, so that a long file costs eight bytes a frame. */
export class FfprobeReader {
  #times = new Float64Array(1024)
  #frames = 0
  #isTimed = true
  #stream: Fields | null = null
  #clockStart = 0

  line(line: string): void {
    if (line.startsWith('packet|')) this.#packet(line)
    else if (line.startsWith('stream|')) this.#stream = fieldsOf(line)
    else if (line.startsWith('format|')) this.#clockStart = numberOf(fieldsOf(line)['start_time'])
  }

  /** null where the file has no video stream. */
  finish(): FfprobeReport | null {
    const stream = this.#stream
    if (!stream) return null
    return {
      size: { width: numberOf(stream['width']), height: numberOf(stream['height']) },
      framesPerSecond: this.#rate(stream),
      times: this.#isTimed ? this.#times.slice(0, this.#frames).sort() : null,
      frames: this.#frames,
      clockStart: this.#clockStart,
      rotation: rotationOf(stream),
    }
  }

  /** Where packets have no times the rates are guesses too: AVI files have been seen with twenty times their own. */
  #rate(stream: Fields): number {
    const counted = this.#isTimed ? 0 : this.#frames / numberOf(stream['duration'])
    if (counted > 0 && Number.isFinite(counted)) return counted
    return ratioOf(stream['avg_frame_rate']) || ratioOf(stream['r_frame_rate']) || USUAL_RATE
  }

  #packet(line: string): void {
    if (fieldOf(line, 'flags')?.includes('D')) return
    if (this.#frames === this.#times.length) {
      const larger = new Float64Array(2 * this.#frames)
      larger.set(this.#times)
      this.#times = larger
    }
    const seconds = Number(fieldOf(line, 'pts_time'))
    if (Number.isFinite(seconds)) this.#times[this.#frames] = seconds
    else this.#isTimed = false
    this.#frames++
  }
}

const USUAL_RATE = 25

/** `rotation=90`, from FFmpeg 7 on `side_datum/display_matrix:rotation=90`. The tag of older files turns the other way. */
function rotationOf(stream: Fields): number {
  const name = Object.keys(stream).find((key) => /(?:^|:)rotation$/.test(key))
  return numberOf(stream[name ?? '']) || -numberOf(stream['tag:rotate']) || 0
}

type Fields = Readonly<Record<string, string>>

function fieldsOf(line: string): Fields {
  const pairs = line.split('|').flatMap((field): [string, string][] => {
    const at = field.indexOf('=')
    return at < 0 ? [] : [[field.slice(0, at), field.slice(at + 1)]]
  })
  return Object.fromEntries(pairs)
}

/** One field alone: there are as many packets as frames. */
function fieldOf(line: string, name: string): string | undefined {
  const at = line.indexOf(`|${name}=`)
  if (at < 0) return undefined
  const start = at + name.length + 2
  const end = line.indexOf('|', start)
  return end < 0 ? line.slice(start) : line.slice(start, end)
}

/** 0 for what is not a number ("N/A") or is not there. */
function numberOf(text: string | undefined): number {
  const value = Number(text)
  return Number.isFinite(value) ? value : 0
}

/** "30000/1001"; 0 for "0/0". */
function ratioOf(text: string | undefined): number {
  const [numerator, denominator] = (text ?? '').split('/').map(Number)
  const ratio = (numerator ?? 0) / (denominator ?? 1)
  return Number.isFinite(ratio) ? ratio : 0
}
