/**
 * One queue for everything heavy: jobs run one at a time, each with all threads.
 *
 * Among those waiting the highest priority starts first (decode, prefill, training), and equal ones in order of
 * arrival. Priorities are strict: training starves while prefills keep coming, and both while decoding never
 * pauses. Whoever feeds the queue bounds that (a decode loop has at most one step in the queue), not the queue.
 *
 * When a job ends, the next start is deferred once (`defer`), so that a loop that awaited the job can put its next
 * step in first. Otherwise a decode loop would take turns with whatever waits.
 */
import { AbortListeners } from '../core/abort-listeners.ts'
import type { Priority } from './runtime.ts'

const PRIORITIES = ['decode', 'prefill', 'training'] as const satisfies readonly Priority[]

export type QueueOptions = {
  /** `prefill` unless given. */
  readonly priority?: Priority | undefined
  /** Rejects with the signal's reason while the job waits. Once started, the job itself must listen. */
  readonly signal?: AbortSignal | undefined
}

export class RunQueue {
  readonly #defer: (start: () => void) => void
  /** Sets keep the order of insertion, and let an aborted job leave from the middle. */
  readonly #waiting: { readonly [P in Priority]: Set<() => void> } = {
    decode: new Set(),
    prefill: new Set(),
    training: new Set(),
  }
  readonly #aborts = new AbortListeners()
  #busy = false

  /** `defer` must let everything run that awaited the job before: a new task, not a microtask. */
  constructor(defer: (start: () => void) => void) {
    this.#defer = defer
  }

  /** Runs `job` when its turn comes; settles as it does, or rejects with the reason of an abort before its start. */
  run<T>(job: () => Promise<T>, options: QueueOptions = {}): Promise<T> {
    const { priority = 'prefill', signal } = options
    return new Promise<T>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      // `job` may throw before it returns a promise: an async wrapper makes that a rejection too.
      const begin = () => void this.#runNow(async () => job()).then(resolve, reject)
      if (!this.#busy) return begin()
      const start = () => {
        stopListening?.()
        begin()
      }
      const leave = () => {
        this.#waiting[priority].delete(start)
        reject(signal?.reason)
      }
      const stopListening = signal && this.#aborts.add(signal, leave)
      this.#waiting[priority].add(start)
    })
  }

  async #runNow<T>(job: () => Promise<T>): Promise<T> {
    this.#busy = true
    try {
      return await job()
    } finally {
      if (PRIORITIES.some((priority) => this.#waiting[priority].size > 0)) {
        this.#defer(() => this.#startNext())
      } else this.#busy = false
    }
  }

  #startNext(): void {
    for (const priority of PRIORITIES) {
      for (const start of this.#waiting[priority]) {
        this.#waiting[priority].delete(start)
        return start()
      }
    }
    this.#busy = false
  }
}
