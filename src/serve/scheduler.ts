/**
 * Who runs when: sequences join and leave between decode steps, and prompts are read a piece at a time.
 *
 * One loop, as long as there is work: rows that ended leave; a bounded number of positions of prompts is read, or one
 * other heavy job runs; all rows make a step. So a running answer never waits for more than that. A run reads a piece of a
 * long prompt, or several short ones at once; while a long one is read, short ones that came later have every other turn.
 * A sequence that waits is let in when a row is free and keys and values of all rows, as long as they are expected to get,
 * fit into the budget. Answers that get longer than expected push the last row out, which goes on when there is room again.
 *
 * Where nobody reads along, rows are filled before they go on: a step of many takes little longer than one of few.
 */
import { AbortListeners } from '../core/abort-listeners.ts'
import type { CapacityError } from '../core/errors.ts'
import { commonLength } from './common-length.ts'
import { PREFILL_CHUNK, type DecoderRunner } from './decoder-runner.ts'
import type { EmbeddingTable } from './embedding-table.ts'
import { chooseAhead, jumpOf, type Jump } from './jump-forward.ts'
import { Breath, memoryError } from './kv-cache.ts'
import { hearAhead, pause, readyRows } from './late-rows.ts'
import { PromptPace } from './prompt-pace.ts'
import { partOf, positionsOf, type Piece, type Reading } from './prompt-reading.ts'
import { LEAST_CHUNK, PromptTurns } from './prompt-turns.ts'
import { RowBudget, type RowLength } from './row-budget.ts'
import { RowPool } from './row-pool.ts'
import { ScheduledSequence, type SequenceEnd, type SequenceRequest } from './scheduled-sequence.ts'
import { SEGMENTS } from './segmented-prefill.ts'
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
  /** Whether sequences leave their beginnings to others. */
  readonly prefixCache: boolean
  /** Memory that can still be taken. */
  readonly freeBytes: () => number
  /** How long running answers wait for prompts of others, about. */
  readonly turnMs?: number
}

/** How long prompts are read before running answers go on. The numbers are the same however a prompt is cut. */
const TURN_MS = 400
/** How many of those that wait may be passed by a shorter one, and must be looked at. */
const LOOKED_AT = 16

type Job = { readonly rank: number; readonly run: () => Promise<void> }

export class Scheduler {
  readonly #parts: SchedulerParts
  readonly #pool: RowPool
  readonly #budget: RowBudget
  readonly #waiting = new WaitingQueue<ScheduledSequence>(({ priority }) => priority)
  readonly #jobs = new WaitingQueue<Job>(({ rank }) => -rank)
  readonly #aborts = new AbortListeners()
  readonly #counters = newCounters()
  readonly #pace: PromptPace
  readonly #turns = new PromptTurns((most, overtaken) => this.#admit(most, overtaken))
  /** Row i of the pool is that of sequence i. */
  #running: ScheduledSequence[] = []
  /** Those that began: between turns one that is long, and perhaps another that goes before it. */
  #readings: Reading[] = []
  #loop: Promise<void> | null = null
  #isJobNext = false

  constructor(parts: SchedulerParts) {
    this.#parts = parts
    const { kvBytes: budgetBytes, prefixCache: keeps } = parts
    this.#pace = new PromptPace(parts.turnMs ?? TURN_MS)
    this.#pool = new RowPool({ ...parts, budgetBytes, keeps })
    this.#budget = new RowBudget(budgetBytes, (length) => this.#pool.bytesOf(length))
  }

