/**
 * Prefill of an int8 cache: a run gives the new rows, already in 8 bits, and the host puts them into the slot.
 *
 * Nothing but one layer's keys and values ever is float32, and that in the engine's memory for intermediates: fresh
 * memory for all layers, four times the cache, would cost more than the rounding it saves. New positions attend to each
 * other as rounded as they are kept, so that a prompt gets the same numbers however it is cut into runs.
 */
import type { DecoderConfig } from '../decoder/decoder.ts'
import { INT8_LEVELS } from '../layers/int8-cache.ts'
import type { Feeds, RunOptions, Runtime, Session, Tensor } from '../runtime/runtime.ts'
import { pastFeeds, pastScaleFeeds, type NamedTensors } from './cache-feeds.ts'
import { isCutOff, mostCut } from './cache-scales.ts'
import { addedNames, kvWidth } from './decoder-graph.ts'
import {
  Breath,
  CACHE_KINDS,
  disposeLayers,
  slotRow,
  type CacheKind,
  type ChannelSizes,
  type KvCache,
} from './kv-cache.ts'
import { TensorScope } from './tensor-scope.ts'

/** Positions to add to a slot of a cache. */
export type CacheChunk = {
  readonly cache: KvCache
  readonly slot: number
  /** Positions [0, cachedLength) are filled; [cachedLength, cachedLength + length) are computed. */
  readonly cachedLength: number
  readonly length: number
  /** Inputs other than those of the cache, and the logits. */
  readonly inputs: Feeds
  readonly outputs: Feeds
}

export class Int8Prefill {
  readonly #runtime: Runtime
  readonly #config: DecoderConfig
  readonly #session: Session
  /** Memory for the new rows of all layers, kept from run to run unless one is at it already. */
  #staging: Int8Array | null = null

  /** `session`: of `int8PrefillGraph`. */
  constructor(runtime: Runtime, config: DecoderConfig, session: Session) {
    this.#runtime = runtime
    this.#config = config
    this.#session = session
  }

  /**
   * Adds the first `count` positions, or those up to the first of which the scales of the slot cut off too much, and that
   * one as it is. Gives its index among the new ones, or null.
   */
  async run(chunk: CacheChunk, count: number, options: RunOptions): Promise<number | null> {
    return this.#compute(chunk, options, async (added) => {
      const cut = await firstCut(chunk, added, count)
      await store(chunk, added, cut === null ? count : cut + 1)
      return cut
    })
  }

  /** The largest value of each channel among new positions; nothing is added. */
  async largest(chunk: CacheChunk, options: RunOptions): Promise<ChannelSizes> {
    return this.#compute(chunk, options, async (added) =>
      chunk.cache.layers.map((_, layer) => ({
        key: largestOf(added, layer, 'key').slice(),
        value: largestOf(added, layer, 'value').slice(),
      })),
    )
  }

  async #compute<T>(
    chunk: CacheChunk,
    options: RunOptions,
    use: (added: NamedTensors) => Promise<T>,
  ): Promise<T> {
    const { cache, slot, cachedLength, length } = chunk
    const scope = new TensorScope(this.#runtime)
    const layers = cache.view(slot, 1)
    const staging = this.#takeStaging(length)
    try {
      const positions = BigInt64Array.from({ length }, (_, i) => BigInt(cachedLength + i))
      const feeds = {
        cached: scope.tensor('uint8', [cachedLength]),
        positions: scope.tensor('int64', [1, length], positions),
        ...pastFeeds(layers),
        ...pastScaleFeeds(layers),
      }
      const added = this.#addedTensors(scope, staging, length)
      await this.#session.run(
        { ...chunk.inputs, ...feeds },
        { ...chunk.outputs, ...added },
        options,
      )
      return await use(added)
    } finally {
      this.#staging = staging
      scope.dispose()
      disposeLayers(layers)
    }
  }

  #takeStaging(length: number): Int8Array {
    const size = 2 * this.#config.numLayers * kvWidth(this.#config) * length
    const staging = this.#staging
    this.#staging = null
    return staging && staging.length >= size ? staging : new Int8Array(size)
  }

  #addedTensors(scope: TensorScope, staging: Int8Array, length: number): NamedTensors {
    const { attention, numLayers } = this.#config
    const width = kvWidth(this.#config)
    const size = width * length
    const shape = [1, attention.numKvHeads, length, width / attention.numKvHeads]
    const tensors: NamedTensors = {}
    for (let layer = 0; layer < numLayers; layer++) {
      const names = addedNames(layer)
      CACHE_KINDS.forEach((kind, i) => {
        const start = (2 * layer + i) * size
        const rows = staging.subarray(start, start + size)
        tensors[names.rows[kind]] = scope.tensor('int8', shape, rows)
        tensors[names.largest[kind]] = scope.tensor('float32', [1, 1, width])
      })
    }
    return tensors
  }
}

/** Rows [K,T,H] that a run gave. */
function rowsOf(added: NamedTensors, layer: number, kind: CacheKind): Int8Array {
  return (added[addedNames(layer).rows[kind]] as Tensor).data as Int8Array
}

/** [K·H] */
function largestOf(added: NamedTensors, layer: number, kind: CacheKind): Float32Array {
  return (added[addedNames(layer).largest[kind]] as Tensor).data as Float32Array
}

/** Index of the first of `count` new positions of which too much is cut off. */
async function firstCut(
  { cache, slot, length }: CacheChunk,
  added: NamedTensors,
  count: number,
): Promise<number | null> {
  const breath = new Breath()
  const counts = new Uint32Array(length)
  for (const [layer, { scales }] of cache.layers.entries()) {
    for (const kind of CACHE_KINDS) {
      const largest = largestOf(added, layer, kind)
      const rows = rowsOf(added, layer, kind)
      const limits = scales ? slotRow(scales[kind], slot) : []
      for (const [channel, limit] of limits.entries()) {
        // Of most channels nothing is.
        if ((largest[channel] as number) < (INT8_LEVELS - 1) * limit) continue
        countCut(rows, { channel, width: cache.width, counts })
        await breath.after(length * cache.width)
      }
    }
  }
  const most = mostCut(cache)
  const first = counts.subarray(0, count).findIndex((cut) => cut > most)
  return first < 0 ? null : first
}

/** Adds 1 to the count of each position whose element of a channel is cut off. */
function countCut(
  rows: Int8Array,
  { channel, width, counts }: { channel: number; width: number; counts: Uint32Array },
): void {
  const start = Math.floor(channel / width) * counts.length * width + (channel % width)
  for (let t = 0; t < counts.length; t++) {
    if (isCutOff(rows[start + t * width] as number)) counts[t] = (counts[t] as number) + 1
  }
}

/** Puts the first `count` new rows behind those of the slot. */
async function store(
  { cache, slot, cachedLength, length }: CacheChunk,
  added: NamedTensors,
  count: number,
): Promise<void> {
  const breath = new Breath()
  for (const [layer, target] of cache.layers.entries()) {
    for (const kind of CACHE_KINDS) {
      const rows = rowsOf(added, layer, kind)
      for (let head = 0; head < cache.heads; head++) {
        const first = head * length * cache.width
        const part = rows.subarray(first, first + count * cache.width)
        const start = cache.offset(slot, head) + cachedLength * cache.width
        ;(target[kind].data as Int8Array).set(part, start)
      }
      await breath.after(rows.byteLength)
    }
  }
  cache.touch(slot, cachedLength + count)
}
