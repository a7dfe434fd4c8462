/**
 * The engine: prompts of embeddings in, logits out, several sequences together, caches kept between calls.
 *
 * It knows no text: a sequence says how it chooses its next token and when it ends. Sequences go through the scheduler;
 * what needs rows of its own (beams, logits of a whole prompt) gets a group, whose runs take turns with the scheduler's.
 */
import { anySignal } from '../core/any-signal.ts'
import { InputError } from '../core/errors.ts'
import type { RunOptions } from '../runtime/runtime.ts'
import type { DecoderRunner } from './decoder-runner.ts'
import type { EmbeddingTable } from './embedding-table.ts'
import { memoryError, sequenceBytes, type KvCache } from './kv-cache.ts'
import { decodeByLookup, type LookupOptions } from './prompt-lookup.ts'
import type { SequenceRequest } from './scheduled-sequence.ts'
import { Scheduler, type SchedulerParts, type SequenceHandle } from './scheduler.ts'
import { SequenceGroup, type EmbeddedPrompt } from './sequence-group.ts'

export type GroupSize = {
  readonly rows: number
  /** Positions that a row takes for certain, and those that it may take. */
  readonly filled: number
  readonly capacity: number
}

export class Engine {
  readonly scheduler: Scheduler
  readonly #runner: DecoderRunner
  readonly #table: EmbeddingTable
  readonly #freeBytes: () => number
  /** The last group's, for the next: the system takes its time to hand out new memory. */
  #spare: KvCache | null = null

  constructor(parts: SchedulerParts) {
    this.#runner = parts.runner
    this.#table = parts.table
    this.#freeBytes = parts.freeBytes
    this.scheduler = new Scheduler(parts)
  }

  /**
   * Runs sequences to their ends, beside those of other calls. One whose signal is aborted ends there, and the others go
   * on; if one fails, the others of the call stop.
   */
  async generate(requests: readonly SequenceRequest[]): Promise<void> {
    if (requests.some(({ lookup }) => lookup)) this.#checkLookup()
    const handles = requests.map(({ lookup, ...request }) =>
      lookup ? this.#look(request, lookup) : this.scheduler.submit(request),
    )
    try {
      await Promise.all(handles.map(({ done }) => done))
    } catch (error) {
      for (const handle of handles) handle.cancel()
      await Promise.allSettled(handles.map(({ done }) => done))
      throw error
    }
  }

  #checkLookup(): void {
    const reason = this.#runner.inexactRuns
    if (reason === null) return
    throw new InputError(
      'INPUT_LOOKUP',
      `generate: lookup is offered where a run over several tokens gives the numbers of single steps, and here ${reason}; leave lookup out, or load the model with kvCache 'f32' and precision f32 (or int8a16 for all layers of the decoder, as int8 is for those narrower than 2048).`,
    )
  }

  /** A sequence that looks its next tokens up, in a group of its own. */
  #look(request: SequenceRequest, lookup: LookupOptions): SequenceHandle {
    const stop = new AbortController()
    const signal = anySignal(stop.signal, request.signal)
    const { length } = request.prompt.keys
    const size = { rows: 1, filled: length, capacity: length + request.maxTokens }
    const done = this.withGroup(size, async (group) => {
      await decodeByLookup(group, request, { lookup, signal })
    }).catch((error: unknown) => {
      // Whoever stopped it knows.
      if (!signal.aborted || error !== signal.reason) throw error
    })
    return { done, cancel: () => stop.abort() }
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

  /** Gives a group with room for `rows` sequences. Throws CapacityError if the prompts do not fit into memory. */
  async withGroup<T>(size: GroupSize, use: (group: SequenceGroup) => Promise<T>): Promise<T> {
    const cache = this.#takeCache(size)
    const group = new SequenceGroup(this.#runner, this.#table, cache)
    try {
      return await use(group)
    } finally {
      group.dispose()
      this.#keep(cache)
    }
  }

  /** To be called when all calls are done. */
  async dispose(): Promise<void> {
    await this.scheduler.dispose()
    this.#spare?.dispose()
    this.#spare = null
  }

  #takeCache({ rows, filled, capacity }: GroupSize): KvCache {
    const spare = this.#spare
    this.#spare = null
    if (spare && spare.slots === rows && spare.capacity >= capacity) return spare
    spare?.dispose()
    const { config, cacheForm } = this.#runner
    const bytes = rows * sequenceBytes(config, cacheForm, filled)
    const free = this.#freeBytes()
    if (bytes > free + this.scheduler.keptBytes) {
      const what = { rows, positions: filled, bytes, freeBytes: free, form: cacheForm }
      throw memoryError(what)
    }
    if (bytes > free) this.scheduler.release(bytes - free)
    return this.#runner.newCache(rows, capacity)
  }

  #keep(cache: KvCache): void {
    this.#spare?.dispose()
    this.#spare = cache.bytes <= LARGEST_SPARE ? cache : null
    if (!this.#spare) cache.dispose()
  }
}

/** A larger cache takes memory that others need more. */
const LARGEST_SPARE = 64 << 20