  get stats(): SchedulerStats {
    return {
      running: this.#sequencesIn,
      waiting: this.#waiting.size,
      maxRows: this.#parts.maxRows,
      cachedTokens: this.#pool.keptPositions,
      kvBytes: this.#pool.bytes,
      kvBudgetBytes: this.#parts.kvBytes,
      counters: { ...this.#counters, evictedTokens: this.#pool.evictedPositions },
    }
  }

  submit(request: SequenceRequest): SequenceHandle {
    const sequence = new ScheduledSequence(request, { jumps: this.#parts.runner.hasExactRuns })
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
    return this.#sequencesIn > 0 || this.#waiting.size > 0 || this.#jobs.size > 0
  }

  get #sequencesIn(): number {
    return this.#running.length + this.#readings.length
  }

  /** A job or a piece of prompts; false where nothing waits or there is no room. */
  async #readSomething(): Promise<boolean> {
    if (!this.#isJobsTurn()) return this.#readPrompts()
    await this.#jobs.takeFirst()?.run()
    return true
  }

  /** Whether rows that nobody reads along wait for further ones. */
  #fillsFirst(): boolean {
    const hasMore = this.#jobs.size > 0 || this.#hasPrompt
    const isHeard = this.#running.some(({ request }) => request.isHeard !== false)
    return hasMore && !isHeard && this.#running.length < this.#parts.maxRows
  }

  /** Jobs and prompts take turns where both wait. */
  #isJobsTurn(): boolean {
    this.#isJobNext = this.#jobs.size > 0 && (!this.#hasPrompt || !this.#isJobNext)
    return this.#isJobNext
  }

