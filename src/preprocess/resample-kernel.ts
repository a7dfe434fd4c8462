/**
 * Filter weights of Pillow's resampling, in its fixed point.
 *
 * Along one axis output o of m reads n inputs around its centre c = (o + ½)·scale, scale = n/m, with the filter
 * stretched by max(scale, 1) so that shrinking averages. Weights are normalised in float64 and rounded to
 * 22 fractional bits, which is what makes results equal on every machine.
 * Source: python-pillow/Pillow src/libImaging/Resample.c (precompute_coeffs, normalize_coeffs_8bpc) at 4e5f09f.
 */

export const RESAMPLE_FILTERS = [
  'nearest',
  'box',
  'bilinear',
  'hamming',
  'bicubic',
  'lanczos',
] as const
export type ResampleFilter = (typeof RESAMPLE_FILTERS)[number]
export type SmoothFilter = Exclude<ResampleFilter, 'nearest'>

/** Fractional bits of the integer weights: 32 − 8 bits of a sample − 2 for filters that overshoot. */
export const PRECISION_BITS = 32 - 8 - 2

/** Weights of outputs [0, count): output o is Σ weights[o·taps + i] · input[starts[o] + i], i < lengths[o]. */
export type Kernel<Weights extends Int32Array | Float64Array = Int32Array> = {
  readonly count: number
  readonly taps: number
  readonly starts: Int32Array
  readonly lengths: Int32Array
  readonly weights: Weights
  /** Inputs that any output reads: [first, last). */
  readonly first: number
  readonly last: number
}

/** An axis: `inputs` samples of which the stretch [from, to) becomes `outputs`; wanted are [start, start + count) of these. */
export type Axis = {
  readonly inputs: number
  readonly outputs: number
  readonly from: number
  readonly to: number
  readonly start: number
  readonly count: number
}

/** Weights in float64, as the 16- and 32-bit modes use them. */
export function floatKernel(filter: SmoothFilter, axis: Axis): Kernel<Float64Array> {
  const { evaluate, support } = FILTERS[filter]
  // Pillow keeps the box in float32, also for this difference.
  const from = Math.fround(axis.from)
  const scale = Math.fround(Math.fround(axis.to) - from) / axis.outputs
  const stretch = Math.max(scale, 1)
  const reach = support * stretch
  const taps = Math.ceil(reach) * 2 + 1
  const starts = new Int32Array(axis.count)
  const lengths = new Int32Array(axis.count)
  const weights = new Float64Array(axis.count * taps)
  const inverse = 1 / stretch
  let first = axis.inputs
  let last = 0
  for (let i = 0; i < axis.count; i++) {
    const centre = from + (axis.start + i + 0.5) * scale
    const begin = Math.max(0, Math.trunc(centre - reach + 0.5))
    const end = Math.min(axis.inputs, Math.trunc(centre + reach + 0.5))
    let sum = 0
    for (let x = begin; x < end; x++) {
      const weight = evaluate((x - centre + 0.5) * inverse)
      weights[i * taps + x - begin] = weight
      sum += weight
    }
    if (sum !== 0) {
      for (let j = i * taps; j < i * taps + end - begin; j++)
        weights[j] = (weights[j] as number) / sum
    }
    starts[i] = begin
    lengths[i] = end - begin
    first = Math.min(first, begin)
    last = Math.max(last, end)
  }
  return { count: axis.count, taps, starts, lengths, weights, first, last }
}

/** Weights in 22-bit fixed point, as the 8-bit modes use them. */
export function fixedKernel(filter: SmoothFilter, axis: Axis): Kernel {
  const kernel = floatKernel(filter, axis)
  const weights = new Int32Array(kernel.weights.length)
  for (let i = 0; i < weights.length; i++) {
    const weight = kernel.weights[i] as number
    weights[i] = Math.trunc((weight < 0 ? -0.5 : 0.5) + weight * (1 << PRECISION_BITS))
  }
  return { ...kernel, weights }
}

type Filter = { readonly support: number; readonly evaluate: (x: number) => number }

export const FILTERS: { readonly [F in SmoothFilter]: Filter } = {
  box: { support: 0.5, evaluate: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, evaluate: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: { support: 1, evaluate: hamming },
  bicubic: { support: 2, evaluate: bicubic },
  lanczos: { support: 3, evaluate: (x) => (-3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
}

function hamming(x: number): number {
  if (x === 0) return 1
  if (Math.abs(x) >= 1) return 0
  const angle = Math.abs(x) * Math.PI
  // The two constants are float32 in the C source.
  return (Math.sin(angle) / angle) * (Math.fround(0.54) + Math.fround(0.46) * Math.cos(angle))
}

/** Cubic convolution with a = −½ (OpenCV and torch without antialias use −¾). */
function bicubic(value: number): number {
  const a = -0.5
  const x = Math.abs(value)
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a
  return 0
}

function sinc(x: number): number {
  if (x === 0) return 1
  const angle = x * Math.PI
  return Math.sin(angle) / angle
}
