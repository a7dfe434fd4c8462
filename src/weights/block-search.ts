/**
 * Float32 into ggml's blocks with as little squared error as a search finds: each block tries a few ranges, from a little
 * wider than its values to clipping the outermost, and fits scale and offset to the chosen steps by least squares. Columns
 * may count differently: an error where activations are large costs more than one where they are small.
 *
 * ggml's own reference takes the range of the values as it is (`ggml-quantize.ts`). The bytes are read alike.
 */
import { float16ToNumber, numberToFloat16 } from '../core/dtype.ts'
import { WRITTEN_GGML_TYPES } from './ggml-quantize.ts'

/** Steps of a block, and whether an offset is stored beside the scale. */
const FORMS = {
  Q4_0: { levels: 16, hasOffset: false, bytes: 18 },
  Q4_1: { levels: 16, hasOffset: true, bytes: 20 },
  Q5_0: { levels: 32, hasOffset: false, bytes: 22 },
  Q5_1: { levels: 32, hasOffset: true, bytes: 24 },
} as const

export const BLOCK_TYPES = ['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0'] as const
export type BlockType = (typeof BLOCK_TYPES)[number]

const BLOCK = 32
/** Ranges that are tried, as shares of the block's own. */
const SHARES = [1.05, 1.02, 1, 0.98, 0.95, 0.92, 0.88, 0.84, 0.8]

/**
 * Whole blocks of values as bytes. `importance` says how much an error in each column of a row counts; default: all alike.
 * 8 bits are ggml's reference: there is nothing to gain.
 */
export function encodeBlocks(
  type: BlockType,
  values: Float32Array,
  importance: Float32Array = new Float32Array(BLOCK).fill(1),
): Uint8Array {
  if (type === 'Q8_0') return WRITTEN_GGML_TYPES.Q8_0.encode(values)
  const form = FORMS[type]
  const bytes = new Uint8Array((values.length / BLOCK) * form.bytes)
  const search = new BlockSearch(form)
  for (let from = 0, to = 0; from < values.length; from += BLOCK, to += form.bytes) {
    const column = from % importance.length
    search.choose(values, from, importance.subarray(column, column + BLOCK))
    write(bytes, to, search, form)
  }
  return bytes
}

class BlockSearch {
  /** float16 bits. */
  scale = 0
  offset = 0
  readonly steps = new Uint8Array(BLOCK)
  readonly #levels: number
  readonly #hasOffset: boolean
  readonly #trial = new Uint8Array(BLOCK)

  constructor({ levels, hasOffset }: { readonly levels: number; readonly hasOffset: boolean }) {
    this.#levels = levels
    this.#hasOffset = hasOffset
  }

  choose(values: Float32Array, from: number, importance: Float32Array): void {
    let best = Infinity
    const { low, high } = rangeOf(values, from)
    for (const share of SHARES) {
      for (const start of this.#starts(low, high, share)) {
        const fitted = this.#fit(values, from, importance, start)
        const error = this.#assign(values, from, importance, fitted)
        if (error >= best) continue
        best = error
        this.scale = fitted.scale
        this.offset = fitted.offset
        this.steps.set(this.#trial)
      }
    }
  }

  /** First guesses of scale and offset for a range; without an offset the zero point is fixed and the sign is free. */
  #starts(low: number, high: number, share: number): Line[] {
    if (this.#hasOffset) {
      const middle = (low + high) / 2
      const half = ((high - low) / 2) * share
      return [{ scale: (2 * half) / (this.#levels - 1), offset: middle - half }]
    }
    const zero = this.#levels / 2
    const largest = Math.max(Math.abs(low), Math.abs(high)) * share
    return [largest / zero, -largest / zero].map((scale) => ({ scale, offset: -zero * scale }))
  }

  /** The least-squares line through the steps that `start` gives, in float16 bits. */
  #fit(values: Float32Array, from: number, importance: Float32Array, start: Line): Line {
    let [n, q, qq, x, qx] = [0, 0, 0, 0, 0]
    const zero = this.#hasOffset ? 0 : this.#levels / 2
    for (let i = 0; i < BLOCK; i++) {
      const value = values[from + i] as number
      const step = this.#step(value, start) - zero
      const share = importance[i] as number
      n += share
      q += share * step
      qq += share * step * step
      x += share * value
      qx += share * step * value
    }
    if (!this.#hasOffset) {
      return { scale: numberToFloat16(qq === 0 ? start.scale : qx / qq), offset: 0 }
    }
    const spread = n * qq - q * q
    const scale = spread === 0 ? start.scale : (n * qx - q * x) / spread
    return {
      scale: numberToFloat16(scale),
      offset: numberToFloat16(spread === 0 ? start.offset : (x - scale * q) / n),
    }
  }

  /** The steps nearest to the values for a line in float16 bits, and their squared error. */
  #assign(values: Float32Array, from: number, importance: Float32Array, bits: Line): number {
    const scale = float16ToNumber(bits.scale)
    const zero = this.#hasOffset ? 0 : this.#levels / 2
    const line = { scale, offset: this.#hasOffset ? float16ToNumber(bits.offset) : -zero * scale }
    let error = 0
    for (let i = 0; i < BLOCK; i++) {
      const value = values[from + i] as number
      const step = this.#step(value, line)
      this.#trial[i] = step
      error += (importance[i] as number) * (step * line.scale + line.offset - value) ** 2
    }
    return error
  }

  #step(value: number, { scale, offset }: Line): number {
    if (scale === 0) return this.#hasOffset ? 0 : this.#levels / 2
    const step = Math.round((value - offset) / scale)
    return step < 0 ? 0 : Math.min(step, this.#levels - 1)
  }
}

/** value ≈ scale · step + offset */
type Line = { readonly scale: number; readonly offset: number }

function rangeOf(values: Float32Array, from: number): { low: number; high: number } {
  let [low, high] = [Infinity, -Infinity]
  for (let i = from; i < from + BLOCK; i++) {
    low = Math.min(low, values[i] as number)
    high = Math.max(high, values[i] as number)
  }
  return { low, high }
}

function write(
  bytes: Uint8Array,
  at: number,
  { scale, offset, steps }: BlockSearch,
  { levels, hasOffset }: { readonly levels: number; readonly hasOffset: boolean },
): void {
  bytes[at++] = scale & 255
  bytes[at++] = scale >>> 8
  if (hasOffset) {
    bytes[at++] = offset & 255
    bytes[at++] = offset >>> 8
  }
  if (levels === 32) {
    for (let i = 0; i < BLOCK; i++) {
      const place = at + (i >> 3)
      bytes[place] = (bytes[place] as number) | (((steps[i] as number) >>> 4) << (i & 7))
    }
    at += 4
  }
  for (let i = 0; i < 16; i++) {
    const [low, high] = [steps[i] as number, steps[i + 16] as number]
    bytes[at + i] = (low & 15) | ((high & 15) << 4)
  }
}
