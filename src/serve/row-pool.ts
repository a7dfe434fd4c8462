/**
 * The slots of the sequences that are decoded together, and what is left in those that are free.
 *
 * Rows are [0, rows): row i owns slot i, so that a step is a view of the cache. A row that ends gives its place to the
 * last one. New sequences are read into the next slots and join when their prompts are there. What a slot holds is never
 * thrown away while it may be of use: it goes on in place if the next sequence begins the same way, else into the
 * prefix cache. The buffers grow with the number of rows and the longest of them; untouched memory costs nothing.
 */
import type { RunOptions } from '../runtime/runtime.ts'
import { commonLength } from './common-length.ts'
import type { DecodeStepper } from './decode-stepper.ts'
import type { DecoderRunner } from './decoder-runner.ts'
import type { EmbeddingTable } from './embedding-table.ts'
import { sequenceBytes, type KvCache } from './kv-cache.ts'
import { PrefixCache, type Found, type Keyed } from './prefix-cache.ts'

/**
 * What positions [0, keys.length) of a slot are. The first `read` of them came in runs of several, as all of a prompt do;
 * those of an answer came one by one, and then the attention operator adds up in another order.
 */
type Held = { salt: string; keys: number[]; read: number }

/**
 * Positions that are computed anew however much is kept. The attention operator adds up in another order for one position
 * than for several: with two, a prompt has the same numbers however it came into its slot.
 */
const FEWEST_COMPUTED = 2
/** Fewer positions of a beginning are computed again sooner than looked after. */
const FEWEST_SHARED = 8
/** From how many further positions on that another prompt is about to have a sequence waits for it. */
const FEWEST_GAINED = 8
const SMALLEST_CAPACITY = 1024
/** How many sequences may join before one that makes room for them, until it has to again. */
const PLACES_ASIDE = 4
/** Memory of slots to that of the rows in them from which on moving them to fresh memory is worth it. */
const MOST_SLACK = 1.25

/** Positions to be read of the sequence in a slot. */
export type PromptPart = {
  readonly slot: number
  readonly keys: readonly number[]
  readonly embeddings: Float32Array
  readonly wantsLogits: boolean
}

export class RowPool {
  readonly #runner: DecoderRunner
  readonly #table: EmbeddingTable
  readonly #budgetBytes: number
  readonly #keptBytes: number
  readonly #freeBytes: () => number
  readonly #prefixes: PrefixCache | null
  #cache: KvCache | null = null
  #held: Held[] = []
  #rows = 0
  /** The sequences that are being read, by their slots, which lie behind the rows: what each will have. */
  readonly #joining = new Map<number, Keyed>()
  #stepper: DecodeStepper | null = null

  constructor(parts: {
    readonly runner: DecoderRunner
    readonly table: EmbeddingTable
    /** Memory for keys and values, those of rows included. */
    readonly budgetBytes: number
    /** The most of it that kept beginnings take. */
    readonly keptBytes: number
    /** Memory that can still be taken. */
    readonly freeBytes: () => number
    /** Whether sequences leave anything for others. */
    readonly keeps: boolean
  }) {
    const { runner, table, budgetBytes, keptBytes, freeBytes, keeps } = parts
    this.#keptBytes = keptBytes
    this.#freeBytes = freeBytes
    this.#runner = runner
    this.#table = table
    this.#budgetBytes = budgetBytes
    this.#prefixes = keeps ? new PrefixCache(runner.config, runner.cacheForm) : null
  }

  /** Memory of all slots, and of kept beginnings. */
  get bytes(): number {
    return this.#slotBytes + this.keptBytes
  }

  /** Memory that can be given back at once. */
  get keptBytes(): number {
    return this.#prefixes?.bytes ?? 0
  }

