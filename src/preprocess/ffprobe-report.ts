/**
 * What ffprobe says of a file (`-of compact`), line by line: its first video stream and when each frame is shown.
 *
 * Source: FFmpeg 5.1 and 8.0 fftools/ffprobe.c. Packets are listed as they lie in the file, frames follow one another by their
 * times; packets marked D come before the beginning that an edit list sets, and give no frame. Nor do most of those in front of
 * the first key frame, or behind it and shown before it, of a film that begins in the middle of another: what they are made of
 * is not there. Of some it is, which packets do not say: a decoder is asked.
 */
import type { ImageSize } from './image.ts'

export type FfprobeReport = {
  readonly size: ImageSize
  /** Frames a second on average, as decord has them where the file knows it. */
  readonly framesPerSecond: number
  /** From when the first frame is shown to the end of the last. */
  readonly seconds: number
  /** float64[F]: seconds, ascending, on the file's clock; null where packets do not say, or begin anew on the way. */
  readonly times: Float64Array | null
  readonly frames: number
  /** Seconds at which the file's clock begins. */
  readonly clockStart: number
  /** How far a viewer is asked to turn the picture, counterclockwise, in degrees. */
  readonly rotation: number
}

const EVERY_FFPROBE =
  'stream=width,height,avg_frame_rate,r_frame_rate,duration,nb_frames:stream_tags=rotate:format=format_name,start_time:packet=pts_time,duration_time,flags'

/** What to ask for: the latter of an FFmpeg 4.0 that cannot name the first's side data, and tells the turn as a tag. */
export const FFPROBE_ENTRIES = [
  `${EVERY_FFPROBE}:stream_side_data=rotation`,
  EVERY_FFPROBE,
] as const

/** What decoders hold back before they give a frame: 16 pictures to be put in order, and as many threads at work. */
const DECODER_DELAY = 64

/** Arguments that ask which frames a decoder gives of the first packets, of a film that begins with so many doubtful ones. */
export function firstFramesArguments(packets: number): string[] {
  const interval = `%+#${packets + DECODER_DELAY}`
  // FFmpeg 4 has the second name alone.
  return ['-read_intervals', interval, '-show_entries', 'frame=pts_time,pkt_pts_time']
}

/** Whether ffprobe complains that it cannot name what was asked for. */
export function isUnknownSection(complaint: string): boolean {
  return complaint.startsWith('No match for section')
}

/** Takes the lines one by one, so that a long file costs eight bytes a frame. */
export class FfprobeReader {
  /** Seconds as they lie in the file; -Infinity where a packet does not say. */
  #times = new Float64Array(1024)
  #frames = 0
  #packets = 0
  /** Seconds of the first key frame; null before it. */
  #key: number | null = null
  #isBeginning = true
  /** Packets up to the last one that may be no frame. */
  #doubtfulPackets = 0
  /** Those of `#times` that a decoder is asked about, and seconds of the frames that it gives of them. */
  #asked = 0
  readonly #given: number[] = []
  /** The packet shown last: when, and seconds for how long, 0 where nobody says. */
  #last = { time: -Infinity, duration: 0 }
  /** Whether a key frame is shown before what came before it. */
  #goesBack = false
  /** Whether a packet is shown longer after all before it than ffmpeg takes for a pause. */
  #leaps = false
  #stream: Fields | null = null
  #clockStart = 0
  #format = ''

  line(line: string): void {
    if (line.startsWith('packet|')) this.#packet(line)
    else if (line.startsWith('frame|')) this.#given.push(timeOf(line))
    else if (line.startsWith('stream|')) this.#stream = fieldsOf(line)
    else if (line.startsWith('format|')) this.#container(fieldsOf(line))
  }

  /** 0 of most films. Of others the lines of `firstFramesArguments` are read before `finish`. */
  get doubtfulPackets(): number {
    return this.#doubtfulPackets
  }

