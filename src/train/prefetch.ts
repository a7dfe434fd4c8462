/** Jobs with numbers in a row, each begun before it is asked for. */

export class Prefetch<T> {
  readonly #load: (index: number) => Promise<T>
  readonly #end: number
  readonly #depth: number
  readonly #running = new Map<number, Promise<T>>()

  /** `depth` jobs lie ready or run besides the one that is asked for; numbers go up to, not including, `end`. */
  constructor(
    load: (index: number) => Promise<T>,
    { end, depth }: { readonly end: number; readonly depth: number },
  ) {
    this.#load = load
    this.#end = end
    this.#depth = depth
  }

  take(index: number): Promise<T> {
    for (let next = index; next < Math.min(this.#end, index + 1 + this.#depth); next++) {
      if (!this.#running.has(next)) this.#running.set(next, this.#start(next))
    }
    const job = this.#running.get(index) as Promise<T>
    this.#running.delete(index)
    return job
  }

  #start(index: number): Promise<T> {
    const job = this.#load(index)
    // Whoever takes it sees the error; until then nobody does.
    job.catch(() => {})
    return job
  }
}
