/** Long work that may pause: a generator that yields wherever others could get their turn. */

export type Steps<T> = Generator<void, T, void>

/** All of it now. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

/** Milliseconds between two turns of others: the event loop is never held up for long. */
const TURN_MS = 10

/** With turns for others in between, at which `signal` is heeded. */
export async function inTurns<T>(steps: Steps<T>, signal?: AbortSignal): Promise<T> {
  let began = performance.now()
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
    if (performance.now() - began < TURN_MS) continue
    await nextTurn()
    signal?.throwIfAborted()
    began = performance.now()
  }
}

/** Others have their turn now. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve))
}
