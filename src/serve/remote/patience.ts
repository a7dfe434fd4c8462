/**
 * How a server is asked again: when it says, else later and later, by all that wait for it together, and not for ever.
 *
 * Source: RFC 9110 §10.2.3 (Retry-After: seconds or a date).
 */
import { AbortListeners } from '../../core/abort-listeners.ts'
import { CapacityError } from '../../core/errors.ts'
import { presenceAdvice, type Presence } from './presence.ts'

export type Tried<T> = { readonly value: T } | Failed

type Failed = {
  readonly fault: string
  /** What the server asks for; null: it does not say. */
  readonly retryAfterMs: number | null
  /** Null where nobody answered. */
  readonly presence: Presence | null
}

export type PatienceOptions = {
  /** Calls of one request, the first included. */
  readonly attempts?: number | undefined
  /** What the world gives; others in tests. */
  readonly sleep?: ((ms: number, signal: AbortSignal | undefined) => Promise<void>) | undefined
  readonly now?: (() => number) | undefined
}

/** What begins an error, whom it is about, and what to do where the server is to be left alone for long. */
export type Asked = { readonly where: string; readonly url: string; readonly later: string }

/** All attempts at one request failed. */
export class AttemptsFailed extends CapacityError {
  // As what programs know it by.
  override readonly name = 'CapacityError'
  /** Null where nobody is there. */
  readonly presence: Presence | null

  constructor(message: string, presence: Presence | null) {
    super('CAPACITY_ENDPOINT', message)
    this.presence = presence
  }
}

const ATTEMPTS = 6
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 60_000
/** A server that asks for more than this is not waited for. */
const MOST_ASKED_MS = 600_000

export class Patience {
  readonly #asked: Asked
  readonly #options: PatienceOptions
  readonly #aborts = new AbortListeners()
  /** No call begins before this time: where one was told to wait, the others wait too. */
  #openAt = 0
  #answers = 0

  constructor(asked: Asked, options: PatienceOptions = {}) {
    this.#asked = asked
    this.#options = options
  }

  /** Throws what `attempt` throws, AttemptsFailed where it failed too often, and the signal's reason when aborted. */
  async call<T>(attempt: () => Promise<Tried<T>>, signal: AbortSignal | undefined): Promise<T> {
    const attempts = this.#options.attempts ?? ATTEMPTS
    const start = this.now()
    let last: Failed = { fault: 'no attempt was allowed', retryAfterMs: null, presence: null }
    let failures = 0
    let answersOthers = false
    for (let seen = this.#answers; failures < attempts; seen = this.#answers) {
      await this.#waitTurn(signal)
      const result = await attempt()
      if ('value' in result) {
        this.#answers++
        return result.value
      }
      last = result
      answersOthers = this.#answers > seen
      // Of many that are told to wait some are always the last.
      const isQueueing = result.presence === 'busy' && answersOthers
      failures = isQueueing && this.now() - start < MOST_ASKED_MS ? 1 : failures + 1
      if (failures < attempts) this.#postpone(failures - 1, result.retryAfterMs)
    }
    const { where, url, later } = this.#asked
    const presence = last.presence ?? (answersOthers ? 'failed' : null)
    const advice = presence === null ? 'is it running?' : `${presenceAdvice(presence, later)}.`
    throw new AttemptsFailed(
      `${where}: ${url} should answer, ${attempts} attempts failed (${last.fault}); ${advice}`,
      presence,
    )
  }

  now(): number {
    return (this.#options.now ?? Date.now)()
  }

  async #waitTurn(signal: AbortSignal | undefined): Promise<void> {
    const sleep = this.#options.sleep ?? this.#sleep
    for (let wait = this.#openAt - this.now(); wait > 0; wait = this.#openAt - this.now()) {
      await sleep(wait, signal)
    }
    signal?.throwIfAborted()
  }

  /** All calls that wait share one listener to a run's signal. */
  readonly #sleep = (ms: number, signal: AbortSignal | undefined): Promise<void> =>
    new Promise((done, fail) => {
      if (signal?.aborted) return fail(signal.reason as Error)
      const forget = signal
        ? this.#aborts.add(signal, () => {
            clearTimeout(timer)
            fail(signal.reason as Error)
          })
        : () => {}
      const timer = setTimeout(() => {
        forget()
        done()
      }, ms)
    })

  /** As the server asked, else twice as long as the last time. */
  #postpone(attempt: number, askedMs: number | null): void {
    if (askedMs !== null && askedMs > MOST_ASKED_MS) {
      const { where, url, later } = this.#asked
      throw new CapacityError(
        'CAPACITY_ENDPOINT_BUSY',
        `${where}: ${url} asks to wait ${Math.round(askedMs / 1000)} s, at most ${MOST_ASKED_MS / 1000} s are waited; ${later}.`,
      )
    }
    // "0", and a date that is over, say nothing of how long: all attempts would be gone in a moment.
    const wait = askedMs || Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt)
    this.#openAt = Math.max(this.#openAt, this.now() + wait)
  }
}

/** Milliseconds from now; null where the header says nothing that can be read. */
export function retryAfterMs(header: string | null, now: number): number | null {
  if (header === null || header.trim() === '') return null
  const seconds = Number(header)
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000)
  const date = Date.parse(header)
  return Number.isNaN(date) ? null : Math.max(0, date - now)
}
