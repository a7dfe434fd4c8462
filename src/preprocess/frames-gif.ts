/**
 * The frames of an animated GIF as RGB, as Pillow shows them one after another.
 *
 * Each frame is drawn over what the one before it left. Three habits of Pillow's are kept: a frame that does not say what
 * becomes of it does as the last one that did; what is cleared takes the shade behind the transparent colour; and what a
 * frame adds to the screen has the first colour of its palette, or is black where it has a transparent one, and is black
 * when restored. One is not: where the palette of the file is a ramp of greys (0, 1, 2, …) and the second frame has its own, Pillow shows that
 * frame's numbers as greys; here it has its colours, as the specification says.
 * Sources: GIF89a specification; python-pillow/Pillow 12.3 src/PIL/GifImagePlugin.py.
 */
import { InputError } from '../core/errors.ts'
import { ByteReader } from './byte-reader.ts'
import type { Steps } from '../core/steps.ts'
import { checkClipSize, emptyClip, unreadableClip, type Clip } from './frames.ts'
import type { ImageSize, Region, RgbImage } from './image.ts'
import { completePalette } from './palette.ts'
import { WindowReader, type ByteSource } from './random-bytes.ts'
import { decodeLzw, interlacedRows } from './read-gif.ts'

/** What becomes of a frame before the next is drawn: it stays, its place is cleared, or shows what it showed before. */
type Disposal = 'keep' | 'clear' | 'restore'

/** What the extension in front of a frame says of it. */
type Control = {
  readonly transparent: number | null
  readonly disposal: Disposal
  /** Seconds that it is shown. */
  readonly seconds: number
}

type Frame = Control &
  Region & {
    /** Where its data begin: the size of its codes, then blocks, as far as `end`. */
    readonly at: number
    end: number
    readonly isInterlaced: boolean
    /** 256 entries of RGB. */
    readonly palette: Uint8Array
    /** The colour of its place when cleared. */
    readonly cleared: number
  }

/**
 * Where its frames are is found a piece at a time, and their data are read when they are shown: a file of any length takes
 * little memory, and holds nobody up. Throws InputError INPUT_VIDEO_UNREADABLE, INPUT_VIDEO_EMPTY.
 */
export function* gifSteps(source: ByteSource): Steps<Clip> {
  const { size, frames } = yield* frameSteps(source)
  // The last one is where the clip ends.
  const starts = [0]
  let end = 0
  for (const { seconds } of frames) starts.push((end += seconds))
  return {
    frames: frames.length,
    framesPerSecond: frames.length / end,
    timeOf: (frame) => starts[frame] as number,
    async *read(taken, signal) {
      const screen = new Screen(source, size, frames)
      for (const frame of taken) yield await screen.show(frame, signal)
    },
  }
}

/** Faults of pictures as faults of clips. */
function asClip<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof InputError) || error.code !== 'INPUT_IMAGE_UNREADABLE') throw error
    const reason = /but (.*)\.$/.exec(error.message)?.[1] ?? error.message
    throw unreadableClip('a GIF', `cannot be read: ${reason}`, { cause: error })
  }
}

/** Delays up to this are taken for 0.1 s, as browsers and ffmpeg take them. */
const SHORTEST_DELAY = 1
const USUAL_SECONDS = 0.1
const DISPOSALS: { readonly [bits: number]: Disposal } = { 1: 'keep', 2: 'clear', 3: 'restore' }

type Screenful = { readonly size: ImageSize; readonly frames: readonly Frame[] }

function* frameSteps({ open }: ByteSource): Steps<Screenful> {
  const walk = asClip(() => open((bytes) => new FrameWalk(new WindowReader(bytes))))
  while (!asClip(() => open((bytes) => walk.advance(new WindowReader(bytes))))) yield
  const [first] = walk.frames
  if (!first) throw emptyClip('a GIF has none')
  // Files whose screen is smaller than their frames are common: what is seen is as large as both.
  const { width, height } = grownSize(walk.size, first)
  if (width * height === 0) throw unreadableClip('a GIF', `says ${width} × ${height} pixels`)
  return walk
}

/** Blocks that are looked at before others have their turn. */
const BLOCKS_A_STEP = 1 << 13

/** A walk over the file's blocks, as far as it came. */
class FrameWalk {
  readonly size: ImageSize
  readonly frames: Frame[] = []
  readonly #globals: Globals
  #control: Control = { transparent: null, disposal: 'keep', seconds: USUAL_SECONDS }
  #at: number
  /** Whether `#at` is within a chain of blocks, and whether those are a frame's data. */
  #isInChain = false
  #isOfFrame = false
  #left = 0

