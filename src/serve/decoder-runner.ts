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
import { MOST_WIDENINGS, widenScales } from './cache-scales.ts'
import { Int8Prefill, type CacheChunk } from './int8-prefill.ts'
import {
  disposeLayers,
  KvCache,
  slotScales,
  type ChannelSizes,
  type SlotScales,
} from './kv-cache.ts'
import { SegmentedPrefill, type MakeSegmented } from './segmented-prefill.ts'
import { TensorScope } from './tensor-scope.ts'

/** Most positions of one prefill run. A picture and a question go in one; longer runs are hardly faster and take more memory. */
export const PREFILL_CHUNK = 768

/** Positions that are read at once after scales were widened, twice as many each time that they fit. */
const FEWEST_AFTER_WIDENING = 32

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
  /** The layer that keeps runs of several positions from being what steps are: `exact-runs.ts`; null if none does. */
  readonly coarseLayer: string | null
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
  /** Of int8 caches: `calibrate-cache.ts`. */
  #cacheScales: SlotScales | null = null
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
    this.#int8Prefill = new Int8Prefill(runtime, config, sessions.prefill)
    const { makeSegmented: make } = sessions
    this.#segmented = make && new SegmentedPrefill(runtime, config, make)
    this.config = config
    this.cacheForm = sessions.cacheForm
  }

  /** Whether one run over several positions is nearly what so many steps are: the same weights, and no rounding between. */
  get hasExactRuns(): boolean {
    return this.inexactRuns === null
  }

  /** Why it is not, as a clause; null if it is. */
  get inexactRuns(): string | null {
    const { singleStream, coarseLayer } = this.#sessions
    if (this.cacheForm !== 'f32') return `keys and values are kept in ${this.cacheForm}`
    if (singleStream) return 'one answer alone takes its steps with other weights (int8+q4)'
    return coarseLayer && `activations are rounded to 8 bits by ${coarseLayer}`
  }

  newCache(slots: number, capacity: number): KvCache {
    const size = { slots, capacity, form: this.cacheForm, scales: this.#cacheScales }
    if (size.form === 'int8' && !size.scales) throw new Error('internal: a cache without scales')
    return new KvCache(this.#runtime, this.config, size)
  }

  /** Scales of all int8 caches that are made from now on. */
  setCacheScales(scales: ChannelSizes): void {
    this.#cacheScales = slotScales(this.config, scales)
  }

  /** The largest keys and values of each channel over a prompt [T, D], with which int8 caches are made. */
  async largestOfCache(embeddings: Float32Array, options: RunOptions): Promise<ChannelSizes> {
    const capacity = embeddings.length / this.config.hiddenSize
    const size = { slots: 1, capacity, form: 'int8' } as const
    const cache = new KvCache(this.#runtime, this.config, size)
    const request = { cache, slot: 0, cachedLength: 0, embeddings, logitRows: [] }
    try {
      const run = (chunk: CacheChunk) => this.#int8Prefill.largest(chunk, options)
      return (await this.#compute(request, run)).result
    } finally {
      cache.dispose()
    }
  }

  /** Fills a slot in as many runs as it takes, and gives the logits asked for, [rows, V] row-major. */
  async prefill(request: PrefillRequest, options: RunOptions): Promise<Float32Array> {
    const { hiddenSize, vocabSize } = this.config
    const length = request.embeddings.length / hiddenSize
    const logits = new Float32Array(request.logitRows.length * vocabSize)
    let written = 0
    for (let start = 0; start < length;) {
      const end = runEnd(start, length)
      const part = partOf(request, { start, end, hiddenSize })
      logits.set(await this.prefillRun(part, options), written)
      written += part.logitRows.length * vocabSize
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
    if (request.cache.form === 'int8') return this.#prefillInt8(request, options)
    const run = (chunk: CacheChunk) => this.#runInPlace(chunk, options)
    return (await this.#compute(request, run)).logits
  }

  /**
   * Over an int8 cache: a position that its scales cut off is computed again with wider ones, and so is what follows. That
   * begins with few positions, since the next such position is often near.
   */
  async #prefillInt8(request: PrefillRequest, options: RunOptions): Promise<Float32Array> {
    const { hiddenSize, vocabSize } = this.config
    const { cache, slot, cachedLength } = request
    const length = request.embeddings.length / hiddenSize
    const logits = new Float32Array(request.logitRows.length * vocabSize)
    if (cachedLength === 0) cache.resetScales(slot)
    let written = 0
    let most = length
    let widenings = 0
    for (let start = 0; start < length;) {
      const end = runEnd(start, length, most)
      const part = partOf(request, { start, end, hiddenSize })
      const run = (chunk: CacheChunk) => this.#int8Prefill.run(chunk, end - start, options)
      const { logits: rows, result: cut } = await this.#compute(ofSeveral(part, hiddenSize), run)
      const isWidened = cut !== null && widenings < MOST_WIDENINGS
      // One that no scales are wide enough for is none.
      const count = cut === null ? end - start : isWidened ? cut : cut + 1
      const valid = part.logitRows.filter((row) => row < count).length * vocabSize
      logits.set(rows.subarray(0, valid), written)
      written += valid
      start += count
      if (isWidened) {
        await widenScales(cache, slot, cachedLength + start + 1)
        widenings = count === 0 ? widenings + 1 : 1
        most = FEWEST_AFTER_WIDENING
      } else {
        widenings = 0
        most *= 2
      }
    }
    return logits
  }

  /** Runs a request, however its cache is fed; gives logits [rows, V]. */
  async #compute<T>(
    request: PrefillRequest,
    run: (chunk: CacheChunk) => Promise<T>,
  ): Promise<{ readonly logits: Float32Array; readonly result: T }> {
    const { hiddenSize, vocabSize } = this.config
    const { cache, slot, cachedLength, embeddings, logitRows } = request
    const length = embeddings.length / hiddenSize
    // A run without any logit row would be a product of no rows; one is computed and thrown away instead.
    const rows = logitRows.length > 0 ? logitRows : [length - 1]
    const logits = new Float32Array(rows.length * vocabSize)
    const total = cachedLength + length
    const tables = await this.#tablesFor(Math.max(cache.capacity, total))
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
      const result = await run(part)
      return { logits: logitRows.length > 0 ? logits : new Float32Array(0), result }
    } finally {
      scope.dispose()
    }
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

/** Positions [start, end) of a request. */
function partOf(
  request: PrefillRequest,
  { start, end, hiddenSize }: { start: number; end: number; hiddenSize: number },
): PrefillRequest {
  const inRun = request.logitRows.filter((row) => row >= start && row < end)
  return {
    ...request,
    cachedLength: request.cachedLength + start,
    embeddings: request.embeddings.subarray(start * hiddenSize, end * hiddenSize),
    logitRows: inRun.map((row) => row - start),
  }
}

/** The same with a second position to be thrown away where it has but one, whose sums would be in another order. */
function ofSeveral(request: PrefillRequest, hiddenSize: number): PrefillRequest {
  const { embeddings } = request
  if (embeddings.length > hiddenSize) return request
  const twice = new Float32Array(2 * hiddenSize)
  twice.set(embeddings)
  twice.set(embeddings, hiddenSize)
  return { ...request, embeddings: twice }
}

/**
 * The attention operator takes the queries of a run in blocks of a multiple of so many, and adds up in another order where a
 * block has but one: docs/decisions.md.
 */
const QUERY_BLOCK = 32

/**
 * Where a run from `start` of a prompt of `length` ends: runs are of equal length, a short rest would cost more than its
 * share; and none leaves one position alone, so that a prompt has the same numbers however it is read.
 */
export function runEnd(start: number, length: number, most: number = PREFILL_CHUNK): number {
  const rest = length - start
  const even = Math.ceil(rest / Math.ceil(rest / most))
  const isOneOver = even > 1 && even % QUERY_BLOCK === 1
  return start + (isOneOver ? even - 2 : even)
}
