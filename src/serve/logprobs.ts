/**
 * Log-probabilities of tokens from logits.
 *
 *   log pᵢ = xᵢ − log Σⱼ eˣʲ
 *
 * Sums run in float64, so that a score over hundreds of tokens does not drift.
 *
 * Loops over the vocabulary are functions of their own that end with the loop: V8 enters such long loops by on-stack
 * replacement, and code after the loop that has never run throws the optimised version away, call after call (measured:
 * 1.9 ms in place of 0.8 for a sum over 152,064 logits).
 */
import { expNonPositive } from './exp.ts'

export type TokenLogprob = { readonly id: number; readonly logprob: number }

/** The logarithm of the sum of the exponentials of `logits` [V]; −Infinity entries count as nothing. NaN if any is NaN. */
export function logSumExp(logits: Float32Array): number {
  const max = largest(logits)
  return max === -Infinity ? max : max + Math.log(sumExp(logits, max))
}

/** Σ eˣ⁻ᵐᵃˣ, `max` being the largest of `logits`. */
export function sumExp(logits: Float32Array, max: number): number {
  let sum = 0
  for (let i = 0; i < logits.length; i++) sum += expNonPositive((logits[i] as number) - max)
  return sum
}

/** Turns `logits` [V] into log-probabilities, in place. */
export function logSoftmax(logits: Float32Array): void {
  const total = logSumExp(logits)
  for (let i = 0; i < logits.length; i++) logits[i] = (logits[i] as number) - total
}

/** The log-probabilities of the `count` best tokens, best first, equal ones in order of their ids. */
export function topLogprobs(
  logits: Float32Array,
  count: number,
  total = logSumExp(logits),
): TokenLogprob[] {
  return largestEntries(logits, count).map(({ id, value }) => ({ id, logprob: value - total }))
}

/**
 * The `count` largest entries of `values` [V] that are not −Infinity, largest first, equal ones in order of their ids.
 *
 * One pass with a sorted list: an entry of random data enters the list with probability count / (entries seen), so the
 * list is touched about count · ln(V / count) times.
 */
export function largestEntries(
  values: Float32Array,
  count: number,
): { id: number; value: number }[] {
  const best: { id: number; value: number }[] = []
  let smallest = -Infinity
  for (let id = 0; id < values.length; id++) {
    const value = values[id] as number
    if (value <= smallest || count === 0) continue
    if (best.length === count) best.pop()
    let at = best.length
    while (at > 0 && (best[at - 1] as { value: number }).value < value) at--
    best.splice(at, 0, { id, value })
    if (best.length === count) smallest = (best[count - 1] as { value: number }).value
  }
  return best
}

/** The largest entry; NaN where there is one, so that a broken run cannot look like an answer. */
export function largest(values: Float32Array): number {
  let max = -Infinity
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number
    if (value <= max) continue
    max = value
    if (value !== value) return NaN
  }
  return max
}
