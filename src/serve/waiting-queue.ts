/** Who waits for a turn: the highest priority first, equal ones in order of arrival. */
export class WaitingQueue<T> {
  readonly #priorityOf: (item: T) => number
  #items: T[] = []

  constructor(priorityOf: (item: T) => number) {
    this.#priorityOf = priorityOf
  }

  get size(): number {
    return this.#items.length
  }

  get first(): T | undefined {
    return this.#items[0]
  }

  /** The first that `isWanted` accepts, of the first `most`. */
  find(isWanted: (item: T) => boolean, most: number): T | undefined {
    return this.#items.slice(0, most).find(isWanted)
  }

  add(item: T): void {
    const priority = this.#priorityOf(item)
    const at = this.#items.findIndex((other) => this.#priorityOf(other) < priority)
    this.#items.splice(at < 0 ? this.#items.length : at, 0, item)
  }

  /** Puts an item before those of equal priority: it was there before them. */
  addFirst(item: T): void {
    const priority = this.#priorityOf(item)
    const at = this.#items.findIndex((other) => this.#priorityOf(other) <= priority)
    this.#items.splice(at < 0 ? this.#items.length : at, 0, item)
  }

  takeFirst(): T | undefined {
    return this.#items.shift()
  }

  remove(item: T): void {
    this.#items = this.#items.filter((other) => other !== item)
  }

  /** Takes out those that `isWanted` accepts, at most `most`. */
  takeWhere(isWanted: (item: T) => boolean, most: number): T[] {
    const taken = this.#items.filter(isWanted).slice(0, most)
    this.#items = this.#items.filter((item) => !taken.includes(item))
    return taken
  }
}
