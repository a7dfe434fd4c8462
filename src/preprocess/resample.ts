/**
 * Pillow's two resampling passes over 8-bit pictures, bit for bit.
 *
 * The horizontal pass runs first and rounds to 8 bits, then the vertical one: Pillow up to 12 (each published LLaVA
 * was trained that way). Only what the wanted window needs is computed, and a picture may lie on a larger canvas of
 * one colour that is never built: a strip of 65000 × 1 padded to a square stays small.
 * Source: python-pillow/Pillow src/libImaging/Resample.c (ImagingResampleInner) at 4e5f09f.
 */
import type { Image, ImageSize, Region } from './image.ts'
import { fixedKernel, PRECISION_BITS, type Kernel, type ResampleFilter } from './resample-kernel.ts'
import { nearest } from './resample-nearest.ts'
import { openScalarPasses } from './resample-scalar.ts'
import { openSimdPasses } from './resample-simd.ts'

/** A picture lying at (left, top) on a canvas of one colour, one value per channel. */
export type Canvas = ImageSize & {
  readonly left: number
  readonly top: number
  readonly colour: readonly number[]
}

/** [left, top, right, bottom], fractions allowed. */
export type Box = readonly [number, number, number, number]

export type ResampleOrder = 'horizontalFirst' | 'verticalFirst'

export type Resampling = {
  readonly image: Image
  /** Default: the picture alone. */
  readonly canvas?: Canvas | undefined
  /** Part of the canvas that becomes the output; default: all of it. */
  readonly box?: Box | undefined
  readonly size: ImageSize
  /** Part of the output that is wanted; default: all of it. */
  readonly window?: Region | undefined
  readonly filter: ResampleFilter
  readonly order?: ResampleOrder | undefined
}

/** The wanted window of the resampled picture: [h, w, C] samples. */
export function resample(request: Resampling): Uint8Array {
  const { image, size, filter } = request
  const canvas = request.canvas ?? { ...image, left: 0, top: 0, colour: [] }
  const box = request.box ?? [0, 0, canvas.width, canvas.height]
  const window = request.window ?? { ...size, left: 0, top: 0 }
  if (filter === 'nearest') return nearest(image, canvas, box, size, window)
  const kernel = (
    inputs: number,
    outputs: number,
    from: number,
    to: number,
    start: number,
    count: number,
  ): Kernel =>
    inputs === outputs && from === 0 && to === outputs
      ? identityKernel(start, count)
      : fixedKernel(filter, { inputs, outputs, from, to, start, count })
  const columns = kernel(canvas.width, size.width, box[0], box[2], window.left, window.width)
  const rows = kernel(canvas.height, size.height, box[1], box[3], window.top, window.height)
  if (request.order !== 'verticalFirst') return twoPasses(image, canvas, columns, rows)
  const wide = identityKernel(columns.first, columns.last - columns.first)
  const data = twoPasses(image, canvas, wide, rows)
  const between: Image = {
    data,
    width: wide.count,
    height: window.height,
    channels: image.channels,
  }
  const shifted = { ...columns, starts: columns.starts.map((start) => start - columns.first) }
  return twoPasses(
    between,
    { ...between, left: 0, top: 0, colour: [] },
    { ...shifted, first: 0, last: wide.count },
    identityKernel(0, window.height),
  )
}

/** How one resampling is run: by plain loops, or with SIMD where the machine has it. */
export type Passes = {
  /** Takes `bandRows` input rows of the canvas at a time. */
  readonly band: Uint8Array | Uint8ClampedArray
  readonly bandRows: number
  /** What the horizontal pass wrote: rows [rows.first, rows.last), `stride` bytes apart. */
  readonly between: Uint8Array | Uint8ClampedArray
  readonly stride: number
  /** Runs the horizontal pass over the first `count` rows of the band, to row `to` of `between`. */
  horizontal(count: number, to: number): void
  vertical(): Uint8Array
}

export type PassPlan = {
  readonly channels: number
  /** Bytes of an input row. */
  readonly rowBytes: number
  readonly columns: Kernel
  readonly rows: Kernel
}

function twoPasses(image: Image, canvas: Canvas, columns: Kernel, rows: Kernel): Uint8Array {
  const plan = { channels: image.channels, rowBytes: canvas.width * image.channels, columns, rows }
  const passes = openSimdPasses(plan) ?? openScalarPasses(plan)
  const top = Math.max(rows.first, Math.min(rows.last, canvas.top))
  const bottom = Math.max(top, Math.min(rows.last, canvas.top + image.height))
  fillBetween(passes, plan, canvas, 0, top - rows.first)
  readBands(passes, plan, image, canvas, top, bottom)
  fillBetween(passes, plan, canvas, bottom - rows.first, rows.last - rows.first)
  return passes.vertical()
}

/** Rows [from, to) of `between` that come from bare canvas are all alike: one is computed and copied. */
function fillBetween(
  passes: Passes,
  plan: PassPlan,
  canvas: Canvas,
  from: number,
  to: number,
): void {
  if (from >= to) return
  fillColour(passes.band, 0, canvas.width, canvas.colour)
  passes.horizontal(1, from)
  const { between, stride } = passes
  const used = plan.columns.count * plan.channels
  for (let row = from + 1; row < to; row++) {
    between.copyWithin(row * stride, from * stride, from * stride + used)
  }
}

function readBands(
  passes: Passes,
  plan: PassPlan,
  image: Image,
  canvas: Canvas,
  top: number,
  bottom: number,
): void {
  const { band, bandRows } = passes
  const imageBytes = image.width * image.channels
  const right = canvas.left + image.width
  for (let row = top; row < bottom; row += bandRows) {
    const count = Math.min(bandRows, bottom - row)
    const from = (row - canvas.top) * imageBytes
    if (imageBytes === plan.rowBytes) {
      band.set(image.data.subarray(from, from + count * imageBytes))
    } else {
      for (let i = 0; i < count; i++) {
        const line = image.data.subarray(from + i * imageBytes, from + (i + 1) * imageBytes)
        const at = i * plan.rowBytes
        fillColour(band, at, canvas.left, canvas.colour)
        band.set(line, at + canvas.left * image.channels)
        fillColour(band, at + right * image.channels, canvas.width - right, canvas.colour)
      }
    }
    passes.horizontal(count, row - plan.rows.first)
  }
}

function fillColour(
  target: Uint8Array | Uint8ClampedArray,
  at: number,
  pixels: number,
  colour: readonly number[],
): void {
  const channels = colour.length
  for (let i = 0; i < pixels * channels; i++) target[at + i] = colour[i % channels] as number
}

/** Outputs [0, count) are inputs [start, start + count): what a pass does that is not needed. */
function identityKernel(start: number, count: number): Kernel {
  const starts = Int32Array.from({ length: count }, (_, i) => start + i)
  return {
    count,
    taps: 1,
    starts,
    lengths: new Int32Array(count).fill(1),
    weights: new Int32Array(count).fill(1 << PRECISION_BITS),
    first: start,
    last: start + count,
  }
}
