/**
 * Questions that wait for an engine. One that an engine could not answer goes back for the others, so that a server that dies takes
 * no question with it.
 */

export type Waiting<Item, Engine> = {
  readonly item: Item
  /** Who could not answer it. */
  readonly refusedBy: Set<Engine>
}

export class QuestionQueue<Item, Engine> {
  readonly #items: readonly Item[]
  #next = 0
  #returned: Waiting<Item, Engine>[] = []
  /** Taken, and not yet answered or given back. */
  #out = 0
  #isClosed = false
  readonly #sleepers: (() => void)[] = []

  constructor(items: readonly Item[]) {
    this.#items = items
  }

  /** The next that this engine has not refused; null where there is none and none can come back. */
  async take(engine: Engine): Promise<Waiting<Item, Engine> | null> {
    while (!this.#isClosed) {
      const place = this.#returned.findIndex(({ refusedBy }) => !refusedBy.has(engine))
      const waiting = place < 0 ? this.#fresh() : this.#returned.splice(place, 1)[0]
      if (waiting) {
        this.#out++
        return waiting
      }
      if (this.#out === 0) return null
      await new Promise<void>((wake) => this.#sleepers.push(wake))
    }
    return null
  }

  done(): void {
    this.#out--
    this.#wake()
  }

  giveBack(waiting: Waiting<Item, Engine>): void {
    this.#returned.push(waiting)
    this.done()
  }

  /** Nobody waits any more. */
  close(): void {
    this.#isClosed = true
    this.#wake()
  }

  /** What every engine that is left has refused. */
  drain(): Waiting<Item, Engine>[] {
    const left = this.#returned
    this.#returned = []
    return left
  }

  #fresh(): Waiting<Item, Engine> | undefined {
    if (this.#next >= this.#items.length) return undefined
    return { item: this.#items[this.#next++] as Item, refusedBy: new Set() }
  }

  #wake(): void {
    for (const wake of this.#sleepers.splice(0)) wake()
  }
}