  /** Positions of beginnings that are kept, also in free slots. */
  get keptPositions(): number {
    if (!this.#prefixes) return 0
    let kept = this.#prefixes.positions
    for (let slot = this.#rows; slot < this.#held.length; slot++) kept += this.#sharable(slot)
    return kept
  }

  get evictedPositions(): number {
    return this.#prefixes?.evictedPositions ?? 0
  }

  /** Memory that a sequence of `length` positions takes. */
  bytesOf(length: number): number {
    return sequenceBytes(this.#runner.config, this.#runner.cacheForm, length)
  }

  /**
   * Memory that a sequence of `length` positions takes in the next slot beside what was taken there already, and with it
   * what those take that are still to be read.
   */
  newBytesOf(length: number): number {
    return this.#bytesToCome() + this.#growth(this.#nextSlot, length)
  }

  #bytesToCome(): number {
    return [...this.#joining].reduce(
      (sum, [slot, { keys }]) => sum + this.#growth(slot, keys.length),
      0,
    )
  }

  /** What a slot takes more when it is filled up to `length`. */
  #growth(slot: number, length: number): number {
    const touched = this.#cache?.touched(slot) ?? 0
    return Math.max(0, this.bytesOf(length) - (touched > 0 ? this.bytesOf(touched) : 0))
  }

  /** Behind the rows and all that are being read. */
  get #nextSlot(): number {
    return Math.max(this.#rows, ...[...this.#joining.keys()].map((slot) => slot + 1))
  }

  /** The first behind the rows in which nothing is being read. */
  get #openSlot(): number {
    let slot = this.#rows
    while (this.#joining.has(slot)) slot++
    return slot
  }

  /** The keys of a row's positions. */
  keys(row: number): readonly number[] {
    return this.#heldBy(row).keys
  }

  /** How many positions of a sequence are to be computed, about. */
  missing(sequence: Keyed): number {
    return sequence.keys.length - this.#there(sequence)
  }

  /**
   * Whether a sequence has more in common with one that is being read than with what is there already: it had better wait.
   */
  gainsByWaiting(sequence: Keyed): boolean {
    const isLike = [...this.#joining.values()].map(({ salt, keys }) =>
      salt === sequence.salt ? commonLength(keys, sequence.keys) : 0,
    )
    const most = Math.max(0, ...isLike)
    return most > 0 && most >= Math.min(sequence.keys.length, this.#there(sequence) + FEWEST_GAINED)
  }

  /** How much of a sequence's beginning is in some slot or kept. */
  #there(sequence: Keyed): number {
    const slots = this.#held.map((_, slot) => this.#shared(slot, sequence))
    const found = this.#prefixes?.find(sequence)
    if (found) this.#prefixes?.release(found)
    return Math.max(0, found?.length ?? 0, ...slots)
  }

  /**
   * Readies the next slot for a sequence and fills it with what is kept of its beginning. Gives the slot and the number of
   * those positions; some are left to compute, for the logits of the last. `isBefore`: it is going to join before the one
   * that was moved aside. Throws CapacityError if there is no memory for `capacity`.
   */
  async begin(
    sequence: Keyed,
    size: { readonly slots: number; readonly capacity: number; readonly isBefore?: boolean },
  ): Promise<{ readonly slot: number; readonly length: number }> {
    const { slots, capacity, isBefore = false } = size
    const slot = isBefore ? this.#openSlot : this.#nextSlot
    await this.#grow(Math.max(slots, slot + 1), capacity)
    const found = this.#prefixes?.find(sequence) ?? { length: 0, path: [] }
    try {
      const length = await this.#fill(slot, sequence, found)
      const keys = sequence.keys.slice(0, length)
      this.#held[slot] = { salt: sequence.salt, keys, read: length }
      this.#joining.set(slot, sequence)
      return { slot, length }
    } finally {
      this.#prefixes?.release(found)
      this.#makeRoom(this.#bytesToCome())
    }
  }

  /** What is going to be read takes its memory from kept beginnings now, and not when it is there already. */
  #makeRoom(bytes: number): void {
    this.#prefixes?.shrink(this.#roomForKept - Math.max(0, bytes))
  }

