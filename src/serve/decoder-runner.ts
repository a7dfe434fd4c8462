/**
 * Runs the decoder over a cache: prefill of one sequence in chunks, decoding of several at once.
 *
 * The attention operator takes several new positions over a past for one sequence only. So prompts are read one by one,
 * or, where they are short, by a graph that has the operator several times: `segmented-prefill.ts`.
 */
import { atOnce, inTurns } from '../core/steps.ts'
import type { DecoderConfig } from '../decoder/decoder.ts'
import { cacheHeadDim } from '../layers/attention.ts'
import { rotarySteps } from '../layers/rotary.ts'
import type { RunOptions, Runtime, Session, Tensor } from '../runtime/runtime.ts'
import { pastFeeds, presentFeeds } from './cache-feeds.ts'
import { DecodeStepper } from './decode-stepper.ts'
import type { CacheForm } from './decoder-graph.ts'
import { Int8Prefill, type CacheChunk } from './int8-prefill.ts'
import { disposeLayers, KvCache } from './kv-cache.ts'
import { SegmentedPrefill, type MakeSegmented } from './segmented-prefill.ts'
import { TensorScope } from './tensor-scope.ts'

/** Most positions of one prefill run. A picture and a question go in one; longer runs are hardly faster and take more memory. */
export const PREFILL_CHUNK = 768

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

export type DecoderSessions = {
  readonly cacheForm: CacheForm
  /** Prompts: `decoderGraph`, or `int8PrefillGraph`. */
  readonly prefill: Session
  /** Steps of several sequences: the same session as `prefill`, or `int8DecodeGraph`. */
  readonly decode: Session
  /** The graph of `decode` in a form that is faster with one sequence, or null. */
  readonly singleStream: Session | null
  /** Makes the session that reads several short prompts in one run; null where there is none. */
  readonly makeSegmented: MakeSegmented | null
}

type RotaryTensors = { readonly positions: number; readonly cos: Tensor; readonly sin: Tensor }

export class DecoderRunner {
  readonly config: DecoderConfig
  readonly cacheForm: CacheForm
  readonly #runtime: Runtime
  readonly #sessions: DecoderSessions
  readonly #int8Prefill: Int8Prefill
  readonly #segmented: SegmentedPrefill | null
  /** Longest last. Shorter ones stay, since a stepper may have bound them. */
  readonly #tables: RotaryTensors[] = []

  /** Disposes of the sessions when it is disposed of. */
  constructor(parts: {
    readonly runtime: Runtime
    readonly config: DecoderConfig
    readonly sessions: DecoderSessions
  }) {
    const { runtime, config, sessions } = parts
    this.#runtime = runtime
    this.#sessions = sessions
    this.#int8Prefill = new Int8Prefill({ runtime, config, ...sessions })
    const { makeSegmented: make } = sessions
    this.#segmented = make && new SegmentedPrefill(runtime, config, make)
    this.config = config
    this.cacheForm = sessions.cacheForm
  }

  /** Whether one run over several positions is what so many steps are: the same weights, and a cache that is not rounded. */
  get hasExactRuns(): boolean {
    return this.cacheForm === 'f32' && this.#sessions.singleStream === null
  }

