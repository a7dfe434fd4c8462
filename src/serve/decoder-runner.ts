/**
 * Runs the decoder over a cache: prefill of one sequence in chunks, decoding of several at once.
 *
 * Every buffer of a decode step is bound once and rewritten in place. Prefill goes row by row because the attention
 * operator takes several new positions over a past for one sequence only.
 */
import type { DecoderConfig } from '../decoder/decoder.ts'
import { cacheHeadDim } from '../layers/attention.ts'
import { rotaryTables } from '../layers/rotary.ts'
import type { Feeds, RunOptions, Runtime, Session, Tensor } from '../runtime/runtime.ts'
import { cacheNames, presentName } from './decoder-graph.ts'
import { KvCache, type CacheLayer } from './kv-cache.ts'

/** Positions of one prefill run: large enough for full speed, small enough to stop soon. */
export const PREFILL_CHUNK = 512

export type PrefillRequest = {
  readonly cache: KvCache
  readonly slot: number
  /** Positions [0, cachedLength) of the slot are filled and stay. */
  readonly cachedLength: number
  /** Embeddings of the positions after those, [T, D] row-major. */
  readonly embeddings: Float32Array
  /** Positions, counted from `cachedLength`, whose logits are wanted, ascending. */
  readonly logitRows: readonly number[]
}

export class DecoderRunner {
  readonly config: DecoderConfig
  readonly #runtime: Runtime
  readonly #session: Session
  readonly #singleStream: Session | null
  #tables: { positions: number; cos: Tensor; sin: Tensor } | null = null

  constructor(parts: {
    readonly runtime: Runtime
    readonly config: DecoderConfig
    readonly session: Session
    /** The same model in a form that decodes one sequence faster, or null. */
    readonly singleStream: Session | null
  }) {
    this.#runtime = parts.runtime
    this.#session = parts.session
    this.#singleStream = parts.singleStream
    this.config = parts.config
  }

