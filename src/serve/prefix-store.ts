/**
 * Caches of finished sequences, kept for the next question that begins the same way, or for their memory.
 *
 * A position is known by its key: the token id, or for a picture's row a negative number that stands for the picture's
 * pixels and the row. The store owns the caches in it; taking one out hands it over. Oldest go first when the budget is
 * full. Memory that was used before is worth keeping, because the system takes its time to hand out new.
 */
import type { KvCache } from './kv-cache.ts'

export type KeptCache = {
  /** What positions [0, keys.length) of slot 0 are; empty where nobody will ask. */
  readonly keys: readonly number[]
  readonly cache: KvCache
}

export class PrefixStore {
  readonly #budgetBytes: number
  /** Least recently used first. */
  #entries: KeptCache[] = []

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes
  }

  /** Memory that the kept caches fill. */
  get bytes(): number {
    return this.#entries.reduce((sum, { cache }) => sum + cache.bytes, 0)
  }

  get positions(): number {
    return this.#entries.reduce((sum, { keys }) => sum + keys.length, 0)
  }

  /** Takes out the cache that shares most positions with `keys`, if one shares `fewest` or more. */
  take(keys: readonly number[], fewest: number): (KeptCache & { readonly shared: number }) | null {
    let best: { entry: KeptCache; shared: number } | null = null
    for (const entry of this.#entries) {
      const shared = commonLength(entry.keys, keys)
      if (shared >= fewest && shared > (best?.shared ?? 0)) best = { entry, shared }
    }
    if (!best) return null
    return { ...this.#out(best.entry), shared: best.shared }
  }

  /**
   * Takes out a cache for its memory: one that holds nothing, or the oldest if the budget has no room for `bytes` more.
   */
  takeMemory(wanted: {
    readonly slots: number
    readonly capacity: number
    readonly bytes: number
  }): KvCache | null {
    const fitting = this.#entries.filter(
      ({ cache }) => cache.slots === wanted.slots && cache.capacity >= wanted.capacity,
    )
    const isFull = this.bytes + wanted.bytes > this.#budgetBytes
    const entry = fitting.find(({ keys }) => keys.length === 0) ?? (isFull ? fitting[0] : undefined)
    return entry ? this.#out(entry).cache : null
  }

  /** Keeps a cache, and disposes of what the budget has no room for. */
  put(kept: KeptCache): void {
    this.#entries.push(kept)
    this.shrink(this.#budgetBytes)
  }

  /** Disposes of the oldest caches until the others fill no more than `bytes`. */
  shrink(bytes: number): void {
    let used = this.bytes
    while (used > bytes) {
      const oldest = this.#entries.shift()
      if (!oldest) break
      used -= oldest.cache.bytes
      oldest.cache.dispose()
    }
  }

  dispose(): void {
    for (const { cache } of this.#entries) cache.dispose()
    this.#entries = []
  }

  #out(entry: KeptCache): KeptCache {
    this.#entries = this.#entries.filter((other) => other !== entry)
    return entry
  }
}

export function commonLength(a: readonly number[], b: readonly number[]): number {
  const limit = Math.min(a.length, b.length)
  let length = 0
  while (length < limit && a[length] === b[length]) length++
  return length
}
