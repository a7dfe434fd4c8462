/** Work that several want at the same time is done once, and stopped only when none of them wants it any more. */
import { AbortListeners } from '../core/abort-listeners.ts'

type Shared<T> = {
  readonly result: Promise<T>
  readonly stop: AbortController
  users: number
}

export class SharedWork<T> {
  readonly #underWay = new Map<string, Shared<T>>()
  readonly #aborts = new AbortListeners()

  /**
   * What `work` gives. Whoever comes with an equal key before it is done waits for the same; a null key shares nothing.
   * Rejects with the signal's reason as soon as it is aborted, whatever the others wait for.
   */
  async do(
    key: string | null,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted()
    if (key === null) return work(signal)
    const shared = this.#underWay.get(key) ?? this.#start(key, work)
    shared.users++
    try {
      return await this.#unlessAborted(shared.result, signal)
    } finally {
      if (--shared.users === 0) {
        this.#forget(key, shared)
        shared.stop.abort()
      }
    }
  }

  #start(key: string, work: (signal: AbortSignal) => Promise<T>): Shared<T> {
    const stop = new AbortController()
    const shared = { result: work(stop.signal), stop, users: 0 }
    this.#underWay.set(key, shared)
    const forget = () => this.#forget(key, shared)
    shared.result.then(forget, forget)
    return shared
  }

  #forget(key: string, shared: Shared<T>): void {
    if (this.#underWay.get(key) === shared) this.#underWay.delete(key)
  }

  async #unlessAborted(result: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (!signal) return result
    let release = () => {}
    const aborted = new Promise<never>((_, reject) => {
      release = this.#aborts.add(signal, () => reject(signal.reason))
    })
    try {
      return await Promise.race([result, aborted])
    } finally {
      release()
    }
  }
}
