/**
 * Float32 into ggml's blocks, by the same float32 arithmetic as ggml's reference, so that the bytes are equal.
 *
 *   Q8_0  d = max|x| / 127,        q = round(x/d), halves away from zero
 *   Q4_0  d = x of largest |x| / −8, q = min(15, ⌊x/d + 8.5⌋)
 *
 * Source: ggml, src/ggml-quants.c (`quantize_row_q8_0_ref`, `quantize_row_q4_0_ref`); layout: ggml-types.ts.
 */
import { float32ToFloat16, numberToFloat16 } from '../core/dtype.ts'

/** The forms that are written. */
export type WrittenGgmlType = 'F32' | 'F16' | 'Q8_0' | 'Q4_0'

/** Elements and bytes of a block, its number in the file, and the encoder; the values fill whole blocks. */
export const WRITTEN_GGML_TYPES: { readonly [T in WrittenGgmlType]: GgmlEncoding } = {
  F32: { number: 0, blockElements: 1, blockBytes: 4, encode: bytesOf },
  F16: {
    number: 1,
    blockElements: 1,
    blockBytes: 2,
    encode: (values) => bytesOf(float32ToFloat16(values)),
  },
  Q4_0: { number: 2, blockElements: 32, blockBytes: 18, encode: quantizeQ4_0 },
  Q8_0: { number: 8, blockElements: 32, blockBytes: 34, encode: quantizeQ8_0 },
}

export type GgmlEncoding = {
  readonly number: number
  readonly blockElements: number
  readonly blockBytes: number
  encode(values: Float32Array): Uint8Array
}

const fround = Math.fround

function quantizeQ8_0(values: Float32Array): Uint8Array {
  const target = new Uint8Array((values.length / 32) * 34)
  for (let from = 0, to = 0; from < values.length; from += 32, to += 34) {
    let largest = 0
    for (let i = 0; i < 32; i++) largest = Math.max(largest, Math.abs(values[from + i] as number))
    const d = fround(largest / 127)
    const inverse = d === 0 ? 0 : fround(1 / d)
    setFloat16(target, to, d)
    for (let i = 0; i < 32; i++) {
      const scaled = fround((values[from + i] as number) * inverse)
      target[to + 2 + i] = Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5)
    }
  }
  return target
}

function quantizeQ4_0(values: Float32Array): Uint8Array {
  const target = new Uint8Array((values.length / 32) * 18)
  for (let from = 0, to = 0; from < values.length; from += 32, to += 18) {
    const d = fround(valueOfLargestSize(values, from) / -8)
    const inverse = d === 0 ? 0 : fround(1 / d)
    setFloat16(target, to, d)
    for (let i = 0; i < 16; i++) {
      const low = toNibble(fround((values[from + i] as number) * inverse))
      const high = toNibble(fround((values[from + 16 + i] as number) * inverse))
      target[to + 2 + i] = low | (high << 4)
    }
  }
  return target
}

function valueOfLargestSize(values: Float32Array, from: number): number {
  let largest = 0
  for (let i = from; i < from + 32; i++) {
    const value = values[i] as number
    if (Math.abs(value) > Math.abs(largest)) largest = value
  }
  return largest
}

function toNibble(scaled: number): number {
  return Math.min(15, Math.trunc(fround(scaled + 8.5)))
}

function setFloat16(target: Uint8Array, at: number, value: number): void {
  const bits = numberToFloat16(value)
  target[at] = bits & 255
  target[at + 1] = bits >>> 8
}

function bytesOf(data: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}