  newCache(slots: number, capacity: number): KvCache {
    return new KvCache(this.#runtime, this.config, { slots, capacity })
  }

  /** Fills a slot and gives the logits asked for, [rows, V] row-major. */
  async prefill(request: PrefillRequest, options: RunOptions): Promise<Float32Array> {
    const { hiddenSize, vocabSize } = this.config
    const length = request.embeddings.length / hiddenSize
    const logits = new Float32Array(request.logitRows.length * vocabSize)
    let written = 0
    for (let start = 0; start < length; start += PREFILL_CHUNK) {
      const end = Math.min(length, start + PREFILL_CHUNK)
      const inChunk = request.logitRows.filter((row) => row >= start && row < end)
      const target = logits.subarray(written * vocabSize, (written + inChunk.length) * vocabSize)
      await this.#chunk(request, { start, end, rows: inChunk, logits: target }, options)
      written += inChunk.length
    }
    return logits
  }

  /** A stepper over the sequences in slots [0, count). Dispose it when the set changes. */
  stepper(cache: KvCache, count: number): DecodeStepper {
    return new DecodeStepper({
      runtime: this.#runtime,
      session: (count === 1 && this.#singleStream) || this.#session,
      config: this.config,
      layers: cache.view(0, count),
      tables: this.#rotary(cache.capacity),
      count,
    })
  }

  dispose(): void {
    this.#tables?.cos.dispose()
    this.#tables?.sin.dispose()
    this.#session.dispose()
    this.#singleStream?.dispose()
  }

  async #chunk(
    request: PrefillRequest,
    chunk: { start: number; end: number; rows: readonly number[]; logits: Float32Array },
    options: RunOptions,
  ): Promise<void> {
    const { hiddenSize, vocabSize } = this.config
    const { start, end } = chunk
    // A run without any logit row would be a product of no rows; one is computed and thrown away instead.
    const rows = chunk.rows.length > 0 ? chunk.rows.map((row) => row - start) : [end - start - 1]
    const logits = chunk.rows.length > 0 ? chunk.logits : new Float32Array(vocabSize)
    const total = request.cachedLength + end
    const scope = new Scope(this.#runtime)
    const layers = request.cache.view(request.slot, 1)
    try {
      const data = request.embeddings.subarray(start * hiddenSize, end * hiddenSize)
      const feeds: Record<string, Tensor> = {
        embeddings: scope.tensor('float32', [1, end - start, hiddenSize], data),
        rows: scope.tensor('int64', [rows.length], BigInt64Array.from(rows, BigInt)),
        lastPosition: scope.tensor('int32', [1], Int32Array.of(total - 1)),
        totalLength: scope.tensor('int32', [], Int32Array.of(total)),
      }
      const outputs = { logits: scope.tensor('float32', [rows.length, vocabSize], logits) }
      await this.#session.run(
        { ...feeds, ...this.#rotary(request.cache.capacity), ...pastFeeds(layers) },
        { ...outputs, ...presentFeeds(layers) },
        options,
      )
    } finally {
      scope.dispose()
      disposeLayers(layers)
    }
  }

  /** The rotation tables, grown to the next power of two when a longer sequence comes. */
  #rotary(positions: number): { cos: Tensor; sin: Tensor } {
    if (!this.#tables || this.#tables.positions < positions) {
      const { headDim } = this.config.attention
      const size = 2 ** Math.ceil(Math.log2(Math.max(positions, 256)))
      const width = cacheHeadDim(headDim) / 2
      const { cos, sin } = rotaryTables(this.config.rope, { positions: size, headDim, width })
      this.#tables?.cos.dispose()
      this.#tables?.sin.dispose()
      const shape = [size, width]
      this.#tables = {
        positions: size,
        cos: this.#runtime.tensor('float32', shape, cos),
        sin: this.#runtime.tensor('float32', shape, sin),
      }
    }
    return { cos: this.#tables.cos, sin: this.#tables.sin }
  }
}

/** One decode step after another over the same slots, with every buffer bound once. */
export class DecodeStepper {
  readonly count: number
  /** Embeddings of the next tokens, [B, D]: write here before `step`. */
  readonly embeddings: Float32Array
  /** Logits of the last step, [B, V]. */
  readonly logits: Float32Array
  readonly #lastPosition: Int32Array
  readonly #totalLength = new Int32Array(1)
  readonly #scope: Scope
  readonly #layers: readonly CacheLayer[]
  readonly #binding: ReturnType<Session['bind']>

  constructor(parts: {
    runtime: Runtime
    session: Session
    config: DecoderConfig
    layers: readonly CacheLayer[]
    tables: Feeds
    count: number
  }) {
    const { runtime, config, count, layers } = parts
    this.count = count
    this.embeddings = new Float32Array(count * config.hiddenSize)
    this.logits = new Float32Array(count * config.vocabSize)
    this.#lastPosition = new Int32Array(count)
    this.#layers = layers
    const scope = new Scope(runtime)
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
    await this.#binding.run(options)
  }

  dispose(): void {
    this.#binding.dispose()
    this.#scope.dispose()
    disposeLayers(this.#layers)
  }
}

/** Tensors that live as long as one run. */
class Scope {
  readonly #runtime: Runtime
  readonly #tensors: Tensor[] = []

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  tensor(...args: Parameters<Runtime['tensor']>): Tensor {
    const tensor = this.#runtime.tensor(...args)
    this.#tensors.push(tensor)
    return tensor
  }

  dispose(): void {
    for (const tensor of this.#tensors) tensor.dispose()
  }
}

function pastFeeds(layers: readonly CacheLayer[]): Record<string, Tensor> {
  return Object.fromEntries(
    layers.flatMap(({ key, value }, i) => {
      const names = cacheNames(i)
      return [
        [names.key, key],
        [names.value, value],
      ]
    }),
  )
}

function presentFeeds(layers: readonly CacheLayer[]): Record<string, Tensor> {
  const past = Object.entries(pastFeeds(layers))
  return Object.fromEntries(past.map(([name, tensor]) => [presentName(name), tensor]))
}

function disposeLayers(layers: readonly CacheLayer[]): void {
  for (const { key, value } of layers) {
    key.dispose()
    value.dispose()
  }
}
