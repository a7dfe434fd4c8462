/**
 * The engine: prompts of embeddings in, logits out, several sequences together, caches kept between calls.
 *
 * It knows no text: a sequence says how it chooses its next token and when it ends.
 */
import { CapacityError } from '../core/errors.ts'
import type { RunOptions } from '../runtime/runtime.ts'
import type { DecoderRunner } from './decoder-runner.ts'
import type { EmbeddingTable } from './embedding-table.ts'
import { formatGiB, sequenceBytes, type KvCache } from './kv-cache.ts'
import { commonLength, PrefixStore } from './prefix-store.ts'
import { newCounters, type ServingStats } from './serving-stats.ts'
import { SequenceGroup, type EmbeddedPrompt } from './sequence-group.ts'

export type SequenceRequest = {
  readonly prompt: EmbeddedPrompt
  /** Positions that the answer may take. */
  readonly maxTokens: number
  /** Called with the logits [V] after the last position; gives the next token, or null to end. May overwrite them. */
  next(logits: Float32Array): number | null
  readonly signal?: AbortSignal | undefined
  /** Called when the prompt is in the cache, with the number of positions that were there before. */
  onPrefilled?(cachedLength: number): void
}

/** Fewer positions than this are computed again sooner than looked after. */
const FEWEST_SHARED = 8
/** The same within a call, whose answers are to equal the single ones: over int8 caches, sharing makes them only alike. */
const FEWEST_COPIED = { f32: 1, int8: 128 } as const
const SMALLEST_CAPACITY = 1024

export class Engine {
  readonly #runner: DecoderRunner
  readonly #table: EmbeddingTable
  readonly #prefixes: PrefixStore
  readonly #freeBytes: () => number
  readonly #counters = newCounters()
  readonly #prefixBytes: number

  constructor(parts: {
    readonly runner: DecoderRunner
    readonly table: EmbeddingTable
    /** Memory that caches of finished sequences may keep. */
    readonly prefixBytes: number
    /** Memory that can still be taken. */
    readonly freeBytes: () => number
  }) {
    this.#runner = parts.runner
    this.#table = parts.table
    this.#freeBytes = parts.freeBytes
    this.#prefixes = new PrefixStore(parts.prefixBytes)
    this.#prefixBytes = parts.prefixBytes
  }