  constructor(reader: WindowReader) {
    const flags = reader.u8(10)
    const paletteSize = flags & 0x80 ? 3 << ((flags & 7) + 1) : 0
    this.size = { width: reader.u16(6), height: reader.u16(8) }
    this.#globals = {
      palette: readPalette(reader, 13, paletteSize),
      paletteSize,
      background: paletteSize > 0 ? reader.u8(11) : 0,
    }
    this.#at = 13 + paletteSize
  }

  /** Goes on for a while; true at the end. */
  advance(reader: WindowReader): boolean {
    this.#left = BLOCKS_A_STEP
    // Files that end without the byte that says so are common.
    while (this.#at < reader.length) {
      if (this.#left-- <= 0) return false
      if (this.#isInChain) {
        this.#skipBlocks(reader)
        continue
      }
      const kind = reader.u8(this.#at++)
      if (kind === 0x3b) break
      if (kind === 0x21) this.#extension(reader)
      if (kind === 0x2c) this.#frame(reader)
    }
    return true
  }

  #extension(reader: WindowReader): void {
    if (reader.u8(this.#at) === 0xf9) {
      this.#control = readControl(reader, this.#at + 2, this.#control.disposal)
    }
    this.#at++
    this.#isInChain = true
    this.#isOfFrame = false
  }

  #frame(reader: WindowReader): void {
    const parts = { control: this.#control, isFirst: this.frames.length === 0, ...this.#globals }
    const frame = readFrame(reader, this.#at, parts)
    this.frames.push(frame)
    this.#control = { ...this.#control, transparent: null, seconds: USUAL_SECONDS }
    this.#at = frame.at + 1
    this.#isInChain = true
    this.#isOfFrame = true
  }

  /** Towards the end of a chain of blocks; one that the file cuts off ends with the file. */
  #skipBlocks(reader: WindowReader): void {
    for (; this.#at < reader.length && this.#left > 0; this.#left--) {
      const length = reader.u8(this.#at)
      this.#at += length + 1
      if (length > 0) continue
      this.#isInChain = false
      const last = this.frames.at(-1)
      if (this.#isOfFrame && last) last.end = this.#at
      return
    }
  }
}

type Globals = {
  readonly palette: Uint8Array
  readonly paletteSize: number
  readonly background: number
}

function readControl(reader: WindowReader, at: number, before: Disposal): Control {
  const flags = reader.u8(at)
  const delay = reader.u16(at + 1)
  return {
    transparent: flags & 1 ? reader.u8(at + 3) : null,
    disposal: DISPOSALS[(flags >> 2) & 7] ?? before,
    seconds: delay > SHORTEST_DELAY ? delay / 100 : USUAL_SECONDS,
  }
}

function readFrame(
  reader: WindowReader,
  at: number,
  parts: Globals & { readonly control: Control; readonly isFirst: boolean },
): Frame {
  const { control, background } = parts
  const [left, top, width, height] = [0, 2, 4, 6].map((offset) => reader.u16(at + offset))
  const flags = reader.u8(at + 8)
  const ownSize = flags & 0x80 ? 3 << ((flags & 7) + 1) : 0
  const palette = ownSize > 0 ? readPalette(reader, at + 9, ownSize) : parts.palette
  const cleared = control.transparent ?? background
  // Outside its palette the first frame clears with black, later ones with their first colour.
  const isKept = parts.isFirst || cleared * 3 < (ownSize || parts.paletteSize)
  return {
    ...control,
    left: left as number,
    top: top as number,
    width: width as number,
    height: height as number,
    at: at + 9 + ownSize,
    end: reader.length,
    isInterlaced: (flags & 0x40) !== 0,
    palette,
    cleared: isKept ? cleared : 0,
  }
}

function readPalette(reader: WindowReader, at: number, size: number): Uint8Array {
  return completePalette(size > 0 ? reader.copy(at, size) : new Uint8Array(0))
}

/** What is seen, and how far the frames were drawn. */
class Screen {
  readonly #source: ByteSource
  readonly #frames: readonly Frame[]
  /** What is seen with each frame: as large as the screen and all frames so far. */
  readonly #sizes: readonly ImageSize[]
  #picture: RgbImage
  #drawn = -1
  /** What the frame drawn last covered, where that is to be restored. */
  #covered: RgbImage | null = null

  constructor(source: ByteSource, size: ImageSize, frames: readonly Frame[]) {
    this.#source = source
    this.#frames = frames
    let seen = size
    this.#sizes = frames.map((frame) => (seen = grownSize(seen, frame)))
    this.#picture = blank(size)
  }

  async show(frame: number, signal: AbortSignal | undefined): Promise<RgbImage> {
    for (let next = this.#start(frame); next <= frame; next++) {
      signal?.throwIfAborted()
      const { at, end } = this.#frames[next] as Frame
      const data = await this.#source.readLater(at, end - at, signal)
      asClip(() => this.#draw(next, data))
      // Large frames take long: others may have the thread between them.
      await new Promise((resolve) => setTimeout(resolve, 0))
    }
    return { ...this.#picture, data: this.#picture.data.slice() }
  }

  /** The first frame to draw: one that hides everything needs none before it. */
  #start(frame: number): number {
    for (let candidate = frame; candidate > this.#drawn + 1; candidate--) {
      const one = this.#frames[candidate] as Frame
      const { width, height } = this.#sizes[candidate] as ImageSize
      const isWhole = one.width === width && one.height === height
      if (isWhole && one.transparent === null && one.disposal !== 'restore') return candidate
    }
    return this.#drawn + 1
  }

  #draw(index: number, data: Uint8Array): void {
    const frame = this.#frames[index] as Frame
    if (index > 0 && this.#drawn === index - 1) this.#dispose(index - 1)
    const size = this.#sizes[index] as ImageSize
    const isRestored = index > 0 && frame.disposal === 'restore'
    this.#covered = isRestored ? cut(grown(this.#picture, size, BLACK), frame) : null
    this.#picture =
      index === 0
        ? filled(size, colourOf(frame, frame.transparent ?? 0))
        : grown(this.#picture, size, addedColour(frame))
    this.#paint(frame, data, index === 0)
    this.#drawn = index
  }

  #dispose(index: number): void {
    const frame = this.#frames[index] as Frame
    if (this.#covered) paste(this.#picture, this.#covered, frame)
    // There is nothing before the first frame; Pillow clears it if it is transparent.
    const isFirst = index === 0 && frame.disposal === 'restore' && frame.transparent !== null
    if (frame.disposal === 'clear' || isFirst) {
      fill(this.#picture, frame, colourOf(frame, frame.cleared))
    }
  }

  /** Draws a frame; in the first one transparent pixels show their colour. */
  #paint(frame: Frame, codes: Uint8Array, isFirst: boolean): void {
    const { left, top, width, height, palette, transparent } = frame
    const indices = decodeLzw(new ByteReader(codes), 0, width * height)
    const rows = frame.isInterlaced ? interlacedRows(height) : null
    const { data, width: stride } = this.#picture
    for (let row = 0; row < height; row++) {
      const y = top + (rows ? (rows[row] as number) : row)
      let to = (y * stride + left) * 3
      for (let from = row * width; from < (row + 1) * width; from++, to += 3) {
        const index = indices[from] as number
        if (index === transparent && !isFirst) continue
        data[to] = palette[index * 3] as number
        data[to + 1] = palette[index * 3 + 1] as number
        data[to + 2] = palette[index * 3 + 2] as number
      }
    }
  }
}

type Colour = readonly [number, number, number]

const BLACK: Colour = [0, 0, 0]

/** Of what a frame adds to the screen beside its own place. */
function addedColour(frame: Frame): Colour {
  return frame.transparent === null ? colourOf(frame, 0) : BLACK
}

function colourOf({ palette }: Frame, index: number): Colour {
  return [0, 1, 2].map((c) => palette[index * 3 + c] as number) as unknown as Colour
}

function blank({ width, height }: ImageSize): RgbImage {
  checkClipSize({ width, height })
  return { width, height, channels: 3, data: new Uint8Array(width * height * 3) }
}

function filled(size: ImageSize, colour: Colour): RgbImage {
  const picture = blank(size)
  fill(picture, { left: 0, top: 0, ...size }, colour)
  return picture
}

/** The picture in another size, which is no smaller; what is added has one colour. */
function grown(picture: RgbImage, size: ImageSize, added: Colour): RgbImage {
  if (size.width === picture.width && size.height === picture.height) return picture
  const larger = filled(size, added)
  paste(larger, picture, { left: 0, top: 0 })
  return larger
}

function grownSize(size: ImageSize, frame: Region): ImageSize {
  return {
    width: Math.max(size.width, frame.left + frame.width),
    height: Math.max(size.height, frame.top + frame.height),
  }
}

function fill({ data, width }: RgbImage, region: Region, colour: Colour): void {
  for (let y = region.top; y < region.top + region.height; y++) {
    for (let x = region.left; x < region.left + region.width; x++) {
      data.set(colour, (y * width + x) * 3)
    }
  }
}

function cut(picture: RgbImage, { left, top, width, height }: Region): RgbImage {
  const piece = blank({ width, height })
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * picture.width + left) * 3
    piece.data.set(picture.data.subarray(from, from + width * 3), y * width * 3)
  }
  return piece
}

function paste(
  target: RgbImage,
  piece: RgbImage,
  { left, top }: { left: number; top: number },
): void {
  const { width, height, data } = piece
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * width * 3, (y + 1) * width * 3)
    target.data.set(row, ((top + y) * target.width + left) * 3)
  }
}
