/** How fast a run goes, over the last half minute: what was slow an hour ago says nothing about what is left. */

const WINDOW_MS = 30_000
const SAMPLE_MS = 500

export class Pace {
  readonly #now: () => number
  #samples: { readonly at: number; readonly done: number }[]

  /** `now` is in milliseconds and never goes back; `done` is what there is before the first is done here. */
  constructor(now: () => number, done: number) {
    this.#now = now
    this.#samples = [{ at: now(), done }]
  }

  note(done: number): void {
    const at = this.#now()
    if (at - (this.#samples.at(-1)?.at ?? -Infinity) >= SAMPLE_MS) this.#samples.push({ at, done })
    while ((this.#samples[1]?.at ?? Infinity) <= at - WINDOW_MS) this.#samples.shift()
  }

  /** Null before there is anything to go by. */
  perSecond(done: number): number | null {
    const [first] = this.#samples
    const seconds = first ? (this.#now() - first.at) / 1000 : 0
    return first && seconds > 0 && done > first.done ? (done - first.done) / seconds : null
  }
}