  get stats(): EngineStats {
    const { sequences, finished } = this.#counters
    return {
      running: sequences - finished,
      waiting: 0,
      maxRows: Infinity,
      cachedTokens: this.#prefixes.positions,
      kvBytes: this.#prefixes.bytes,
      kvBudgetBytes: this.#prefixBytes,
      counters: { ...this.#counters },
    }
  }

  /** Runs sequences to their ends, together. One whose signal is aborted ends there, and the others go on. */
  async generate(requests: readonly SequenceRequest[]): Promise<void> {
    const filled = Math.max(...requests.map(({ prompt }) => prompt.keys.length))
    const capacity = Math.max(...requests.map((r) => r.prompt.keys.length + r.maxTokens))
    this.#counters.sequences += requests.length
    try {
      await this.withGroup(
        { rows: requests.length, filled, capacity, prompt: requests[0]?.prompt },
        async (group, cachedLength) => {
          const running = await this.#start(group, requests, cachedLength)
          await decode(group, running)
        },
      )
    } finally {
      this.#counters.finished += requests.length
    }
  }

  /** Logits of chosen positions of one prompt, [positions, V]. */
  async logits(
    prompt: EmbeddedPrompt,
    positions: readonly number[],
    options: RunOptions,
  ): Promise<Float32Array> {
    const sorted = [...new Set(positions)].sort((a, b) => a - b)
    const { length } = prompt.keys
    const rows = await this.withGroup({ rows: 1, filled: length, capacity: length }, (group) =>
      group.add(prompt, { cachedLength: 0, logitRows: sorted }, options),
    )
    const { vocabSize } = this.#runner.config
    const result = new Float32Array(positions.length * vocabSize)
    positions.forEach((position, i) => {
      const at = sorted.indexOf(position)
      result.set(rows.subarray(at * vocabSize, (at + 1) * vocabSize), i * vocabSize)
    })
    return result
  }

  /**
   * Gives a group with room for `rows` sequences. For one sequence with a prompt, what a kept cache shares of its beginning
   * is used again, and its own is kept afterwards for the next. Throws CapacityError if the prompts do not fit into memory.
   */
  async withGroup<T>(
    size: GroupSize,
    use: (group: SequenceGroup, cachedLength: number) => Promise<T>,
  ): Promise<T> {
    const keys = size.rows === 1 ? (size.prompt?.keys ?? []) : []
    const { cache, length } = await this.#takeCache(size, keys)
    const group = new SequenceGroup(this.#runner, this.#table, cache)
    let held: readonly number[] = []
    try {
      const result = await use(group, length)
      if (keys.length > 0 && group.rows === 1) held = group.keys(0)
      return result
    } finally {
      group.dispose()
      this.#prefixes.put({ keys: held, cache })
    }
  }

  dispose(): void {
    this.#prefixes.dispose()
    this.#runner.dispose()
  }

  /** A cache, and how many of its positions are those of `keys`; one at least is left to compute, for its logits. */
  async #takeCache(
    size: GroupSize,
    keys: readonly number[],
  ): Promise<{ readonly cache: KvCache; readonly length: number }> {
    const found = this.#prefixes.take(keys.slice(0, -1), this.#fewestShared(keys.length))
    if (!found) return { cache: this.#newCache(size), length: 0 }
    // What another conversation has more than this one, and more than they share, is its own.
    const isOurs = 2 * found.shared >= found.keys.length
    if (isOurs && found.cache.capacity >= size.capacity) {
      return { cache: found.cache, length: found.shared }
    }
    try {
      const cache = this.#newCache(size)
      await found.cache.copySlot(0, { cache, slot: 0, length: found.shared })
      return { cache, length: found.shared }
    } finally {
      this.#prefixes.put({ cache: found.cache, keys: isOurs ? [] : found.keys })
    }
  }

  #newCache({ rows, filled, capacity }: GroupSize): KvCache {
    const { config, cacheForm } = this.#runner
    const bytes = rows * sequenceBytes(config, cacheForm, filled)
    const kept = this.#prefixes.takeMemory({ slots: rows, capacity, bytes })
    if (kept) return kept
    const free = this.#freeBytes()
    if (bytes > free + this.#prefixes.bytes) {
      const smaller = cacheForm === 'f32' ? ", or load the model with kvCache 'int8'" : ''
      throw new CapacityError(
        'CAPACITY_MEMORY',
        `kvCache: ${rows} × ${filled} positions need ${formatGiB(bytes)}, ${formatGiB(free)} are free; send a shorter prompt or fewer at once${smaller}.`,
      )
    }
    if (bytes > free) this.#prefixes.shrink(free + this.#prefixes.bytes - bytes)
    return this.#runner.newCache(rows, rows === 1 ? growingCapacity(capacity) : capacity)
  }

  /** Prefills every prompt; one that begins like an earlier one of the call copies those positions. */
  async #start(
    group: SequenceGroup,
    requests: readonly SequenceRequest[],
    cachedLength: number,
  ): Promise<Running[]> {
    const running: Running[] = []
    const firstLogits: Float32Array[] = []
    for (const request of requests) {
      const { prompt, signal } = request
      if (signal?.aborted) continue
      const twin = rowWith(group, prompt)
      let logits = twin === null ? undefined : firstLogits[twin]
      let cached = prompt.keys.length - 1
      if (logits && twin !== null) await group.fork(twin)
      else {
        cached = group.rows === 0 ? cachedLength : await this.#shareBeginning(group, prompt)
        const what = { cachedLength: cached, logitRows: [prompt.keys.length - 1] }
        logits = await unlessAborted(signal, () => group.add(prompt, what, { signal }))
        if (!logits) continue
      }
      firstLogits.push(logits.slice())
      request.onPrefilled?.(cached)
      running.push({ request, token: request.next(logits) })
    }
    return running
  }

