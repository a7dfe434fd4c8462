/**
 * Who runs when: sequences join and leave between decode steps, and prompts are read a piece at a time.
 *
 * One loop, as long as there is work: rows that ended leave; at most one piece of prompts is read, or one other heavy
 * job runs; all rows make a step. So a running answer never waits for more than one piece. A sequence that waits is
 * let in when a row is free and keys and values of all rows, as long as they are expected to get, fit into the budget.
 * Answers that get longer than expected push the last row out, which goes on when there is room again.
 *
 * Where nobody reads along, rows are filled before they go on: a step of many takes little longer than one of few.
 */
import { AbortListeners } from '../core/abort-listeners.ts'
import type { CapacityError } from '../core/errors.ts'
import { PREFILL_CHUNK, runEnd, type DecoderRunner } from './decoder-runner.ts'
import type { EmbeddingTable } from './embedding-table.ts'
import { isWorthReading, jumpForward, MOST_JUMPING_ROWS } from './jump-forward.ts'
import { Breath, memoryError } from './kv-cache.ts'
import { RowBudget, type RowLength } from './row-budget.ts'
import { RowPool } from './row-pool.ts'
import { ScheduledSequence, type SequenceEnd, type SequenceRequest } from './scheduled-sequence.ts'
import { newCounters, type ServingStats } from './serving-stats.ts'
import { WaitingQueue } from './waiting-queue.ts'

/** A sequence that was handed in. */
export type SequenceHandle = {
  /** Settles when it ended or was stopped; rejects if it failed. */
  readonly done: Promise<void>
  /** Stops it as its signal would. */
  cancel(): void
}

/** What of a model's state is the scheduler's. */
export type SchedulerStats = Omit<ServingStats, 'preparing' | 'pictureBytes' | 'pictureBudgetBytes'>

export type SchedulerParts = {
  readonly runner: DecoderRunner
  readonly table: EmbeddingTable
  /** Sequences that are decoded together at most. */
  readonly maxRows: number
  /** Memory for keys and values: of rows, and with what they leave, of kept beginnings. */
  readonly kvBytes: number
  /** The most of it that kept beginnings take. */
  readonly keptBytes: number
  /** Whether sequences leave their beginnings to others; over int8 caches also whether running ones share them. */
  readonly prefixCache: boolean
  /** Memory that can still be taken. */
  readonly freeBytes: () => number
}

/**
 * Most positions of prompts that are read before running answers go on. Over a float32 cache the numbers are the same
 * however a prompt is cut; over an int8 cache they are not, so there prompts are cut as if they were alone.
 */
const SHARED_CHUNK = 256
/** A piece is filled up with further prompts while so many positions are left of it. */
const LEAST_CHUNK = 32
/** The sequence whose prompt is being read: its positions [at, length) are missing. */
type Reading = {
  readonly sequence: ScheduledSequence
  readonly cachedLength: number
  /** From `cachedLength` on. */
  readonly embeddings: Float32Array
  at: number
}

type Job = { readonly rank: number; readonly run: () => Promise<void> }

export class Scheduler {
  readonly #parts: SchedulerParts
  readonly #pool: RowPool
  readonly #budget: RowBudget
  readonly #waiting = new WaitingQueue<ScheduledSequence>(({ priority }) => priority)
  readonly #jobs = new WaitingQueue<Job>(({ rank }) => -rank)
  readonly #aborts = new AbortListeners()
  readonly #counters = newCounters()
  /** Row i of the pool is that of sequence i. */
  #running: ScheduledSequence[] = []
  #reading: Reading | null = null
  #loop: Promise<void> | null = null
  #isJobNext = false

  constructor(parts: SchedulerParts) {
    this.#parts = parts
    const { kvBytes: budgetBytes, prefixCache: keeps } = parts
    this.#pool = new RowPool({ ...parts, budgetBytes, keeps })
    this.#budget = new RowBudget(budgetBytes, (length) => this.#pool.bytesOf(length))
  }

