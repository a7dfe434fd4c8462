/**
 * Many listeners to one AbortSignal through a single one of its own: Node warns of a leak when a signal has more than
 * ten, and a session's forty layers or a batch's requests rightly share one.
 */
export class AbortListeners {
  readonly #bySignal = new Map<AbortSignal, Set<() => void>>()

  /** Calls back once when the signal aborts, until the returned function is called. */
  add(signal: AbortSignal, callback: () => void): () => void {
    const callbacks = this.#bySignal.get(signal) ?? this.#listen(signal)
    callbacks.add(callback)
    return () => {
      if (callbacks.delete(callback) && callbacks.size === 0) this.#stop(signal)
    }
  }

  #listen(signal: AbortSignal): Set<() => void> {
    const callbacks = new Set<() => void>()
    this.#bySignal.set(signal, callbacks)
    signal.addEventListener('abort', this.#onAbort)
    return callbacks
  }

  #stop(signal: AbortSignal): void {
    this.#bySignal.delete(signal)
    signal.removeEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = (event: Event): void => {
    const signal = event.target as AbortSignal
    const callbacks = this.#bySignal.get(signal) ?? []
    this.#stop(signal)
    for (const callback of callbacks) callback()
  }
}
