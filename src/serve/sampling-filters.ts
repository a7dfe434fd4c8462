/**
 * The filters of random sampling: which tokens may be drawn.
 *
 * Formulas, order and ties of transformers 5.23, generation/logits_process.py: temperature, top-k, top-p, min-p. Each sees
 * what the ones before it left. At least `minKeep` tokens remain; a beam search needs more than one.
 */
import { largest } from './logprobs.ts'
import { keepAtLeast, keepFirst, keepMass, type Tokens } from './ranking.ts'

export type SamplingFilters = {
  readonly temperature: number
  /** 0 keeps all. */
  readonly topK: number
  readonly topP: number
  readonly minP: number
  readonly minKeep: number
}

/**
 * The tokens of logits [V] that may be drawn, with their logits divided by the temperature (more than 0).
 *
 * Keeps top-k: the `topK` best, and all that equal the last of them; top-p: a token if the probabilities of those ranked
 * above it sum to less than `topP`; min-p: a token of at least `minP` times the best one's probability.
 */
export function filterTokens(logits: Float32Array, filters: SamplingFilters): Tokens {
  const { topK, topP, minP, minKeep } = filters
  scaleByTemperature(logits, filters.temperature)
  let tokens: Tokens = { ids: undefined, logits }
  if (topK > 0) {
    const first = keepFirst(tokens, Math.max(topK, minKeep))
    tokens = first === tokens ? tokens : keepAtLeast(tokens, smallest(first.logits))
  }
  if (topP < 1) tokens = orFirst(tokens, minKeep, keepMass(tokens, topP))
  if (minP > 0) {
    const least = largest(tokens.logits) + Math.log(minP)
    tokens = orFirst(tokens, minKeep, keepAtLeast(tokens, least))
  }
  return tokens
}

/** The same filters in place: dropped tokens become −Infinity, as a beam search needs it. */
export function filterLogits(logits: Float32Array, filters: SamplingFilters): void {
  const kept = filterTokens(logits, filters)
  if (kept.ids === undefined) return
  logits.fill(-Infinity)
  kept.ids.forEach((id, i) => (logits[id] = kept.logits[i] as number))
}

/** x ← x / temperature, with both in float32 as torch divides. */
function scaleByTemperature(logits: Float32Array, temperature: number): void {
  if (temperature === 1) return
  const divisor = Math.fround(temperature)
  for (let i = 0; i < logits.length; i++) logits[i] = (logits[i] as number) / divisor
}

/** `kept`, or the first `minKeep` of `tokens` where those are more: both are beginnings of one ranking. */
function orFirst(tokens: Tokens, minKeep: number, kept: Tokens): Tokens {
  return kept.logits.length >= minKeep ? kept : keepFirst(tokens, minKeep)
}

function smallest(logits: Float32Array): number {
  return logits.reduce((least, logit) => Math.min(least, logit), Infinity)
}
