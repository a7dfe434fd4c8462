/** What a server that answers with an error says of itself, and what helps. */

/**
 * `busy`: it has no place; `failed`: it fails at what it is asked; `stopping`: it ends; `full`: its disk is; `workerless`: it
 * is a front, and none of its workers gives an answer.
 */
export type Presence = 'busy' | 'failed' | 'stopping' | 'full' | 'workerless'

/** Codes of our own servers, where they do not say that this answer failed. */
const BY_CODE: Readonly<Record<string, Presence>> = {
  CAPACITY_QUEUE: 'busy',
  CAPACITY_RATE: 'busy',
  CAPACITY_STOPPING: 'stopping',
  CAPACITY_DISK: 'full',
  CAPACITY_UPSTREAM: 'workerless',
}

/** Of an error's status, and its code where that is one of ours. */
export function presenceOf(status: number, code: string | null): Presence {
  if (code?.startsWith('CAPACITY_')) return BY_CODE[code] ?? 'failed'
  return status === 429 || status === 503 ? 'busy' : 'failed'
}

const ADVICE: { readonly [P in Presence]: (later: string) => string } = {
  busy: (later) => `it is busy: ${later}`,
  failed: () => 'it is running and fails at this request: its log says why',
  stopping: (later) => `it stops: start it again, then ${later}`,
  full: () => 'it is running and its disk is full: make room there',
  workerless: () => 'it is running and none of its workers answers: start them, its log says why',
}

/** `later`: what to do once a server has a place again. */
export function presenceAdvice(presence: Presence, later: string): string {
  return ADVICE[presence](later)
}

export function isPresence(kind: string): kind is Presence {
  return Object.hasOwn(ADVICE, kind)
}
