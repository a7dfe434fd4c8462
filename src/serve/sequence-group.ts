/**
 * Sequences that are decoded together as one caller wants it, such as the beams of a search: their cache, how far each slot
 * is filled, and the steps. Row i owns slot i of the cache and positions [0, lengths[i]) of it.
 */
import type { RunOptions } from '../runtime/runtime.ts'
import type { DecodeStepper } from './decode-stepper.ts'
import type { DecoderRunner } from './decoder-runner.ts'
import type { EmbeddingTable } from './embedding-table.ts'
import type { KvCache } from './kv-cache.ts'
import { commonLength } from './common-length.ts'

/** A prompt as the decoder reads it. */
export type EmbeddedPrompt = {
  /** What each position is: the token id, or a negative number for a row of a picture. `prefix-cache.ts` compares them. */
  readonly keys: readonly number[]
  /** Embeddings of positions [from, keys.length), [·, D] row-major. */
  embeddings(from: number): Promise<Float32Array>
}

type Row = { keys: number[]; length: number }

export class SequenceGroup {
  readonly #runner: DecoderRunner
  readonly #table: EmbeddingTable
  readonly #cache: KvCache
  #rows: Row[] = []
  #stepper: DecodeStepper | null = null
  #scratch: KvCache | null = null

  /** `cache` is disposed of by whoever made it, after `dispose`. */
  constructor(runner: DecoderRunner, table: EmbeddingTable, cache: KvCache) {
    this.#runner = runner
    this.#table = table
    this.#cache = cache
  }

  /**
   * Adds a row whose slot already holds positions [0, cachedLength) of the prompt, and fills in the others. Gives the
   * logits of `logitRows` (positions of the prompt, none of them cached), [rows, V].
   */
  async add(
    prompt: EmbeddedPrompt,
    {
      cachedLength,
      logitRows,
    }: { readonly cachedLength: number; readonly logitRows: readonly number[] },
    options: RunOptions,
  ): Promise<Float32Array> {
    const slot = this.#rows.length
    const logits = await this.#runner.prefill(
      {
        cache: this.#cache,
        slot,
        cachedLength,
        embeddings: await prompt.embeddings(cachedLength),
        logitRows: logitRows.map((row) => row - cachedLength),
      },
      // Running answers would never let a lower priority in.
      { priority: 'decode', ...options },
    )
    this.#rows.push({ keys: [...prompt.keys], length: prompt.keys.length })
    this.#forgetStepper()
    return logits
  }

  /** Appends one token to each row and gives the logits after it, [rows, V], valid until the next step. */
  async step(ids: readonly number[], options: RunOptions): Promise<Float32Array> {
    this.#stepper ??= this.#runner.stepper(this.#cache, this.#rows.length)
    const stepper = this.#stepper
    this.#table.copyRows(ids, stepper.embeddings)
    await stepper.step(
      this.#rows.map((row) => row.length),
      { priority: 'decode', ...options },
    )
    this.#rows.forEach((row, i) => {
      row.keys.push(ids[i] as number)
      row.length++
    })
    return stepper.logits
  }

  /** Appends tokens to the only row in one run, and gives the logits after each of them, [ids, V]. */
  async extend(ids: readonly number[], options: RunOptions): Promise<Float32Array> {
    const row = this.#row(0)
    const embeddings = new Float32Array(ids.length * this.#table.width)
    this.#table.copyRows(ids, embeddings)
    const run = { cache: this.#cache, slot: 0, cachedLength: row.length, embeddings }
    const logits = await this.#runner.prefillRun(
      { ...run, logitRows: ids.map((_, i) => i) },
      { priority: 'decode', ...options },
    )
    row.keys.push(...ids)
    row.length += ids.length
    return logits
  }

  /** Forgets the positions of the only row from `length` on. */
  rewind(length: number): void {
    const row = this.#row(0)
    row.keys.length = length
    row.length = length
  }

  /** Makes row i what row `parents[i]` was; there may be fewer or more rows than before. */
  async reorder(parents: readonly number[]): Promise<void> {
    const before = this.#rows
    const moves = parents.flatMap((parent, row) => {
      if (parent === row) return []
      return [{ parent, row, length: this.#row(parent).length, start: this.#inCommon(row, parent) }]
    })
    // Through a second cache, because a row may be read after its place was written.
    this.#scratch ??= this.#runner.newCache(this.#cache.slots, this.#cache.capacity)
    const scratch = this.#scratch
    for (const { parent, row, ...range } of moves) {
      await this.#cache.copySlot(parent, { cache: scratch, slot: row, ...range })
    }
    for (const { row, ...range } of moves) {
      await scratch.copySlot(row, { cache: this.#cache, slot: row, ...range })
    }
    this.#rows = parents.map((parent) => {
      const { keys, length } = before[parent] as Row
      return { keys: [...keys], length }
    })
    if (this.#rows.length !== before.length) this.#forgetStepper()
  }

  dispose(): void {
    this.#forgetStepper()
    this.#scratch?.dispose()
  }

  /** Positions that two rows hold alike: beams differ in their last tokens only. */
  #inCommon(row: number, other: number): number {
    const keys = this.#rows[row]?.keys ?? []
    return this.#cache.hasEqualScales(row, other) ? commonLength(keys, this.#row(other).keys) : 0
  }

  #row(index: number): Row {
    const row = this.#rows[index]
    if (!row) throw new Error(`internal: row ${index} of ${this.#rows.length} does not exist`)
    return row
  }

  #forgetStepper(): void {
    this.#stepper?.dispose()
    this.#stepper = null
  }
}