  /** Copies what an earlier row has of the prompt's beginning, if it is enough. */
  async #shareBeginning(group: SequenceGroup, prompt: EmbeddedPrompt): Promise<number> {
    let best = { row: 0, length: 0 }
    for (let row = 0; row < group.rows; row++) {
      const length = commonLength(group.keys(row), prompt.keys)
      if (length > best.length) best = { row, length }
    }
    const length = Math.min(best.length, prompt.keys.length - 1)
    const fewest = Math.max(
      this.#fewestShared(prompt.keys.length),
      FEWEST_COPIED[this.#runner.cacheForm],
    )
    if (length < fewest) return 0
    await group.share(best.row, length)
    return length
  }

  /**
   * Positions that are worth sharing with a prompt of `length`. In an int8 cache they keep the other prompt's scales: the
   * smaller part of a prompt is rather computed again, and gives what the prompt gives alone.
   */
  #fewestShared(length: number): number {
    const isExact = this.#runner.cacheForm === 'f32'
    return isExact ? FEWEST_SHARED : Math.max(FEWEST_SHARED, Math.ceil(length / 2))
  }
}

export type EngineStats = Omit<ServingStats, 'pictureBytes' | 'pictureBudgetBytes'>

export type GroupSize = {
  readonly rows: number
  /** Positions that a row takes for certain, and those that it may take. */
  readonly filled: number
  readonly capacity: number
  readonly prompt?: EmbeddedPrompt | undefined
}

type Running = { readonly request: SequenceRequest; token: number | null }

/** Steps until no sequence is left; each gives its place up when it ends. */
async function decode(group: SequenceGroup, running: Running[]): Promise<void> {
  for (;;) {
    await dropEnded(group, running)
    if (running.every(({ token }) => token === null)) return
    const ids = running.map(({ token }) => token as number)
    const signal = commonSignal(running)
    const logits = await unlessAborted(signal, () => group.step(ids, { signal }))
    if (!logits) continue
    const vocabSize = logits.length / running.length
    running.forEach((sequence, i) => {
      sequence.token = sequence.request.next(logits.subarray(i * vocabSize, (i + 1) * vocabSize))
    })
  }
}

/** Removes the rows of ended or aborted sequences; the last row stays, since its cache may be wanted again. */
async function dropEnded(group: SequenceGroup, running: Running[]): Promise<void> {
  for (let i = running.length - 1; i >= 0; i--) {
    const sequence = running[i] as Running
    if (sequence.request.signal?.aborted) sequence.token = null
    if (sequence.token !== null || running.length === 1) continue
    await group.remove(i)
    running[i] = running.at(-1) as Running
    running.pop()
  }
}

/** The signal that stops all of them at once: a step of several that are stopped apart runs to its end. */
function commonSignal(running: readonly Running[]): AbortSignal | undefined {
  const signal = running[0]?.request.signal
  return running.every(({ request }) => request.signal === signal) ? signal : undefined
}

/** What `run` gives, or undefined if the signal stopped it. */
async function unlessAborted<T>(
  signal: AbortSignal | undefined,
  run: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await run()
  } catch (error) {
    if (signal?.aborted && error === signal.reason) return undefined
    throw error
  }
}

/** A row that holds just this prompt, or null. */
function rowWith(group: SequenceGroup, { keys }: EmbeddedPrompt): number | null {
  for (let row = 0; row < group.rows; row++) {
    const other = group.keys(row)
    if (other.length === keys.length && commonLength(other, keys) === keys.length) return row
  }
  return null
}

/** Room for a conversation to go on: capacity that is not used takes no memory. */
function growingCapacity(capacity: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(capacity, SMALLEST_CAPACITY)))
}
