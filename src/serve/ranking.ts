/**
 * The best tokens of a vocabulary, without ranking it: top-k and top-p need one cut through the order only.
 *
 * Tokens are weighed in buckets of equal width below the best logit; only the bucket in which the cut falls is sorted.
 * The order: the largest logit first; of equal ones the larger id, as when torch's stable ascending sort is read from its
 * end. Loops over the vocabulary are functions of their own, for the reason given in `logprobs.ts`.
 */
import { expNonPositive } from './exp.ts'
import { largest } from './logprobs.ts'

/** Some tokens in ascending order of their ids, which are the positions themselves where `ids` is undefined. */
export type Tokens = { readonly ids: Uint32Array | undefined; readonly logits: Float32Array }

/** The first `count` tokens of the ranking. */
export function keepFirst(tokens: Tokens, count: number): Tokens {
  if (count >= tokens.logits.length) return tokens
  const max = largest(tokens.logits)
  const weights = new Float64Array(LAST_BUCKET + 1)
  countTokens(weights, tokens.logits, max)
  return cutAt(tokens, max, { weights, wanted: count, weightOf: () => 1 })
}

/** The shortest beginning of the ranking that holds `mass` of the probability. */
export function keepMass(tokens: Tokens, mass: number): Tokens {
  const max = largest(tokens.logits)
  const weights = new Float64Array(LAST_BUCKET + 1)
  addProbabilities(weights, tokens.logits, max)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return cutAt(tokens, max, { weights, wanted: mass * total, weightOf: expNonPositive })
}

/** The tokens whose logit is at least `least`. */
export function keepAtLeast(tokens: Tokens, least: number): Tokens {
  return keepFrom(tokens, { position: 0, logit: least })
}

type Cut = {
  /** Sum of each bucket. */
  readonly weights: Float64Array
  readonly wanted: number
  /** Of a token, by its logit minus the best one. */
  weightOf(relative: number): number
}

/** The ranking down to the token with which the weights reach what is wanted; all but −Infinity if they never do. */
function cutAt(tokens: Tokens, max: number, { weights, wanted, weightOf }: Cut): Tokens {
  let sum = 0
  let bucket = 0
  while (bucket < LAST_BUCKET && sum + (weights[bucket] as number) < wanted)
    sum += weights[bucket++] as number
  const near = keepBuckets(tokens, max, bucket)
  const ranked: Ranked[] = []
  listBucket(ranked, near.logits, max, bucket)
  ranked.sort((a, b) => b.logit - a.logit || b.position - a.position)
  let last: Ranked = { position: 0, logit: -Infinity }
  for (const token of ranked) {
    last = token
    sum += weightOf(token.logit - max)
    if (sum >= wanted) break
  }
  return keepFrom(near, last)
}

type Ranked = { readonly position: number; readonly logit: number }

/** What is ranked no lower than `last`. */
function keepFrom(tokens: Tokens, last: Ranked): Tokens {
  const positions = new Uint32Array(tokens.logits.length)
  return take(tokens, positions.subarray(0, findFrom(positions, tokens.logits, last)))
}

function keepBuckets(tokens: Tokens, max: number, lastBucket: number): Tokens {
  const positions = new Uint32Array(tokens.logits.length)
  return take(tokens, positions.subarray(0, findBuckets(positions, tokens.logits, max, lastBucket)))
}

function take({ ids, logits }: Tokens, positions: Uint32Array): Tokens {
  const takenLogits = new Float32Array(positions.length)
  copyAt(takenLogits, logits, positions)
  if (ids === undefined) return { ids: positions, logits: takenLogits }
  const takenIds = new Uint32Array(positions.length)
  copyAt(takenIds, ids, positions)
  return { ids: takenIds, logits: takenLogits }
}

/** `target` and `source` are of one type. */
function copyAt(
  target: Float32Array | Uint32Array,
  source: Float32Array | Uint32Array,
  positions: Uint32Array,
): void {
  for (let i = 0; i < positions.length; i++) target[i] = source[positions[i] as number] as number
}

function countTokens(weights: Float64Array, logits: Float32Array, max: number): void {
  for (let i = 0; i < logits.length; i++) {
    const bucket = bucketOf(max - (logits[i] as number))
    weights[bucket] = (weights[bucket] as number) + 1
  }
}

function addProbabilities(weights: Float64Array, logits: Float32Array, max: number): void {
  for (let i = 0; i < logits.length; i++) {
    const below = max - (logits[i] as number)
    const bucket = bucketOf(below)
    weights[bucket] = (weights[bucket] as number) + expNonPositive(-below)
  }
}

/** Writes the positions of what is ranked no lower than `last`, and returns their number. */
function findFrom(positions: Uint32Array, logits: Float32Array, last: Ranked): number {
  const { position, logit: least } = last
  let count = 0
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i] as number
    if (logit > least || (logit === least && i >= position)) positions[count++] = i
  }
  return count
}

/** Writes the positions of the tokens in the buckets up to `lastBucket`, and returns their number. */
function findBuckets(
  positions: Uint32Array,
  logits: Float32Array,
  max: number,
  lastBucket: number,
): number {
  let count = 0
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i] as number
    if (bucketOf(max - logit) <= lastBucket && logit !== -Infinity) positions[count++] = i
  }
  return count
}

function listBucket(found: Ranked[], logits: Float32Array, max: number, bucket: number): void {
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i] as number
    if (bucketOf(max - logit) === bucket) found.push({ position: i, logit })
  }
}

/** The bucket of a token that lies `below` under the best; the last one holds the whole tail. */
function bucketOf(below: number): number {
  return Math.min(LAST_BUCKET, below * BUCKETS_PER_UNIT) | 0
}

const BUCKETS_PER_UNIT = 64
const LAST_BUCKET = 32 * BUCKETS_PER_UNIT
