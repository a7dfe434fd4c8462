/**
 * Which worker gets a request: the one that has read most of its prompt, unless it is much busier than another.
 *
 * As SGLang's router decides it (docs.sglang.ai, "SGLang Model Gateway"): balanced, prompts go where their beginning is
 * cached if that is a good part of them, else where least is cached; unbalanced, they go where least is running.
 */

export type RoutingConfig = {
  /** Least share of a prompt that must be cached for the cache to decide. */
  readonly cacheShare: number
  /** Unbalanced: the busiest worker runs so many more than the idlest, and so many times as many. */
  readonly balanceAbove: number
  readonly balanceTimes: number
}

export const ROUTING_DEFAULTS: RoutingConfig = {
  cacheShare: 0.5,
  balanceAbove: 8,
  balanceTimes: 1.5,
}

export type Candidate = {
  /** Requests that it answers now. */
  readonly running: number
  /** Characters of this prompt that it has read, and of all prompts. */
  readonly matched: number
  readonly cached: number
}

/** The best of `candidates`, of which there is at least one; among equal ones the first. */
export function chooseWorker<C extends Candidate>(
  candidates: readonly C[],
  keyLength: number,
  { cacheShare, balanceAbove, balanceTimes }: RoutingConfig = ROUTING_DEFAULTS,
): C {
  const loads = candidates.map(({ running }) => running)
  const [least, most] = [Math.min(...loads), Math.max(...loads)]
  if (most - least > balanceAbove && most > balanceTimes * least) {
    return best(candidates, (a, b) => a.running - b.running || b.matched - a.matched)
  }
  const matched = Math.max(...candidates.map((one) => one.matched))
  if (matched > 0 && matched >= cacheShare * keyLength) {
    return best(candidates, (a, b) => b.matched - a.matched || a.running - b.running)
  }
  return best(candidates, (a, b) => a.running - b.running || a.cached - b.cached)
}

function best<C>(candidates: readonly C[], compare: (a: C, b: C) => number): C {
  return candidates.reduce((found, one) => (compare(one, found) < 0 ? one : found))
}
