/** The resampling passes as plain integer loops, for any number of channels: the reference for the SIMD form. */
import type { Passes, PassPlan } from './resample.ts'
import { PRECISION_BITS, type Kernel } from './resample-kernel.ts'

/** Input rows are taken in bands of about this many bytes, so that a band stays in the cache. */
export const BAND_BYTES = 1 << 19

const HALF = 1 << (PRECISION_BITS - 1)

export function openScalarPasses(plan: PassPlan): Passes {
  const { channels, rowBytes, columns, bias, rows } = plan
  const stride = columns.count * channels
  const bandRows = Math.max(1, Math.floor(BAND_BYTES / rowBytes))
  const band = new Uint8Array(bandRows * rowBytes)
  // A clamped array rounds nothing here (it only sees integers) and saturates exactly as Pillow's table does.
  const between = new Uint8ClampedArray((rows.last - rows.first) * stride)
  return {
    band,
    bandRows,
    between,
    stride,
    horizontal(count, to) {
      for (let row = 0; row < count; row++) {
        const target = between.subarray((to + row) * stride, (to + row + 1) * stride)
        horizontalRow(band, row * rowBytes, channels, columns, bias, target)
      }
    },
    vertical() {
      const output = new Uint8ClampedArray(rows.count * stride)
      for (let row = 0; row < rows.count; row++) verticalRow(between, stride, rows, row, output)
      return new Uint8Array(output.buffer)
    },
  }
}

function horizontalRow(
  source: Uint8Array,
  base: number,
  channels: number,
  kernel: Kernel,
  bias: Int32Array,
  target: Uint8ClampedArray,
): void {
  const { count, taps, starts, lengths, weights } = kernel
  for (let x = 0; x < count; x++) {
    const from = base + (starts[x] as number) * channels
    const end = x * taps + (lengths[x] as number)
    for (let channel = 0; channel < channels; channel++) {
      let sum = bias[x * channels + channel] as number
      let at = from + channel
      for (let i = x * taps; i < end; i++) {
        sum = (sum + Math.imul(weights[i] as number, source[at] as number)) | 0
        at += channels
      }
      target[x * channels + channel] = sum >> PRECISION_BITS
    }
  }
}

function verticalRow(
  source: Uint8ClampedArray,
  stride: number,
  kernel: Kernel,
  row: number,
  target: Uint8ClampedArray,
): void {
  const { taps, starts, lengths, weights, first } = kernel
  const from = ((starts[row] as number) - first) * stride
  const end = row * taps + (lengths[row] as number)
  for (let x = 0; x < stride; x++) {
    let sum = HALF
    let at = from + x
    for (let i = row * taps; i < end; i++) {
      sum = (sum + Math.imul(weights[i] as number, source[at] as number)) | 0
      at += stride
    }
    target[row * stride + x] = sum >> PRECISION_BITS
  }
}
