/**
 * Pillow's two resampling passes over 8-bit pictures, bit for bit.
 *
 * The horizontal pass runs first and rounds to 8 bits, then the vertical one, as in Pillow up to 12.1 (each published
 * LLaVA was trained that way), or the other way round as later ones sometimes do. Only what the wanted window needs is computed, and a picture may lie on a larger canvas of
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
  /** Takes `bandRows` input rows at a time. */
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
  /** int32[columns.count, C]: where the sums of the horizontal pass begin. */
  readonly bias: Int32Array
  readonly rows: Kernel
}

function twoPasses(image: Image, canvas: Canvas, columns: Kernel, rows: Kernel): Uint8Array {
  const { channels } = image
  const plan: PassPlan = {
    channels,
    rowBytes: image.width * channels,
    columns: clipKernel(columns, canvas.left, image.width),
    bias: bareSums(columns, channels, canvas, image.width),
    rows,
  }
  const passes = openSimdPasses(plan) ?? openScalarPasses(plan)
  const top = Math.max(rows.first, Math.min(rows.last, canvas.top))
  const bottom = Math.max(top, Math.min(rows.last, canvas.top + image.height))
  fillBare(passes, bareSums(columns, channels, canvas, 0), rows.first, top, bottom, rows.last)
  const { band, bandRows } = passes
  for (let row = top; row < bottom; row += bandRows) {
    const count = Math.min(bandRows, bottom - row)
    const from = (row - canvas.top) * plan.rowBytes
    band.set(image.data.subarray(from, from + count * plan.rowBytes))
    passes.horizontal(count, row - rows.first)
  }
  return passes.vertical()
}

/**
 * What the bare canvas beside the picture adds to each sum of a row, [count, C], with the half that rounds.
 *
 * Sums are linear, so a row of the canvas needs no more work than the picture's part of it. `width` 0: a row with no picture.
 */
function bareSums(kernel: Kernel, channels: number, canvas: Canvas, width: number): Int32Array {
  const sums = new Int32Array(kernel.count * channels).fill(1 << (PRECISION_BITS - 1))
  if (canvas.colour.length === 0) return sums
  for (let output = 0; output < kernel.count; output++) {
    let weight = 0
    for (let i = 0; i < (kernel.lengths[output] as number); i++) {
      const column = (kernel.starts[output] as number) + i
      const isBare = column < canvas.left || column >= canvas.left + width
      if (isBare) weight += kernel.weights[output * kernel.taps + i] as number
    }
    for (let channel = 0; channel < channels; channel++) {
      const at = output * channels + channel
      sums[at] = (sums[at] as number) + weight * (canvas.colour[channel] as number)
    }
  }
  return sums
}

/** Rows [first, top) and [bottom, last) of `between`, where no picture lies. */
function fillBare(
  { between, stride }: Passes,
  sums: Int32Array,
  first: number,
  top: number,
  bottom: number,
  last: number,
): void {
  const line = new Uint8ClampedArray(sums.map((sum) => sum >> PRECISION_BITS))
  for (let row = first; row < top; row++) between.set(line, (row - first) * stride)
  for (let row = bottom; row < last; row++) between.set(line, (row - first) * stride)
}

/** The kernel as it reads columns [left, left + width) alone, counted from `left`. */
function clipKernel(kernel: Kernel, left: number, width: number): Kernel {
  if (left === 0 && kernel.last <= width) return kernel
  const { count, taps } = kernel
  const starts = new Int32Array(count)
  const lengths = new Int32Array(count)
  const weights = new Int32Array(count * taps)
  for (let output = 0; output < count; output++) {
    const start = (kernel.starts[output] as number) - left
    const from = Math.max(0, start)
    const to = Math.max(from, Math.min(width, start + (kernel.lengths[output] as number)))
    starts[output] = Math.min(from, width - 1)
    lengths[output] = to - from
    const at = output * taps
    weights.set(kernel.weights.subarray(at + from - start, at + to - start), at)
  }
  return { count, taps, starts, lengths, weights, first: 0, last: width }
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
