/** A map whose values take no more than so many bytes: what was used longest ago goes first. */
export class BoundedMap<V> {
  readonly #budgetBytes: number
  readonly #kept = new Map<string, { readonly value: V; readonly bytes: number }>()
  #bytes = 0

  constructor(budgetBytes: number) {
    this.#budgetBytes = budgetBytes
  }

  /** What all values take. */
  get bytes(): number {
    return this.#bytes
  }

  get(key: string): V | undefined {
    const found = this.#kept.get(key)
    if (!found) return undefined
    this.#kept.delete(key)
    this.#kept.set(key, found)
    return found.value
  }

  /** A value that is more than all the room is not kept. */
  set(key: string, value: V, bytes: number): void {
    this.#delete(key)
    if (bytes > this.#budgetBytes) return
    this.#kept.set(key, { value, bytes })
    this.#bytes += bytes
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#budgetBytes) return
      this.#delete(oldest)
    }
  }

  clear(): void {
    this.#kept.clear()
    this.#bytes = 0
  }

  #delete(key: string): void {
    this.#bytes -= this.#kept.get(key)?.bytes ?? 0
    this.#kept.delete(key)
  }
}
