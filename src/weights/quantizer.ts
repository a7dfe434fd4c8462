/** Quantises whole weights piece by piece, so that memory holds one piece in float32 and the event loop keeps turning. */
import {
  allocateParts,
  quantizeRows,
  type QuantizedArrays,
  type QuantizedKind,
} from './quantize.ts'
import type { RowRange, WeightShape } from './quantize-rows.ts'

/** A weight to be quantised, read as it is needed. */
export type QuantizeItem = {
  readonly name: string
  /** See WeightShape. */
  readonly place?: string | undefined
  readonly kind: QuantizedKind
  /** [rows, columns]: output and input features. */
  readonly shape: readonly [number, number]
  /** [columns], see WeightShape. */
  readonly importance?: Float32Array | undefined
  /** The rows [from, to) in float32, row-major; used before the next call. Reading whole rows of a mapped file is cheap. */
  read(from: number, to: number): Float32Array
  /** Called when all rows have been read: a mapped source drops its pages. */
  release?(): void
}

/** The item's arrays, all rows done; memory of several threads where the quantiser has them. Throws as quantizeRows does. */
export type Quantizer = {
  quantize(item: QuantizeItem, signal?: AbortSignal): Promise<QuantizedArrays>
  /** Takes arrays back that nobody reads any more: the next weight of the same form and shape is written over them. */
  reuse(item: QuantizeItem, arrays: QuantizedArrays): void
  close(): Promise<void>
}

/** A quantiser on this thread, for weights too small to be worth a worker and for platforms without one. */
export function inlineQuantizer(): Quantizer {
  return {
    async quantize(item, signal) {
      const into = allocateParts(item.kind, itemWeight(item))
      for (const range of pieces(item, INLINE_PIECE)) {
        await new Promise((resolve) => setTimeout(resolve))
        signal?.throwIfAborted()
        quantizeRows(item.kind, item.read(range.from, range.to), range, into)
      }
      return into
    },
    reuse() {},
    async close() {},
  }
}

// Weights at a time: about ten milliseconds of the slowest form.
const INLINE_PIECE = 1 << 18

export function itemWeight({ name, place, shape, importance }: QuantizeItem): WeightShape {
  const [rows, columns] = shape
  return { name, place, rows, columns, importance }
}

/** The rows of an item in ranges of about `size` weights, whole tiles of 64 rows but for the last. */
export function* pieces(item: QuantizeItem, size: number): Generator<RowRange> {
  const weight = itemWeight(item)
  const step = Math.max(1, Math.floor(size / weight.columns / 64)) * 64
  for (let from = 0; from < weight.rows; from += step) {
    yield { weight, from, to: Math.min(weight.rows, from + step) }
  }
}