  /** null where the file has no video stream. */
  finish(): FfprobeReport | null {
    const stream = this.#stream
    if (!stream) return null
    const times = this.#frameTimes()
    const isJoined = this.#isJoined()
    const isTimed = times[0] !== -Infinity && !isJoined
    const span = isTimed ? spanOf(times, this.#last.duration) : numberOf(stream['duration'])
    // A stated duration is that of all packets, also of those that give no frame.
    const counted = (isTimed ? times.length : this.#frames) / span
    const framesPerSecond = rateOf(stream, isJoined ? 0 : counted, isTimed)
    return {
      size: { width: numberOf(stream['width']), height: numberOf(stream['height']) },
      framesPerSecond,
      seconds: isTimed && span > 0 ? span : times.length / framesPerSecond,
      times: isTimed ? times : null,
      frames: times.length,
      clockStart: this.#clockStart,
      rotation: rotationOf(stream),
    }
  }

  #container(format: Fields): void {
    this.#format = format['format_name'] ?? ''
    this.#clockStart = numberOf(format['start_time'])
  }

  /** Whether the file is recordings that were joined, each with a clock of its own. */
  #isJoined(): boolean {
    return this.#goesBack || (this.#leaps && LEAPING_FORMATS.has(this.#format))
  }

  /** Ascending: first those that have no time. What a decoder was asked about is not told by times, which some packets lack. */
  #frameTimes(): Float64Array {
    const times = this.#times.slice(0, this.#frames)
    if (this.#doubtfulPackets === 0) return times.sort()
    const sure = times.subarray(this.#asked)
    const all = new Float64Array(this.#given.length + sure.length)
    all.set(this.#given)
    all.set(sure, this.#given.length)
    return all.sort()
  }

  #packet(line: string): void {
    const flags = fieldOf(line, 'flags') ?? ''
    const time = timeOf(line)
    const isKey = flags.includes('K')
    const isDoubtful = this.#isBeginning && this.#begins(time, isKey)
    this.#packets++
    if (!flags.includes('D')) {
      this.#add(time)
      if (isDoubtful) this.#doubtfulPackets = this.#packets
      if (isKey && time > -Infinity && time < this.#last.time) this.#goesBack = true
      if (this.#last.time > -Infinity && time > this.#last.time + LONGEST_PAUSE) this.#leaps = true
      if (time >= this.#last.time) {
        this.#last = { time, duration: numberOf(fieldOf(line, 'duration_time')) }
      }
    }
    if (this.#packets <= this.#doubtfulPackets + DECODER_DELAY) this.#asked = this.#frames
  }

  /**
   * Whether a packet of the beginning is doubtful. The beginning ends with the first picture that is shown behind the first key
   * frame, or where that has no time.
   */
  #begins(time: number, isKey: boolean): boolean {
    if (this.#key === null) {
      if (isKey) this.#key = time
      return !isKey
    }
    this.#isBeginning = this.#key !== -Infinity && time <= this.#key
    return this.#isBeginning
  }

  #add(time: number): void {
    if (this.#frames === this.#times.length) {
      const larger = new Float64Array(2 * this.#frames)
      larger.set(this.#times)
      this.#times = larger
    }
    this.#times[this.#frames++] = time
  }
}

/** Transport and program streams, whose clocks may begin anew; ffmpeg plays on at once after more seconds than these. */
const LEAPING_FORMATS: ReadonlySet<string> = new Set(['mpegts', 'mpeg'])
const LONGEST_PAUSE = 10

/** Seconds from the first frame to the end of the last, which takes as long as others where nobody says; 0 of one alone. */
function spanOf(times: Float64Array, lastDuration: number): number {
  const shown = (times.at(-1) ?? 0) - (times[0] ?? 0)
  return shown + (lastDuration || shown / Math.max(1, times.length - 1))
}

/**
 * A file that counts its frames knows their mean rate. Of others it is a nominal one, of a recording of a screen ten times too
 * high, and where packets have no times a guess: AVI files have been seen with twenty times their own.
 */
function rateOf(stream: Fields, counted: number, isTimed: boolean): number {
  const stated = ratioOf(stream['avg_frame_rate']) || ratioOf(stream['r_frame_rate']) || USUAL_RATE
  if (!(counted > 0 && Number.isFinite(counted))) return stated
  const isMean = numberOf(stream['nb_frames']) > 0 || Math.abs(stated / counted - 1) < RATE_ERROR
  return isTimed && isMean ? stated : counted
}

/** What a nominal rate may be off, since decord takes it: some frames lost, times rounded. */
const RATE_ERROR = 0.1

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

/** Seconds at which a packet or a frame is shown; -Infinity where it does not say. */
function timeOf(line: string): number {
  // FFmpeg 4.0 writes `3.840000side_data|`.
  const seconds = Number.parseFloat(
    fieldOf(line, 'pts_time') ?? fieldOf(line, 'pkt_pts_time') ?? '',
  )
  return Number.isFinite(seconds) ? seconds : -Infinity
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
