/** One decode step after another over the same slots of a cache, with every buffer bound once. */
import type { DecoderConfig } from '../decoder/decoder.ts'
import type { Feeds, RunOptions, Runtime, Session } from '../runtime/runtime.ts'
import { pastFeeds, presentFeeds, scaleFeeds } from './cache-feeds.ts'
import { isCutTooMuch, MOST_WIDENINGS, widenScales } from './cache-scales.ts'
import { disposeLayers, type CacheLayer, type KvCache } from './kv-cache.ts'
import { TensorScope } from './tensor-scope.ts'

export class DecodeStepper {
  readonly count: number
  /** Embeddings of the next tokens, [B, D]: write here before `step`. */
  readonly embeddings: Float32Array
  /** Logits of the last step, [B, V]. */
  readonly logits: Float32Array
  readonly #cache: KvCache
  readonly #lastPosition: Int32Array
  readonly #totalLength = new Int32Array(1)
  readonly #scope: TensorScope
  readonly #layers: readonly CacheLayer[]
  readonly #binding: ReturnType<Session['bind']>

  /** Steps the sequences in slots [0, count). */
  constructor(parts: {
    readonly runtime: Runtime
    readonly session: Session
    readonly config: DecoderConfig
    readonly cache: KvCache
    /** cos and sin */
    readonly tables: Feeds
    readonly count: number
  }) {
    const { runtime, config, count, cache } = parts
    this.count = count
    this.embeddings = new Float32Array(count * config.hiddenSize)
    this.logits = new Float32Array(count * config.vocabSize)
    this.#cache = cache
    this.#lastPosition = new Int32Array(count)
    const layers = cache.view(0, count)
    const scope = new TensorScope(runtime)
    this.#layers = layers
    this.#scope = scope
    const rows = BigInt64Array.from({ length: count }, (_, i) => BigInt(i))
    this.#binding = parts.session.bind(
      {
        embeddings: scope.tensor('float32', [count, 1, config.hiddenSize], this.embeddings),
        rows: scope.tensor('int64', [count], rows),
        lastPosition: scope.tensor('int32', [count], this.#lastPosition),
        totalLength: scope.tensor('int32', [], this.#totalLength),
        ...parts.tables,
        ...pastFeeds(layers),
        ...scaleFeeds(layers),
      },
      {
        logits: scope.tensor('float32', [count, config.vocabSize], this.logits),
        ...presentFeeds(layers),
      },
    )
  }

  /** Adds one position to each sequence; `lengths` are the filled lengths before it. */
  async step(lengths: readonly number[], options: RunOptions): Promise<void> {
    this.#lastPosition.set(lengths)
    this.#totalLength[0] = Math.max(...lengths) + 1
    lengths.forEach((length, slot) => this.#cache.touch(slot, length + 1))
    await this.#binding.run(options)
    if (this.#cache.form === 'int8') await this.#keepInScale(lengths, options)
  }

  dispose(): void {
    this.#binding.dispose()
    this.#scope.dispose()
    disposeLayers(this.#layers)
  }

  /** Widens scales that cut off too much of the newest positions, and computes those again. */
  async #keepInScale(lengths: readonly number[], options: RunOptions): Promise<void> {
    const cache = this.#cache
    let slots = [...lengths.keys()]
    for (let i = 0; i < MOST_WIDENINGS; i++) {
      slots = slots.filter((slot) => isCutTooMuch(cache, slot, lengths[slot] as number))
      if (slots.length === 0) return
      for (const slot of slots) await widenScales(cache, slot, (lengths[slot] as number) + 1)
      await this.#binding.run(options)
    }
  }
}
