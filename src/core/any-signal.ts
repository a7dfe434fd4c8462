/**
 * `AbortSignal.any`, whose sources live as long as it does.
 *
 * Node.js holds them weakly (nodejs/node#57736): a time limit, or a signal that only a caller's request holds, is lost with
 * the next garbage collection, and what waits for it never ends.
 */

const SOURCES = new WeakMap<AbortSignal, readonly AbortSignal[]>()

/** Aborts with the first of them that does, and its reason; who gives no signal is passed over. */
export function anySignal(...given: readonly (AbortSignal | undefined)[]): AbortSignal {
  const sources = given.filter((signal) => signal !== undefined)
  const any = AbortSignal.any(sources)
  SOURCES.set(any, sources)
  return any
}
