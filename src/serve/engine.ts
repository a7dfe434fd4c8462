/**
 * The engine: prompts of embeddings in, logits out, several sequences together, caches kept between calls.
 *
 * It knows no text: a sequence says how it chooses its next token and when it ends.
 */
import type { RunOptions } from '../runtime/runtime.ts'
import type { DecoderRunner } from './decoder-runner.ts'
import type { EmbeddingTable } from './embedding-table.ts'
import { KvCache } from './kv-cache.ts'
import { commonLength, PrefixStore } from './prefix-store.ts'
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

export class Engine {
  readonly #runner: DecoderRunner
  readonly #table: EmbeddingTable
  readonly #prefixes: PrefixStore

  constructor(parts: {
    readonly runner: DecoderRunner
    readonly table: EmbeddingTable
    /** Memory that caches of finished sequences may keep. */
    readonly prefixBytes: number
  }) {
    this.#runner = parts.runner
    this.#table = parts.table
    this.#prefixes = new PrefixStore(parts.prefixBytes)
  }

  /**
   * Runs sequences to their ends, together. A sequence whose signal is aborted leaves; when all have, the call rejects
   * with the reason of the last.
   */
  async generate(requests: readonly SequenceRequest[]): Promise<void> {
    const capacity = Math.max(...requests.map((r) => r.prompt.keys.length + r.maxTokens))
    await this.withGroup(
      { rows: requests.length, capacity, prompt: requests[0]?.prompt },
      async (group, cachedLength) => {
        const running = await this.#start(group, requests, cachedLength)
        await decode(group, running)
      },
    )
  }

  /** Logits of chosen positions of one prompt, [positions, V]. */
  async logits(
    prompt: EmbeddedPrompt,
    positions: readonly number[],
    options: RunOptions,
  ): Promise<Float32Array> {
    const sorted = [...new Set(positions)].sort((a, b) => a - b)
    const rows = await this.withGroup({ rows: 1, capacity: prompt.keys.length }, (group) =>
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
   * Gives a group with room for `rows` sequences. For one sequence with a prompt, the cache that shares most of its
   * beginning is used again, and is kept afterwards for the next.
   */
  async withGroup<T>(
    size: {
      readonly rows: number
      readonly capacity: number
      readonly prompt?: EmbeddedPrompt | undefined
    },
    use: (group: SequenceGroup, cachedLength: number) => Promise<T>,
  ): Promise<T> {
    const isLone = size.rows === 1 && size.prompt !== undefined
    const taken = isLone ? this.#prefixes.take(size.prompt.keys, size.capacity) : null
    const cache = taken?.cache ?? this.#runner.newCache(size.rows, roundUp(size.capacity, 64))
    const group = new SequenceGroup(this.#runner, this.#table, cache)
    let keys: readonly number[] | null = null
    try {
      // At least one position is computed anew: its logits are wanted.
      const cachedLength = Math.min(taken?.length ?? 0, (size.prompt?.keys.length ?? 1) - 1)
      const result = await use(group, cachedLength)
      if (isLone && group.rows === 1) keys = group.keys(0)
      return result
    } finally {
      group.dispose()
      if (keys) this.#prefixes.put(keys, cache, KvCache.bytes(this.#runner.config, keys.length))
      else cache.dispose()
    }
  }

  dispose(): void {
    this.#prefixes.dispose()
    this.#runner.dispose()
  }

  /** Prefills every prompt; one that begins like an earlier one of the call copies those positions. */
  async #start(
    group: SequenceGroup,
    requests: readonly SequenceRequest[],
    cachedLength: number,
  ): Promise<Running[]> {
    const running: Running[] = []
    for (const request of requests) {
      const { prompt } = request
      const last = prompt.keys.length - 1
      const cached = group.rows === 0 ? cachedLength : shareBeginning(group, prompt)
      const logits = await group.add(
        prompt,
        { cachedLength: cached, logitRows: [last] },
        { signal: request.signal },
      )
      request.onPrefilled?.(cached)
      running.push({ request, token: request.next(logits) })
    }
    return running
  }
}

type Running = { readonly request: SequenceRequest; token: number | null }

/** Steps until no sequence is left; each gives its place up when it ends. */
async function decode(group: SequenceGroup, running: Running[]): Promise<void> {
  for (;;) {
    dropEnded(group, running)
    if (running.length === 0 || running.every(({ token }) => token === null)) return
    const only = running.length === 1 ? running[0]?.request.signal : undefined
    const ids = running.map(({ token }) => token as number)
    const logits = await group.step(ids, { signal: only })
    const vocabSize = logits.length / running.length
    running.forEach((sequence, i) => {
      sequence.token = sequence.request.next(logits.subarray(i * vocabSize, (i + 1) * vocabSize))
    })
  }
}

/** Removes the rows of ended or aborted sequences; the last row stays, since its cache may be wanted again. */
function dropEnded(group: SequenceGroup, running: Running[]): void {
  for (let i = running.length - 1; i >= 0; i--) {
    const { request, token } = running[i] as Running
    if (running.length === 1) {
      if (token !== null) request.signal?.throwIfAborted()
      return
    }
    if (token !== null && !request.signal?.aborted) continue
    group.remove(i)
    running[i] = running.at(-1) as Running
    running.pop()
  }
}

function shareBeginning(group: SequenceGroup, prompt: EmbeddedPrompt): number {
  let best = { row: 0, length: 0 }
  for (let row = 0; row < group.rows; row++) {
    const length = commonLength(group.keys(row), prompt.keys)
    if (length > best.length) best = { row, length }
  }
  const length = Math.min(best.length, prompt.keys.length - 1)
  if (length > 0) group.share(best.row, length)
  return length
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple
}
