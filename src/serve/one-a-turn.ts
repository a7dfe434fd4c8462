/**
 * Starts of many at once, one in each turn of the event loop.
 *
 * A thousand clients that come together are found together by one look at the sockets, and their requests would be read one
 * after another before anything else is done: streams that run would stand still for as long.
 */
export class OneATurn {
  readonly #waiting: (() => void)[] = []
  readonly #defer: (next: () => void) => void
  #isTaken = false

  /** `defer` calls what it is given when others had their turn. */
  constructor(defer: (next: () => void) => void) {
    this.#defer = defer
  }

  /** Calls `begin` now, or in a later turn where this one has had its own. */
  start(begin: () => void): void {
    if (this.#isTaken) this.#waiting.push(begin)
    else this.#run(begin)
  }

  #run(begin: () => void): void {
    this.#isTaken = true
    this.#defer(() => {
      const next = this.#waiting.shift()
      if (next) this.#run(next)
      else this.#isTaken = false
    })
    begin()
  }
}