  newCache(slots: number, capacity: number): KvCache {
    return new KvCache(this.#runtime, this.config, { slots, capacity, form: this.cacheForm })
  }

  /** Fills a slot in as many runs as it takes, and gives the logits asked for, [rows, V] row-major. */
  async prefill(request: PrefillRequest, options: RunOptions): Promise<Float32Array> {
    const { hiddenSize, vocabSize } = this.config
    const length = request.embeddings.length / hiddenSize
    const logits = new Float32Array(request.logitRows.length * vocabSize)
    let written = 0
    for (let start = 0; start < length;) {
      const end = runEnd(start, length)
      const inRun = request.logitRows.filter((row) => row >= start && row < end)
      const part = {
        ...request,
        cachedLength: request.cachedLength + start,
        embeddings: request.embeddings.subarray(start * hiddenSize, end * hiddenSize),
        logitRows: inRun.map((row) => row - start),
      }
      logits.set(await this.prefillRun(part, options), written)
      written += inRun.length * vocabSize
      start = end
    }
    return logits
  }

  /** Resolves when prompts can be read together, or it is known that they cannot. */
  async prepareTogether(): Promise<void> {
    await this.#segmented?.prepare()
  }

  /**
   * Fills slots, at most `SEGMENTS`, with positions that go into one run each; if possible, all in one. Gives each one's
   * logits, which are the same either way.
   */
  async prefillTogether(
    requests: readonly PrefillRequest[],
    options: RunOptions,
  ): Promise<Float32Array[]> {
    if (this.#segmented?.takes(requests)) {
      const capacity = Math.max(...requests.map(({ cache }) => cache.capacity))
      return this.#segmented.run(requests, await this.#tablesFor(capacity), options)
    }
    const logits: Float32Array[] = []
    for (const request of requests) logits.push(await this.prefillRun(request, options))
    return logits
  }

  /** The same for one slot. */
  async prefillRun(request: PrefillRequest, options: RunOptions): Promise<Float32Array> {
    const { hiddenSize, vocabSize } = this.config
    const { cache, slot, cachedLength, embeddings, logitRows } = request
    const length = embeddings.length / hiddenSize
    // A run without any logit row would be a product of no rows; one is computed and thrown away instead.
    const rows = logitRows.length > 0 ? logitRows : [length - 1]
    const logits = new Float32Array(rows.length * vocabSize)
    const total = cachedLength + length
    const tables = await this.#tablesFor(cache.capacity)
    const scope = new TensorScope(this.#runtime)
    try {
      const inputs = {
        embeddings: scope.tensor('float32', [1, length, hiddenSize], embeddings),
        rows: scope.tensor('int64', [rows.length], BigInt64Array.from(rows, BigInt)),
        lastPosition: scope.tensor('int32', [1], Int32Array.of(total - 1)),
        totalLength: scope.tensor('int32', [], Int32Array.of(total)),
        ...tables,
      }
      const outputs = { logits: scope.tensor('float32', [rows.length, vocabSize], logits) }
      const part = { cache, slot, cachedLength, length, inputs, outputs }
      if (cache.form === 'int8') await this.#int8Prefill.run(part, options)
      else await this.#runInPlace(part, options)
    } finally {
      scope.dispose()
    }
    return logitRows.length > 0 ? logits : new Float32Array(0)
  }

  /** A stepper over the sequences in slots [0, count). Dispose it when the set changes. */
  stepper(cache: KvCache, count: number): DecodeStepper {
    const { decode, singleStream } = this.#sessions
    return new DecodeStepper({
      runtime: this.#runtime,
      session: (count === 1 && singleStream) || decode,
      config: this.config,
      cache,
      tables: this.#rotary(cache.capacity),
      count,
    })
  }

  /** Resolves when no session is being made any more. */
  async dispose(): Promise<void> {
    for (const { cos, sin } of this.#tables) {
      cos.dispose()
      sin.dispose()
    }
    const { prefill, decode, singleStream } = this.#sessions
    for (const session of new Set([prefill, decode, singleStream])) session?.dispose()
    await this.#segmented?.dispose()
  }

  /** A float32 cache grows where it is. */
  async #runInPlace(chunk: CacheChunk, options: RunOptions): Promise<void> {
    const { cache, slot, cachedLength, length, inputs, outputs } = chunk
    const layers = cache.view(slot, 1)
    try {
      await this.#sessions.prefill.run(
        { ...inputs, ...pastFeeds(layers) },
        { ...outputs, ...presentFeeds(layers) },
        options,
      )
      cache.touch(slot, cachedLength + length)
    } finally {
      disposeLayers(layers)
    }
  }

  /** Rotation tables for at least so many positions. */
  #rotary(positions: number): { cos: Tensor; sin: Tensor } {
    const { cos, sin } =
      this.#tableFor(positions) ?? this.#keepTables(atOnce(this.#steps(positions)))
    return { cos, sin }
  }

  #tableFor(positions: number): RotaryTensors | null {
    const last = this.#tables.at(-1)
    return last && last.positions >= positions ? last : null
  }

  /** The same with turns for others, before anything is made for a longer sequence. */
  async #tablesFor(positions: number): Promise<{ cos: Tensor; sin: Tensor }> {
    if (!this.#tableFor(positions)) {
      const tables = await inTurns(this.#steps(positions))
      if (!this.#tableFor(positions)) this.#keepTables(tables)
    }
    return this.#rotary(positions)
  }

  /** Twice as many positions as before, or more. */
  #steps(positions: number) {
    const { headDim } = this.config.attention
    const size = 2 ** Math.ceil(Math.log2(Math.max(positions, 256)))
    const width = cacheHeadDim(headDim) / 2
    return rotarySteps(this.config.rope, { positions: size, headDim, width })
  }

  #keepTables({ cos, sin }: { cos: Float32Array; sin: Float32Array }): RotaryTensors {
    const width = cacheHeadDim(this.config.attention.headDim) / 2
    const positions = cos.length / width
    const tables = {
      positions,
      cos: this.#runtime.tensor('float32', [positions, width], cos),
      sin: this.#runtime.tensor('float32', [positions, width], sin),
    }
    this.#tables.push(tables)
    return tables
  }
}

/** Where a run from `start` of a prompt of `length` ends: runs are of equal length, a short rest would cost more than its share. */
export function runEnd(start: number, length: number, most: number = PREFILL_CHUNK): number {
  const rest = length - start
  return start + Math.ceil(rest / Math.ceil(rest / most))
}