  get stats(): SchedulerStats {
    return {
      running: this.#running.length + (this.#reading ? 1 : 0),
      waiting: this.#waiting.size,
      maxRows: this.#parts.maxRows,
      cachedTokens: this.#pool.keptPositions,
      kvBytes: this.#pool.bytes,
      kvBudgetBytes: this.#parts.kvBytes,
      counters: { ...this.#counters, evictedTokens: this.#pool.evictedPositions },
    }
  }

  submit(request: SequenceRequest): SequenceHandle {
    const sequence = new ScheduledSequence(request)
    this.#counters.sequences++
    const stop = () => this.#stop(sequence)
    const { signal } = request
    if (signal?.aborted) this.#finish(sequence, 'aborted')
    else {
      const forget = signal && this.#aborts.add(signal, stop)
      void sequence.done.catch(() => {}).finally(forget)
      this.#waiting.add(sequence)
      this.#wake()
    }
    return { done: sequence.done, cancel: stop }
  }

  /** Runs something heavy between steps, when its turn comes: the lowest rank first. */
  turn<T>(job: () => Promise<T>, rank: number): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#jobs.add({ rank, run: () => Promise.resolve().then(job).then(resolve, reject) })
      this.#wake()
    })
  }

  /** Memory that `release` can give back. */
  get keptBytes(): number {
    return this.#pool.keptBytes
  }

  /** Gives up to `bytes` of what is kept back. */
  release(bytes: number): void {
    this.#pool.release(bytes)
  }

  /** To be called when all sequences are done. */
  async dispose(): Promise<void> {
    while (this.#loop) await this.#loop
    this.#pool.dispose()
  }

  #stop(sequence: ScheduledSequence): void {
    sequence.stop()
    // One that is in leaves when the loop comes to it.
    if (sequence.isIn) return
    this.#waiting.remove(sequence)
    this.#finish(sequence, 'aborted')
  }

  #wake(): void {
    this.#loop ??= this.#work()
      .catch((error: unknown) => this.#failAll(error))
      .finally(() => {
        this.#loop = null
        if (this.#hasWork()) this.#wake()
      })
  }

  async #work(): Promise<void> {
    // Whoever calls several times in a row finds all of it considered together.
    await Promise.resolve()
    while (this.#hasWork()) {
      await this.#dropEnded()
      const isRead = await this.#readSomething()
      if (!isRead || !this.#fillsFirst()) await this.#step()
    }
    await this.#pool.rest()
  }

  #hasWork(): boolean {
    const { length } = this.#running
    return length > 0 || this.#reading !== null || this.#waiting.size > 0 || this.#jobs.size > 0
  }

  /** A job or a piece of prompts; false where nothing waits or there is no room. */
  async #readSomething(): Promise<boolean> {
    if (!this.#isJobsTurn()) return this.#readPrompts()
    await this.#jobs.takeFirst()?.run()
    return true
  }

  /** Whether rows that nobody reads along wait for further ones. */
  #fillsFirst(): boolean {
    const hasMore = this.#jobs.size > 0 || this.#reading !== null || this.#waiting.size > 0
    const isHeard = this.#running.some(({ request }) => request.isHeard !== false)
    return hasMore && !isHeard && this.#running.length < this.#parts.maxRows
  }

  /** Jobs and prompts take turns where both wait. */
  #isJobsTurn(): boolean {
    const hasPrompt = this.#reading !== null || this.#waiting.size > 0
    this.#isJobNext = this.#jobs.size > 0 && (!hasPrompt || !this.#isJobNext)
    return this.#isJobNext
  }

  async #dropEnded(): Promise<void> {
    for (let row = this.#running.length - 1; row >= 0; row--) {
      const sequence = this.#running[row] as ScheduledSequence
      if (sequence.signal.aborted) this.#finish(sequence, 'aborted')
      if (sequence.end) await this.#removeRow(row)
    }
  }

  async #removeRow(row: number): Promise<void> {
    await this.#pool.remove(row)
    this.#running[row] = this.#running.at(-1) as ScheduledSequence
    this.#running.pop()
  }

  /** Reads one piece: of one prompt, or of several short ones. False where there was none, or no room. */
  async #readPrompts(): Promise<boolean> {
    const isExact = this.#parts.runner.cacheForm === 'f32'
    let left = isExact && this.#running.length > 0 ? SHARED_CHUNK : PREFILL_CHUNK
    for (let isFirst = true; ; isFirst = false) {
      this.#reading ??= await this.#admit()
      const reading = this.#reading
      if (!reading) return !isFirst
      const { length } = reading.sequence.prompt.keys
      // Of further prompts only what is left as a whole.
      if (!isFirst && length - reading.at > left) return true
      const end = runEnd(reading.at, length, isExact ? left : PREFILL_CHUNK)
      left -= end - reading.at
      await this.#readPiece(reading, end)
      if (left < LEAST_CHUNK || this.#reading) return true
    }
  }

  async #readPiece(reading: Reading, end: number): Promise<void> {
    const { sequence, cachedLength, embeddings, at } = reading
    const { keys } = sequence.prompt
    const { hiddenSize } = this.#parts.runner.config
    const [first, last] = [at, end].map((position) => (position - cachedLength) * hiddenSize)
    const part = { keys: keys.slice(at, end), embeddings: embeddings.subarray(first, last) }
    const isWhole = end === keys.length
    // The order is ours; a lower priority would wait for ever beside a beam search.
    const run = { wantsLogits: isWhole, signal: sequence.signal, priority: 'decode' } as const
    const logits = await this.#guard([sequence], () => this.#pool.read(part, run))
    if (!logits) {
      this.#pool.leave()
      this.#reading = null
      return
    }
    reading.at = end
    this.#counters.prefilledTokens += end - at
    if (!isWhole) return
    this.#reading = null
    await this.#join(reading, logits)
  }

  /** Makes a sequence that was read a row, and with it those that wait with the same prompt. */
  async #join({ sequence, cachedLength }: Reading, logits: Float32Array): Promise<void> {
    const twins = this.#twinsOf(sequence)
    for (const twin of twins) twin.isIn = true
    for (const [i, one] of [sequence, ...twins].entries()) {
      const joined = await this.#guard([sequence, ...twins].slice(i), async () => {
        if (i === 0) await this.#pool.join()
        else await this.#pool.fork(this.#wantedSlots())
        return true
      })
      if (!joined) return
      this.#running.push(one)
      const cached = i === 0 ? cachedLength : sequence.prompt.keys.length - 1
      this.#countPrompt(one, cached)
      one.markRead(cached)
      this.#choose(one, logits.slice())
    }
  }

  #twinsOf(sequence: ScheduledSequence): ScheduledSequence[] {
    const { prompt, salt } = sequence
    const free = this.#parts.maxRows - this.#running.length
    const most = Math.min(free, this.#budget.roomFor(sequence, this.#rows())) - 1
    return this.#waiting.takeWhere(
      (other) => other.salt === salt && areEqual(other.prompt.keys, prompt.keys),
      Math.max(0, most),
    )
  }

  /** Lets the next sequence in, if there is room for it. */
  async #admit(): Promise<Reading | null> {
    const sequence = this.#waiting.first
    if (!sequence || this.#running.length >= this.#parts.maxRows) return null
    const { keys } = sequence.prompt
    const isAlone = this.#running.length === 0
    if (!isAlone && this.#budget.roomFor(sequence, this.#rows()) < 1) return null
    const missing = this.#pool.newBytesOf(keys.length) - this.#parts.freeBytes()
    if (missing > this.#pool.keptBytes) {
      if (!isAlone) return null
      this.#waiting.remove(sequence)
      this.#finish(sequence, 'failed', this.#memoryError(keys.length))
      return null
    }
    if (missing > 0) this.#pool.release(missing)
    this.#waiting.remove(sequence)
    sequence.isIn = true
    const capacity = sequence.lengthWith(Infinity)
    const size = { slots: this.#wantedSlots(), capacity }
    return this.#guard([sequence], async () => {
      const cachedLength = await this.#pool.begin({ salt: sequence.salt, keys }, size)
      const embeddings = await sequence.prompt.embeddings(cachedLength)
      return { sequence, cachedLength, embeddings, at: cachedLength }
    })
  }

  /** All rows make a step. */
  async #step(): Promise<void> {
    await this.#dropEnded()
    await this.#preempt()
    await this.#pool.fit()
    await this.#jump()
    const rows = this.#running
    if (rows.length === 0) return
    const ids = rows.map(({ token }) => token as number)
    // A step of several runs to its end, also if one of them is stopped.
    const signal = rows.length === 1 ? rows[0]?.signal : undefined
    const logits = await this.#guard(rows, () =>
      this.#pool.step(ids, { priority: 'decode', signal }),
    )
    if (!logits) {
      if (rows.some(({ end }) => end === 'failed')) {
        this.#pool.clear()
        this.#running = []
      }
      return
    }
    this.#counters.steps++
    this.#counters.steppedRows += rows.length
    const { vocabSize } = this.#parts.runner.config
    const breath = new Breath()
    for (const [i, sequence] of rows.entries()) {
      this.#choose(sequence, logits.subarray(i * vocabSize, (i + 1) * vocabSize))
      // Sampling reads a large vocabulary several times.
      await breath.take()
    }
  }

  /** Rows whose next text is known read it at once. */
  async #jump(): Promise<void> {
    if (!this.#parts.runner.hasExactRuns || this.#running.length > MOST_JUMPING_ROWS) return
    const aheads = await Promise.all(this.#running.map(({ request }) => request.ahead?.() ?? []))
    for (const [row, sequence] of this.#running.entries()) {
      const { length } = this.#pool.keys(row)
      // The newest token takes a position, and the last one that may be chosen needs none.
      const room = sequence.lengthWith(Infinity) - length - 1
      const ids = aheads[row]?.slice(0, Math.max(0, room)) ?? []
      if (!isWorthReading(ids.length, this.#running.length)) continue
      const ahead = await jumpForward(sequence, ids, {
        extend: (all) => this.#guard([sequence], () => this.#pool.extend(row, all)),
        choose: (logits) => this.#choose(sequence, logits),
      })
      this.#pool.rewind(row, length + (ahead ? 1 + ahead.accepted : 0))
      if (!ahead) continue
      this.#counters.jumps++
      this.#counters.jumpedTokens += ahead.accepted
    }
    await this.#dropEnded()
  }

  /** While the rows together are longer than the budget has room for, the last one of the lowest priority waits again. */
  async #preempt(): Promise<void> {
    while (this.#budget.isExceeded(this.#rows())) {
      const lowest = Math.min(...this.#running.map(({ priority }) => priority))
      const row = this.#running.findLastIndex(({ priority }) => priority === lowest)
      const sequence = this.#running[row] as ScheduledSequence
      sequence.rewind(this.#pool.keys(row), this.#parts.table)
      await this.#removeRow(row)
      sequence.isIn = false
      this.#waiting.addFirst(sequence)
      this.#counters.preempted++
    }
  }

  #rows(): RowLength[] {
    return this.#running.map((sequence, row) => ({
      sequence,
      length: this.#pool.keys(row).length,
    }))
  }

  #wantedSlots(): number {
    const { length } = this.#running
    return Math.min(this.#parts.maxRows, length + 1 + this.#waiting.size)
  }

  #choose(sequence: ScheduledSequence, logits: Float32Array): void {
    sequence.choose(logits)
    if (!sequence.signal.aborted) this.#counters.completionTokens++
    if (sequence.end) this.#counters[sequence.end]++
  }

  #finish(sequence: ScheduledSequence, end: SequenceEnd, error?: unknown): void {
    if (sequence.end) return
    sequence.finish(end, error)
    this.#counters[end]++
  }

  /** The loop itself failed: nobody may wait for what will never come. */
  #failAll(error: unknown): void {
    const waiting = this.#waiting.takeWhere(() => true, Infinity)
    const reading = this.#reading ? [this.#reading.sequence] : []
    for (const one of [...this.#running, ...reading, ...waiting]) this.#finish(one, 'failed', error)
    this.#running = []
    this.#reading = null
    this.#pool.leave()
    this.#pool.clear()
  }

  #memoryError(positions: number): CapacityError {
    const [bytes, freeBytes] = [this.#pool.bytesOf(positions), this.#parts.freeBytes()]
    return memoryError({ rows: 1, positions, bytes, freeBytes, form: this.#parts.runner.cacheForm })
  }

  /** What `run` gives, or null where it fails: then so do the sequences that it is for, or they were stopped. */
  async #guard<T>(
    sequences: readonly ScheduledSequence[],
    run: () => Promise<T>,
  ): Promise<T | null> {
    try {
      return await run()
    } catch (error) {
      for (const sequence of sequences) {
        const isStopped = sequence.signal.aborted && error === sequence.signal.reason
        this.#finish(sequence, isStopped ? 'aborted' : 'failed', error)
      }
      return null
    }
  }

  #countPrompt({ prompt }: ScheduledSequence, cachedLength: number): void {
    this.#counters.promptTokens += prompt.keys.length
    this.#counters.cachedTokens += cachedLength
  }
}

function areEqual(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((key, i) => key === b[i])
}
