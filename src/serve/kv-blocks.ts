/**
 * Keys and values outside of the slots: blocks of a few positions with all layers, copied out of a slot and into one.
 *
 * A block is [layers, 2, K, positions, H] in the form of the cache. Rows of an int8 block mean what the model's scales say.
 */
import type { DecoderConfig } from '../decoder/decoder.ts'
import { cacheHeadDim } from '../layers/attention.ts'
import type { CacheForm } from './decoder-graph.ts'
import { CACHE_KINDS, type Breath, type KvCache } from './kv-cache.ts'

/** Few enough that the last block of a sequence wastes little, enough that a copy is mostly the copying. */
export const BLOCK_POSITIONS = 32

export type BlockRows = Float32Array | Int8Array

export type SlotOf = { readonly cache: KvCache; readonly slot: number }

export class BlockFormat {
  readonly #form: CacheForm
  readonly #layers: number
  readonly #heads: number
  readonly #width: number

  constructor({ numLayers, attention }: DecoderConfig, form: CacheForm) {
    this.#form = form
    this.#layers = numLayers
    this.#heads = attention.numKvHeads
    this.#width = cacheHeadDim(attention.headDim)
  }

  /** Of the rows of one block. */
  get bytes(): number {
    return this.#elements * (this.#form === 'int8' ? 1 : 4)
  }

  allocate(): BlockRows {
    return this.#form === 'int8' ? new Int8Array(this.#elements) : new Float32Array(this.#elements)
  }

  /** Copies `count` positions of a slot, from `position` on, to the beginning of a block. */
  async copyOut(
    { cache, slot }: SlotOf,
    { rows, position, count }: { rows: BlockRows; position: number; count: number },
    breath: Breath,
  ): Promise<void> {
    for (const [i, layer] of cache.layers.entries()) {
      for (const [k, kind] of CACHE_KINDS.entries()) {
        for (let head = 0; head < this.#heads; head++) {
          const start = cache.offset(slot, head) + position * this.#width
          const part = layer[kind].data.subarray(start, start + count * this.#width)
          rows.set(part as never, this.#offset(2 * i + k, head))
          await breath.after(part.byteLength)
        }
      }
    }
  }

  /** Copies positions [from, to) of a block to those of a slot that begin at `position`. */
  async copyIn(
    { cache, slot }: SlotOf,
    part: { rows: BlockRows; from: number; to: number; position: number },
    breath: Breath,
  ): Promise<void> {
    for (const [i, layer] of cache.layers.entries()) {
      for (const [k, kind] of CACHE_KINDS.entries()) {
        for (let head = 0; head < this.#heads; head++) {
          const start = this.#offset(2 * i + k, head)
          const [first, end] = [part.from, part.to].map((at) => start + at * this.#width)
          const rows = part.rows.subarray(first, end)
          const target = cache.offset(slot, head) + part.position * this.#width
          layer[kind].data.set(rows as never, target)
          await breath.after(rows.byteLength)
        }
      }
    }
    cache.touch(slot, part.position + part.to - part.from)
  }

  get #elements(): number {
    return 2 * this.#layers * this.#heads * BLOCK_POSITIONS * this.#width
  }

  #offset(layerKind: number, head: number): number {
    return (layerKind * this.#heads + head) * BLOCK_POSITIONS * this.#width
  }
}
