/**
 * Short prompts of several sequences in one run: weights, which are most of what a short run costs, are read once for all.
 *
 * The session has its own graph over the weights that others have packed already, so it takes little memory; but the weights
 * are read from their files again to make it. That happens beside running answers when several prompts wait together for
 * the first time. Until it is there, and where there is no memory for making it, prompts are read one by one: the
 * numbers are the same, docs/decisions.md.
 */
import type { DecoderConfig } from '../decoder/decoder.ts'
import type { Feeds, RunOptions, Runtime, Session } from '../runtime/runtime.ts'
import { pastFeeds, presentFeeds, type NamedTensors } from './cache-feeds.ts'
import { segmentName } from './decoder-graph.ts'
import type { PrefillRequest } from './decoder-runner.ts'
import { disposeLayers, KvCache } from './kv-cache.ts'
import { TensorScope } from './tensor-scope.ts'

/** Prompts of one run. More are hardly faster: docs/decisions.md. */
export const SEGMENTS = 4

/** Makes a session of `segmentedGraph`. */
export type MakeSegmented = (signal: AbortSignal) => Promise<Session>

/** Products with one row are other kernels, which may add up in another order; alone such a prompt would get those. */
const FEWEST_POSITIONS = 2

export class SegmentedPrefill {
  readonly #runtime: Runtime
  readonly #config: DecoderConfig
  readonly #make: MakeSegmented
  readonly #stop = new AbortController()
  #making: Promise<void> | null = null
  #session: Session | null = null
  /** What segments without a prompt write to. */
  #idle: KvCache | null = null

  constructor(runtime: Runtime, config: DecoderConfig, make: MakeSegmented) {
    this.#runtime = runtime
    this.#config = config
    this.#make = make
  }

  /** Makes the session, if that was not tried before; resolves when it is there, or cannot be. */
  prepare(): Promise<void> {
    this.#making ??= this.#make(this.#stop.signal).then(
      (session) => void (this.#session = session),
      () => {},
    )
    return this.#making
  }

  /** Whether `run` takes these requests. Where it lacks nothing but its session, that is made. */
  takes(requests: readonly PrefillRequest[]): boolean {
    const isFit =
      requests.length > 1 &&
      requests.length <= SEGMENTS &&
      requests.some(({ logitRows }) => logitRows.length > 0) &&
      requests.every((request) => this.#lengthOf(request) >= FEWEST_POSITIONS)
    if (isFit) void this.prepare()
    return isFit && this.#session !== null
  }

  /** Fills the slots in one run, and gives the logits of each request, [rows, V]. `tables`: cos and sin. */
  async run(
    requests: readonly PrefillRequest[],
    tables: Feeds,
    options: RunOptions,
  ): Promise<Float32Array[]> {
    if (!this.#session) throw new Error('internal: no session for several prompts')
    const idle = Array.from({ length: SEGMENTS - requests.length }, () => this.#idleRequest())
    const segments = [...requests, ...idle]
    const scope = new TensorScope(this.#runtime)
    const layers = segments.map(({ cache, slot }) => cache.view(slot, 1))
    try {
      const rows = this.#rowFeeds(scope, segments)
      const inputs: NamedTensors = { ...tables, ...rows.inputs }
      const outputs: NamedTensors = { ...rows.outputs }
      for (const [s, segment] of segments.entries()) {
        Object.assign(inputs, this.#stateFeeds(scope, segment, s), pastFeeds(layers[s] ?? [], s))
        Object.assign(outputs, presentFeeds(layers[s] ?? [], s))
      }
      await this.#session.run(inputs, outputs, options)
      for (const request of requests) {
        request.cache.touch(request.slot, request.cachedLength + this.#lengthOf(request))
      }
      return this.#split(rows.logits, requests)
    } finally {
      scope.dispose()
      for (const one of layers) disposeLayers(one)
    }
  }

  /** Resolves when nothing of it is made any more. */
  async dispose(): Promise<void> {
    this.#stop.abort()
    await this.#making
    this.#session?.dispose()
    this.#idle?.dispose()
  }

  /** Embeddings of all segments one behind the other, and the rows of theirs whose logits are wanted. */
  #rowFeeds(scope: TensorScope, segments: readonly PrefillRequest[]) {
    const { hiddenSize, vocabSize } = this.#config
    const lengths = segments.map((segment) => this.#lengthOf(segment))
    const total = lengths.reduce((a, b) => a + b, 0)
    const embeddings = new Float32Array(total * hiddenSize)
    const rows: number[] = []
    let first = 0
    for (const [s, segment] of segments.entries()) {
      embeddings.set(segment.embeddings, first * hiddenSize)
      for (const row of segment.logitRows) rows.push(first + row)
      first += lengths[s] as number
    }
    const logits = new Float32Array(rows.length * vocabSize)
    return {
      inputs: {
        embeddings: scope.tensor('float32', [1, total, hiddenSize], embeddings),
        rows: scope.tensor('int64', [rows.length], BigInt64Array.from(rows, BigInt)),
      },
      outputs: { logits: scope.tensor('float32', [rows.length, vocabSize], logits) },
      logits,
    }
  }

  #stateFeeds(scope: TensorScope, segment: PrefillRequest, index: number): NamedTensors {
    const length = this.#lengthOf(segment)
    const filled = segment.cachedLength + length
    return {
      [segmentName('length', index)]: scope.tensor('uint8', [length]),
      [segmentName('lastPosition', index)]: scope.tensor('int32', [1], Int32Array.of(filled - 1)),
      [segmentName('totalLength', index)]: scope.tensor('int32', [], Int32Array.of(filled)),
    }
  }

  /** One position of nothing: the operator takes no fewer. */
  #idleRequest(): PrefillRequest {
    const size = { slots: 1, capacity: 1, form: 'f32' } as const
    this.#idle ??= new KvCache(this.#runtime, this.#config, size)
    const embeddings = new Float32Array(this.#config.hiddenSize)
    return { cache: this.#idle, slot: 0, cachedLength: 0, embeddings, logitRows: [] }
  }

  #lengthOf({ embeddings }: PrefillRequest): number {
    return embeddings.length / this.#config.hiddenSize
  }

  #split(logits: Float32Array, requests: readonly PrefillRequest[]): Float32Array[] {
    let at = 0
    return requests.map(({ logitRows }) => {
      const from = at
      at += logitRows.length * this.#config.vocabSize
      return logits.subarray(from, at)
    })
  }
}
