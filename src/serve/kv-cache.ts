/**
 * The keys and values of the sequences that are being answered.
 *
 * One buffer per layer and kind, [slots, K, C, H] with C the capacity. A sequence owns one slot and its positions
 * [0, length); the memory of [length, C) holds nothing. Slots of one call are adjacent, so that a run over several
 * sequences is a view and never a copy. Buffers are zeroed by the system on first touch: untouched capacity costs
 * address space, not memory.
 */
import type { DecoderConfig } from '../decoder/decoder.ts'
import { cacheHeadDim } from '../layers/attention.ts'
import type { Runtime, Tensor } from '../runtime/runtime.ts'

export type CacheLayer = { readonly key: Tensor; readonly value: Tensor }

export class KvCache {
  readonly slots: number
  readonly capacity: number
  readonly layers: readonly CacheLayer[]
  readonly #heads: number
  readonly #headDim: number

  constructor(runtime: Runtime, config: DecoderConfig, size: { slots: number; capacity: number }) {
    this.slots = size.slots
    this.capacity = size.capacity
    this.#heads = config.attention.numKvHeads
    this.#headDim = cacheHeadDim(config.attention.headDim)
    const shape = [size.slots, this.#heads, size.capacity, this.#headDim]
    this.layers = Array.from({ length: config.numLayers }, () => ({
      key: runtime.tensor('float32', shape),
      value: runtime.tensor('float32', shape),
    }))
  }

  /** The caches of slots [first, first + count), sharing this one's memory. Whoever asks disposes. */
  view(first: number, count: number): CacheLayer[] {
    const shape = [count, this.#heads, this.capacity, this.#headDim]
    const offset = first * this.#heads * this.capacity * this.#headDim
    return this.layers.map(({ key, value }) => ({
      key: key.view(shape, offset),
      value: value.view(shape, offset),
    }))
  }

  /** Copies positions [0, length) of a sequence from one slot to another, of this cache or a different one. */
  copySlot(from: number, target: { cache: KvCache; slot: number; length: number }): void {
    const { cache, slot, length } = target
    this.layers.forEach((layer, i) => {
      const other = cache.layers[i] as CacheLayer
      for (const kind of ['key', 'value'] as const) {
        const source = layer[kind].data as Float32Array
        const destination = other[kind].data as Float32Array
        for (let head = 0; head < this.#heads; head++) {
          const start = (from * this.#heads + head) * this.capacity * this.#headDim
          const to = (slot * this.#heads + head) * cache.capacity * this.#headDim
          destination.set(source.subarray(start, start + length * this.#headDim), to)
        }
      }
    })
  }

  /** Bytes that `length` positions of one sequence take. */
  static bytes(config: DecoderConfig, length: number): number {
    const { numKvHeads, headDim } = config.attention
    return 2 * 4 * config.numLayers * numKvHeads * cacheHeadDim(headDim) * length
  }

  dispose(): void {
    for (const { key, value } of this.layers) {
      key.dispose()
      value.dispose()
    }
  }
}
