/**
 * Caches of finished sequences, kept for the next question that begins the same way.
 *
 * A position is known by its key: the token id, or for a picture's row a negative number that stands for the picture's
 * pixels and the row. The store owns the caches in it; taking one out hands it over. Oldest go first when the budget is
 * full.
 */
import type { KvCache } from './kv-cache.ts'

type Entry = { readonly keys: readonly number[]; readonly cache: KvCache; readonly bytes: number }

export class PrefixStore {
  readonly #budgetBytes: number
  /** Least recently used first. */
  #entries: Entry[] = []

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes
  }

  /**
   * Takes out the cache that shares most positions with `keys`, if it shares any and has room for `capacity`. Positions
   * [0, length) of its slot 0 are those of `keys`.
   */
  take(keys: readonly number[], capacity: number): { cache: KvCache; length: number } | null {
    let best: { entry: Entry; length: number } | null = null
    for (const entry of this.#entries) {
      if (entry.cache.capacity < capacity) continue
      const length = commonLength(entry.keys, keys)
      if (length > (best?.length ?? 0)) best = { entry, length }
    }
    if (!best) return null
    const { entry, length } = best
    this.#entries = this.#entries.filter((other) => other !== entry)
    return { cache: entry.cache, length }
  }

  /** Keeps a cache of one slot whose positions are `keys`, or disposes of it if the budget is too small. */
  put(keys: readonly number[], cache: KvCache, bytes: number): void {
    this.#entries.push({ keys, cache, bytes })
    let used = this.#entries.reduce((sum, entry) => sum + entry.bytes, 0)
    while (used > this.#budgetBytes) {
      const oldest = this.#entries.shift()
      if (!oldest) break
      oldest.cache.dispose()
      used -= oldest.bytes
    }
  }

  dispose(): void {
    for (const { cache } of this.#entries) cache.dispose()
    this.#entries = []
  }
}

export function commonLength(a: readonly number[], b: readonly number[]): number {
  const limit = Math.min(a.length, b.length)
  let length = 0
  while (length < limit && a[length] === b[length]) length++
  return length
}