  get #hasPrompt(): boolean {
    return this.#readings.length > 0 || this.#waiting.size > 0
  }

  async #dropEnded(): Promise<void> {
    for (let row = this.#running.length - 1; row >= 0; row--) {
      const sequence = this.#running[row] as ScheduledSequence
      if (sequence.signal.aborted) this.#finish(sequence, 'aborted')
      if (sequence.end) await this.#removeRow(row)
    }
  }

  async #removeRow(row: number): Promise<void> {
    if (this.#pool.isWidened(row)) this.#counters.widened++
    await this.#pool.remove(row)
    this.#running[row] = this.#running.at(-1) as ScheduledSequence
    this.#running.pop()
  }

  /** Reads prompts until enough is read for now. False where there was none, or no room. */
  async #readPrompts(): Promise<boolean> {
    let left = this.#running.length > 0 ? this.#pace.most : PREFILL_CHUNK
    for (let isFirst = true; ; isFirst = false) {
      const run = await this.#turns.gather(this.#readings, { left, isFirst })
      if (run.length === 0) return !isFirst
      left -= positionsOf(run)
      await this.#readRun(run)
      if (left < LEAST_CHUNK || this.#readings.length > 0) return true
    }
  }

  async #readRun(run: readonly Piece[]): Promise<void> {
    const { hiddenSize } = this.#parts.runner.config
    const sequences = run.map(({ reading }) => reading.sequence)
    const parts = run.map((piece) => partOf(piece, hiddenSize))
    // The order is ours; a lower priority would wait for ever beside a beam search. A run of several goes to its end, also
    // if one of them is stopped.
    const signal = run.length === 1 ? sequences[0]?.signal : undefined
    const options = { signal, priority: 'decode' } as const
    const start = performance.now()
    const logits = await this.#guard(sequences, () => this.#pool.read(parts, options))
    if (logits) this.#pace.note(positionsOf(run), performance.now() - start)
    for (const [i, { reading, end }] of run.entries()) {
      if (logits) this.#counters.prefilledTokens += end - reading.at
      reading.at = end
      if (reading.sequence.signal.aborted) this.#finish(reading.sequence, 'aborted')
      if (reading.sequence.end) this.#leave(reading)
      else if (parts[i]?.wantsLogits) await this.#join(reading)
    }
    // Twins take places behind all that joined.
    for (const [i, { reading }] of run.entries()) {
      const row = this.#running.indexOf(reading.sequence)
      if (row >= 0) await this.#markRead(row, reading.cachedLength, logits?.[i] as Float32Array)
    }
  }

  #leave(reading: Reading): void {
    this.#pool.leave(reading.slot)
    this.#readings = this.#readings.filter((other) => other !== reading)
  }

  /** Makes a sequence that was read a row. */
  async #join(reading: Reading): Promise<void> {
    const { sequence, slot } = reading
    const joined = await this.#guard([sequence], () => this.#pool.join(slot))
    if (joined !== null) this.#running.push(sequence)
    this.#leave(reading)
  }

  /** Goes on with a row that was read, and makes those that wait with the same prompt rows like it. */
  async #markRead(row: number, cachedLength: number, logits: Float32Array): Promise<void> {
    const sequence = this.#running[row] as ScheduledSequence
    this.#goOn(sequence, cachedLength, logits)
    const twins = this.#twinsOf(sequence)
    for (const twin of twins) twin.isIn = true
    for (const [i, twin] of twins.entries()) {
      const fork = () => this.#pool.fork(row, this.#wantedSlots())
      if ((await this.#guard(twins.slice(i), fork)) === null) return
      this.#running.push(twin)
      this.#goOn(twin, sequence.prompt.keys.length - 1, logits)
    }
  }

  #goOn(sequence: ScheduledSequence, cachedLength: number, logits: Float32Array): void {
    this.#countPrompt(sequence, cachedLength)
    sequence.markRead(cachedLength)
    this.#choose(sequence, logits.slice())
  }

  #twinsOf(sequence: ScheduledSequence): ScheduledSequence[] {
    // A fork takes the place of what is being read.
    if (this.#readings.length > 0) return []
    const { prompt, salt } = sequence
    const free = this.#parts.maxRows - this.#running.length
    const most = Math.min(free, this.#budget.roomFor(sequence, this.#rows())) - 1
    return this.#waiting.takeWhere(
      (other) => other.salt === salt && areEqual(other.prompt.keys, prompt.keys),
      Math.max(0, most),
    )
  }

  /**
   * Lets the next sequence in, if there is room for it, and no more than `most` positions are to be read. One that begins as
   * another that is just read waits for it. `overtaken` is being read, and will go on behind it.
   */
  async #admit(most: number, overtaken?: Reading): Promise<Reading | null> {
    const sequence = overtaken ? this.#shortOne(most) : this.#waiting.first
    if (!sequence || this.#sequencesIn >= this.#parts.maxRows) return null
    const { keys } = sequence.prompt
    const isAlone = this.#sequencesIn === 0
    if (!isAlone && this.#budget.roomFor(sequence, this.#rowsToBe()) < 1) return null
    const keyed = { salt: sequence.salt, keys }
    if (most < Infinity && this.#pool.missing(keyed) > most) return null
    if (this.#pool.gainsByWaiting(keyed)) return null
    const { maxRows, freeBytes } = this.#parts
    const aside = overtaken ? this.#pool.bytesAside(overtaken.slot, maxRows) : 0
    const missing = this.#pool.newBytesOf(keys.length) + aside - freeBytes()
    if (missing > this.#pool.keptBytes) {
      if (!isAlone) return null
      this.#waiting.remove(sequence)
      this.#finish(sequence, 'failed', this.#memoryError(keys.length))
      return null
    }
    if (missing > 0) this.#pool.release(missing)
    return this.#begin(sequence, overtaken)
  }

  /** The first of those that wait of which at most `most` positions are missing; the last row is kept for the very first. */
  #shortOne(most: number): ScheduledSequence | undefined {
    const isLastRow = this.#sequencesIn + 1 >= this.#parts.maxRows
    return this.#waiting.find(
      ({ salt, prompt }) => this.#pool.missing({ salt, keys: prompt.keys }) <= most,
      isLastRow ? 1 : LOOKED_AT,
    )
  }

  async #begin(sequence: ScheduledSequence, overtaken?: Reading): Promise<Reading | null> {
    this.#waiting.remove(sequence)
    sequence.isIn = true
    const { salt, prompt } = sequence
    const capacity = sequence.lengthWith(Infinity)
    const size = { slots: this.#wantedSlots(), capacity, isBefore: overtaken !== undefined }
    const begun = await this.#guard([sequence], async () => {
      const { maxRows } = this.#parts
      if (overtaken) overtaken.slot = await this.#pool.moveAside(overtaken.slot, maxRows)
      return this.#pool.begin({ salt, keys: prompt.keys }, size)
    })
    if (!begun) return null
    const { slot, length } = begun
    const embeddings = await this.#guard([sequence], () => prompt.embeddings(length))
    if (!embeddings) {
      this.#pool.leave(slot)
      return null
    }
    const reading = { sequence, slot, cachedLength: length, embeddings, at: length }
    this.#readings.push(reading)
    return reading
  }

  /** All rows go on: some by a jump, the others by a step. */
  async #step(): Promise<void> {
    await this.#dropEnded()
    await this.#preempt()
    await this.#pool.fit()
    await this.#jump()
    const rows = this.#running
    if (rows.length === 0) return
    if (rows.every(({ jump }) => jump !== undefined && jump.length > 0)) return pause(rows)
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
    const areReady = await readyRows(rows)
    for (const [i, sequence] of rows.entries()) {
      if (areReady[i]) this.#choose(sequence, logits.subarray(i * vocabSize, (i + 1) * vocabSize))
      else this.#sitOut(sequence, i)
      // Sampling reads a large vocabulary several times.
      await breath.take()
    }
  }

  #sitOut(sequence: ScheduledSequence, row: number): void {
    sequence.isLate ||= sequence.wait() !== null
    this.#pool.rewind(row, this.#pool.keys(row).length - 1)
  }

  /** Rows whose next text is known read it at once, several of them in one run, and each only once before others make a step. */
  async #jump(): Promise<void> {
    await hearAhead(this.#running)
    const jumps = this.#running
      .map((one, row) => jumpOf(one, row, this.#pool.keys(row).length))
      .filter((jump) => jump !== null)
    if (jumps.length === 0) return
    for (let i = 0; i < jumps.length; i += SEGMENTS) {
      await this.#readAhead(jumps.slice(i, i + SEGMENTS))
    }
    await hearAhead(jumps.map(({ sequence }) => sequence))
    await this.#dropEnded()
  }

  async #readAhead(jumps: readonly Jump[]): Promise<void> {
    const sequences = jumps.map(({ sequence }) => sequence)
    const parts = jumps.map(({ sequence, row, ids }) => ({
      row,
      ids: [sequence.token as number, ...ids],
    }))
    const read = await this.#guard(sequences, () => this.#pool.extend(parts))
    for (const [i, jump] of jumps.entries()) {
      const logits = read?.[i]
      const choose = (row: Float32Array) => this.#choose(jump.sequence, row)
      const { accepted, kept } = logits
        ? await chooseAhead(jump, logits, choose)
        : { accepted: 0, kept: 0 }
      this.#pool.rewind(jump.row, jump.length + kept)
      if (!logits) continue
      this.#counters.jumps++
      this.#counters.jumpedTokens += accepted
    }
  }

  /** While the rows together are longer than the budget has room for, the last one of the lowest priority waits again. */
  async #preempt(): Promise<void> {
    while (this.#budget.isExceeded(this.#rows())) {
      const lowest = Math.min(...this.#running.map(({ priority }) => priority))
      const row = this.#running.findLastIndex(({ priority }) => priority === lowest)
      const sequence = this.#running[row] as ScheduledSequence
      sequence.rewind(this.#pool.keys(row))
      await this.#removeRow(row)
      sequence.isIn = false
      this.#waiting.addFirst(sequence)
      this.#counters.preempted++
    }
  }

  /** Those that are being read are rows to be. */
  #rowsToBe(): RowLength[] {
    const read = this.#readings.map(({ sequence }) => ({
      sequence,
      length: sequence.prompt.keys.length + sequence.lost,
    }))
    return [...this.#rows(), ...read]
  }

  #rows(): RowLength[] {
    return this.#running.map((sequence, row) => ({
      sequence,
      length: this.#pool.keys(row).length + sequence.lost,
    }))
  }

  #wantedSlots(): number {
    return Math.min(this.#parts.maxRows, this.#sequencesIn + 1 + this.#waiting.size)
  }

  #choose(sequence: ScheduledSequence, logits: Float32Array): void {
    if (sequence.chooseAgain()) return
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
    const read = this.#readings.map(({ sequence }) => sequence)
    for (const one of [...this.#running, ...read, ...waiting]) this.#finish(one, 'failed', error)
    for (const reading of this.#readings) this.#leave(reading)
    this.#running = []
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
  return a.length === b.length && commonLength(a, b) === a.length
}
