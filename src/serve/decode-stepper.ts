/** One decode step after another over the same slots of a cache, with every buffer bound once. */
import type { DecoderConfig } from '../decoder/decoder.ts'
import type { Feeds, RunOptions, Runtime, Session } from '../runtime/runtime.ts'
import { pastFeeds, presentFeeds, scaleFeeds } from './cache-feeds.ts'
import { shareCut, TOLERATED_CUT, widenScales, type Positions } from './cache-scales.ts'
import { disposeLayers, type CacheLayer, type KvCache } from './kv-cache.ts'
import { TensorScope } from './tensor-scope.ts'

/** Each repetition doubles scales: no two values of a channel differ by so many powers of two. */
const MOST_REPETITIONS = 24

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

  /**
   * Widens scales in which the newest positions are cut off, and computes positions of which much was again. What happens
   * to a sequence depends on itself alone: the scales of those that cut off little wait until the others are done.
   */
  async #keepInScale(lengths: readonly number[], options: RunOptions): Promise<void> {
    let unsure = lengths.map((length, slot) => ({ slot, from: length, to: length + 1 }))
    const slightlyCut: Positions[] = []
    for (let i = 0; unsure.length > 0 && i < MOST_REPETITIONS; i++) {
      if (i > 0) await this.#binding.run(options)
      const bad: typeof unsure = []
      for (const added of unsure) {
        const share = shareCut(this.#cache, added)
        if (share > TOLERATED_CUT) bad.push(added)
        else if (share > 0) slightlyCut.push(added)
      }
      for (const added of bad) await widenScales(this.#cache, added)
      unsure = bad
    }
    for (const added of slightlyCut) await widenScales(this.#cache, added)
  }
}
