/**
 * Prefill of an int8 cache: a run gives the new rows, already in 8 bits, and the host puts them into the slot.
 *
 * Nothing but one layer's keys and values ever is float32, and that in the engine's memory for intermediates: fresh
 * memory for all layers, four times the cache, would cost more than the rounding it saves. A few positions after many are
 * sooner added as a decode step adds one, in place: docs/decisions.md.
 */
import type { DecoderConfig } from '../decoder/decoder.ts'
import type { Feeds, RunOptions, Runtime, Session, Tensor } from '../runtime/runtime.ts'
import {
  pastFeeds,
  pastScaleFeeds,
  presentFeeds,
  scaleFeeds,
  type NamedTensors,
} from './cache-feeds.ts'
import { clearScales, setScales, shareCut, TOLERATED_CUT, widenScales } from './cache-scales.ts'
import { addedNames, kvWidth } from './decoder-graph.ts'
import { Breath, CACHE_KINDS, disposeLayers, type KvCache } from './kv-cache.ts'
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

/**
 * New positions up to which adding them in place is faster, where every query head has keys of its own: its cost goes with
 * queries times the past, that of unpacking with the keys of the past.
 */
const SHORT = 64
/** Positions whose scales are good for others; before so few, unpacking costs nothing. */
const SETTLED = 128

export class Int8Prefill {
  readonly #runtime: Runtime
  readonly #config: DecoderConfig
  readonly #prefill: Session
  readonly #decode: Session
  /** Memory for the new rows of all layers, kept from run to run unless one is at it already. */
  #staging: Int8Array | null = null

  constructor(parts: {
    readonly runtime: Runtime
    readonly config: DecoderConfig
    /** `int8PrefillGraph` */
    readonly prefill: Session
    /** `int8DecodeGraph` */
    readonly decode: Session
  }) {
    this.#runtime = parts.runtime
    this.#config = parts.config
    this.#prefill = parts.prefill
    this.#decode = parts.decode
  }

  async run(chunk: CacheChunk, options: RunOptions): Promise<void> {
    const { numHeads, numKvHeads } = this.#config.attention
    const isShort = chunk.length <= (SHORT * numKvHeads) / numHeads
    if (isShort && chunk.cachedLength >= SETTLED && (await this.#addInPlace(chunk, options))) return
    await this.#addUnpacked(chunk, options)
  }

  /** False if the scales of the slot cut off too much of the new positions: then they are still to be added. */
  async #addInPlace(chunk: CacheChunk, options: RunOptions): Promise<boolean> {
    const { cache, slot, cachedLength, length } = chunk
    const layers = cache.view(slot, 1)
    try {
      await this.#decode.run(
        { ...chunk.inputs, ...pastFeeds(layers), ...scaleFeeds(layers) },
        { ...chunk.outputs, ...presentFeeds(layers) },
        options,
      )
    } finally {
      disposeLayers(layers)
    }
    cache.touch(slot, cachedLength + length)
    const added = { slot, from: cachedLength, to: cachedLength + length }
    const share = shareCut(cache, added)
    if (share > TOLERATED_CUT) return false
    if (share > 0) await widenScales(cache, added)
    return true
  }

  async #addUnpacked(chunk: CacheChunk, options: RunOptions): Promise<void> {
    const { cache, slot, cachedLength, length } = chunk
    if (cachedLength === 0) clearScales(cache, slot)
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
      await this.#prefill.run(
        { ...chunk.inputs, ...feeds },
        { ...chunk.outputs, ...added },
        options,
      )
      await store(chunk, added)
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
        tensors[names.scale[kind]] = scope.tensor('float32', [1, 1, width])
      })
    }
    return tensors
  }
}

/** Puts new rows behind those of the slot, which get the new scales. */
async function store(chunk: CacheChunk, added: NamedTensors): Promise<void> {
  const { cache, slot, cachedLength, length } = chunk
  const breath = new Breath()
  for (const layer of cache.layers.keys()) {
    const names = addedNames(layer)
    for (const kind of CACHE_KINDS) {
      const next = (added[names.scale[kind]] as Tensor).data as Float32Array
      await setScales(cache, { layer, kind, slot }, { next, length: cachedLength })
      const rows = (added[names.rows[kind]] as Tensor).data as Int8Array
      const data = cache.layers[layer]?.[kind].data as Int8Array
      const size = length * cache.width
      for (let head = 0; head < cache.heads; head++) {
        const start = cache.offset(slot, head) + cachedLength * cache.width
        data.set(rows.subarray(head * size, (head + 1) * size), start)
      }
      await breath.after(rows.byteLength)
    }
  }
  cache.touch(slot, cachedLength + length)
}