  /** Reads more of sequences that began; gives the logits of each one's last position where they are wanted. */
  async read(parts: readonly PromptPart[], options: RunOptions): Promise<Float32Array[]> {
    const requests = parts.map(({ slot, keys, embeddings, wantsLogits }) => ({
      cache: this.#buffers(),
      slot,
      cachedLength: this.#heldBy(slot).keys.length,
      embeddings,
      logitRows: wantsLogits ? [keys.length - 1] : [],
    }))
    const logits = await this.#runner.prefillTogether(requests, options)
    for (const { slot, keys } of parts) {
      const held = this.#heldBy(slot)
      held.keys = held.keys.concat(keys)
      held.read = held.keys.length
    }
    return logits
  }

  /**
   * Memory that `moveAside` takes, with the same arguments; Infinity where the budget has no room for it. What it leaves
   * behind is taken by whoever comes.
   */
  bytesAside(slot: number, most: number): number {
    if (slot > this.#openSlot) return 0
    const bytes = this.#growth(this.#placeAside(most), this.#heldBy(slot).keys.length)
    return this.#slotBytes + bytes > this.#budgetBytes ? Infinity : bytes
  }

  /**
   * Makes way for a sequence that joins before the one that is being read in `slot`, which may have any slot below `most`.
   * Gives the slot that it is read in from now on.
   */
  async moveAside(slot: number, most: number): Promise<number> {
    if (slot > this.#openSlot) return slot
    const place = this.#placeAside(most)
    await this.#grow(place + 1, SMALLEST_CAPACITY)
    await this.#vacate(place)
    await this.#copy(slot, place)
    this.#held[slot] = nothing()
    this.#joining.set(place, this.#joining.get(slot) as Keyed)
    this.#joining.delete(slot)
    return place
  }

  #placeAside(most: number): number {
    return Math.min(most - 1, this.#openSlot + PLACES_ASIDE)
  }

  /** Makes a sequence that was read the next row. Those in lower slots have joined or left before. */
  async join(slot: number): Promise<void> {
    const place = this.#rows
    if (slot !== place) {
      await this.#vacate(place)
      await this.#copy(slot, place)
      this.#held[slot] = nothing()
    }
    this.#joining.delete(slot)
    this.#rows++
    this.#forgetStepper()
  }

  /** Gives the slot of a sequence that began back; what was read of it is of use to others. */
  leave(slot: number): void {
    this.#joining.delete(slot)
  }

  /** Adds a row equal to another one, while nothing is being read. */
  async fork(row: number, slots: number): Promise<void> {
    const { keys } = this.#heldBy(row)
    await this.#grow(Math.max(slots, this.#rows + 1), keys.length)
    await this.#vacate(this.#rows)
    await this.#copy(row, this.#rows)
    this.#rows++
    this.#forgetStepper()
  }

  /** Appends one token to each row and gives the logits after it, [rows, V], valid until the next step. */
  async step(ids: readonly number[], options: RunOptions): Promise<Float32Array> {
    const rows = this.#held.slice(0, this.#rows)
    this.#stepper ??= this.#runner.stepper(this.#buffers(), this.#rows)
    const stepper = this.#stepper
    this.#table.copyRows(ids, stepper.embeddings)
    await stepper.step(
      rows.map(({ keys }) => keys.length),
      options,
    )
    rows.forEach(({ keys }, i) => keys.push(ids[i] as number))
    return stepper.logits
  }

  /** Appends several tokens to rows, if possible in one run, and gives the logits after each, [ids, V]. */
  async extend(
    parts: readonly { readonly row: number; readonly ids: readonly number[] }[],
  ): Promise<Float32Array[]> {
    const requests = parts.map(({ row, ids }) => {
      const embeddings = new Float32Array(ids.length * this.#table.width)
      this.#table.copyRows(ids, embeddings)
      const { length: cachedLength } = this.#heldBy(row).keys
      const logitRows = ids.map((_, i) => i)
      return { cache: this.#buffers(), slot: row, cachedLength, embeddings, logitRows }
    })
    const logits = await this.#runner.prefillTogether(requests, { priority: 'decode' })
    for (const { row, ids } of parts) this.#heldBy(row).keys.push(...ids)
    return logits
  }

  /** Forgets the positions of a row from `length` on. */
  rewind(row: number, length: number): void {
    const held = this.#heldBy(row)
    held.keys.length = length
    held.read = Math.min(held.read, length)
  }

  /** Whether a row is rounded in its own way: `KvCache.isWidened`. */
  isWidened(row: number): boolean {
    return this.#buffers().isWidened(row)
  }

  /** Takes a row out; the last row moves into its place. */
  async remove(row: number): Promise<void> {
    const last = this.#rows - 1
    if (row !== last) {
      await this.#vacate(row)
      await this.#copy(last, row)
      this.#held[last] = nothing()
    }
    this.#rows--
    this.#forgetStepper()
  }

  /** Takes all rows out and trusts nothing of what they hold: a step of theirs failed. */
  clear(): void {
    for (let row = 0; row < this.#rows; row++) this.#held[row] = nothing()
    this.#rows = 0
    this.#forgetStepper()
  }

  /** Gives `bytes` of what is kept back. */
  release(bytes: number): void {
    this.#prefixes?.shrink(this.keptBytes - bytes)
  }

  /**
   * Keeps to the budget: kept beginnings go first, then what lies in the slots behind rows that were longer once. To be
   * called between runs, when nothing is being read.
   */
  async fit(): Promise<void> {
    this.#prefixes?.shrink(this.#roomForKept)
    const cache = this.#cache
    if (!cache || this.#slotBytes <= this.#budgetBytes || this.#joining.size > 0) return
    const filled = this.#held.slice(0, this.#rows).reduce((sum, { keys }) => sum + keys.length, 0)
    if (this.#slotBytes < MOST_SLACK * this.bytesOf(filled)) return
    await this.#replace(this.#runner.newCache(cache.slots, cache.capacity))
  }

  /** To be called when no row is left: of many slots, or of one that is too large, only what is kept stays. */
  async rest(): Promise<void> {
    const cache = this.#cache
    const most = Math.min(this.#keptBytes, this.#budgetBytes / 2)
    if (!cache || this.#slotBytes <= most) return
    if (this.#slotBytes > this.#budgetBytes) await this.#replace(null)
    // What the first slot holds goes on there, if it is what was asked last.
    else if (cache.slots > 1) await this.#replace(this.#runner.newCache(1, cache.capacity))
  }

  dispose(): void {
    this.#forgetStepper()
    this.#cache?.dispose()
    this.#cache = null
    this.#held = []
    this.#prefixes?.shrink(0)
  }

  get #roomForKept(): number {
    return Math.min(this.#keptBytes, this.#budgetBytes - this.#slotBytes)
  }

  get #slotBytes(): number {
    return this.#cache?.bytes ?? 0
  }

  /** Fills a slot with the most that any source has of a sequence's beginning. */
  async #fill(slot: number, sequence: Keyed, found: Found): Promise<number> {
    const own = this.#shared(slot, sequence)
    const other = this.#bestOther(slot, sequence)
    const most = Math.max(own, other.length, found.length)
    const length = Math.min(most, sequence.keys.length - FEWEST_COMPUTED)
    const isNear = own < most && other.length === most
    if (length < FEWEST_SHARED) {
      await this.#vacate(slot)
      return 0
    }
    if (own >= length) {
      await this.#vacate(slot, length)
      return length
    }
    await this.#vacate(slot)
    const cache = this.#buffers()
    if (isNear) await cache.copySlot(other.slot, { cache, slot, start: own, length })
    else await this.#prefixes?.load(found, { cache, slot }, { start: own, length })
    return length
  }

  #bestOther(slot: number, sequence: Keyed): { readonly slot: number; readonly length: number } {
    let best = { slot: 0, length: 0 }
    for (let other = 0; other < this.#held.length; other++) {
      const length = other === slot ? 0 : this.#shared(other, sequence)
      if (length > best.length) best = { slot: other, length }
    }
    return best
  }

  #shared(slot: number, { salt, keys }: Keyed): number {
    const held = this.#heldBy(slot)
    // Rows share what they have in any case: it changes no number.
    const isOpen = slot < this.#rows || this.#prefixes !== null
    if (!isOpen || held.salt !== salt) return 0
    return Math.min(commonLength(held.keys, keys), this.#sharable(slot))
  }

  /** How many positions of a slot others may have: those whose numbers are what they would be in the others' own prompts. */
  #sharable(slot: number): number {
    return this.#cache?.isWidened(slot) ? 0 : this.#heldBy(slot).read
  }

  /**
   * Keeps what a slot holds before it is overwritten behind position `kept`. What is lost is worth a copy only if the copy
   * is not mostly of what stays.
   */
  async #vacate(slot: number, kept = 0): Promise<void> {
    const whole = this.#heldBy(slot)
    const held = { salt: whole.salt, keys: whole.keys.slice(0, this.#sharable(slot)) }
    const prefixes = this.#prefixes
    if (!prefixes || held.keys.length === 0) return
    const copied = held.keys.length - prefixes.keptLength(held)
    if (copied <= 2 * (held.keys.length - kept)) {
      const room = Math.min(this.#budgetBytes - this.#slotBytes, prefixes.bytes + this.#freeBytes())
      await prefixes.store(held, { cache: this.#buffers(), slot }, room)
    }
    if (kept === 0) this.#held[slot] = nothing()
  }

  async #copy(from: number, slot: number): Promise<void> {
    const cache = this.#buffers()
    const held = this.#heldBy(from)
    await cache.copySlot(from, { cache, slot, length: held.keys.length })
    this.#held[slot] = { ...held, keys: [...held.keys] }
  }

  /** Makes room for so many slots of so many positions. */
  async #grow(slots: number, capacity: number): Promise<void> {
    const { slots: oldSlots = 0, capacity: oldCapacity = SMALLEST_CAPACITY } = this.#cache ?? {}
    if (this.#cache && slots <= oldSlots && capacity <= oldCapacity) return
    await this.#replace(
      this.#runner.newCache(
        Math.max(powerOfTwo(slots), oldSlots),
        Math.max(powerOfTwo(capacity), oldCapacity),
      ),
    )
  }

  /**
   * Moves rows, those that are being read, and what the next slot holds, to other buffers, and into the prefix cache what has
   * no place there.
   */
  async #replace(next: KvCache | null): Promise<void> {
    const before = this.#cache
    // What the next slot holds may go on in place, if it is no longer than there is room for.
    const free = this.#slotBytes <= this.#budgetBytes ? this.#nextSlot : null
    const isMoved = (slot: number) =>
      next !== null && (slot < this.#rows || this.#joining.has(slot) || slot === free)
    for (const slot of this.#held.keys()) if (!isMoved(slot)) await this.#vacate(slot)
    this.#forgetStepper()
    const held = Array.from({ length: next?.slots ?? 0 }, nothing)
    for (const [slot, one] of this.#held.entries()) {
      if (!isMoved(slot)) continue
      if (!next || !before || one.keys.length === 0) continue
      await before.copySlot(slot, { cache: next, slot, length: one.keys.length })
      held[slot] = one
    }
    before?.dispose()
    this.#cache = next
    this.#held = held
  }

  #buffers(): KvCache {
    if (!this.#cache) throw new Error('internal: rows without a cache')
    return this.#cache
  }

  #heldBy(slot: number): Held {
    const held = this.#held[slot]
    if (!held) throw new Error(`internal: slot ${slot} of ${this.#held.length} does not exist`)
    return held
  }

  #forgetStepper(): void {
    this.#stepper?.dispose()
    this.#stepper = null
  }
}

function nothing(): Held {
  return { salt: '', keys: [], read: 0 }
}

function powerOfTwo(size: number): number {
  return 2 ** Math.ceil(Math.log2(size))
}
