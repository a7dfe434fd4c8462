/**
 * What a key may ask for in a minute: requests and tokens, each as a bucket that fills steadily.
 *
 * Tokens are known only when an answer ends, so a bucket may fall below zero; its key then waits until it is full enough
 * again.
 */
import type { Usage } from '../answer.ts'
import { HttpError } from './http-error.ts'

export type Limits = {
  readonly requestsPerMinute: number | null
  readonly tokensPerMinute: number | null
}

type Bucket = { level: number; at: number }
type Named = { readonly name: string }

const MS_PER_MINUTE = 60_000

export class RateLimits {
  readonly #limits: Limits
  readonly #now: () => number
  readonly #requests = new Map<string, Bucket>()
  readonly #tokens = new Map<string, Bucket>()

  /** `now` counts milliseconds. Callers are as many as keys, so what is kept of them is bounded. */
  constructor(limits: Limits, now: () => number) {
    this.#limits = limits
    this.#now = now
  }

  /** Counts a request. Throws a 429 with the seconds to wait if the caller has had its share. */
  admit({ name }: Named): void {
    const { requestsPerMinute, tokensPerMinute } = this.#limits
    if (tokensPerMinute !== null) {
      const bucket = this.#filled(this.#tokens, name, tokensPerMinute)
      if (bucket.level <= 0) throw exceeded('tokens', tokensPerMinute, 1 - bucket.level)
    }
    if (requestsPerMinute === null) return
    const bucket = this.#filled(this.#requests, name, requestsPerMinute)
    if (bucket.level < 1) throw exceeded('requests', requestsPerMinute, 1 - bucket.level)
    bucket.level--
  }

  /** Counts the tokens of an answer. */
  spend({ name }: Named, { promptTokens, completionTokens }: Usage): void {
    const { tokensPerMinute } = this.#limits
    if (tokensPerMinute === null) return
    this.#filled(this.#tokens, name, tokensPerMinute).level -= promptTokens + completionTokens
  }

  #filled(buckets: Map<string, Bucket>, name: string, perMinute: number): Bucket {
    const now = this.#now()
    const bucket = buckets.get(name) ?? { level: perMinute, at: now }
    bucket.level = Math.min(
      perMinute,
      bucket.level + ((now - bucket.at) / MS_PER_MINUTE) * perMinute,
    )
    bucket.at = now
    buckets.set(name, bucket)
    return bucket
  }
}

function exceeded(what: string, perMinute: number, missing: number): HttpError {
  const seconds = Math.max(1, Math.ceil((missing / perMinute) * 60))
  return new HttpError(
    429,
    'CAPACITY_RATE',
    `server: a key has ${perMinute} ${what} a minute, and they are used up; try again in ${seconds} seconds.`,
    { 'retry-after': String(seconds) },
  )
}
