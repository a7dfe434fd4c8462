/** Logits to one token: by maximum at temperature 0, by chance otherwise. */
import type { Rng } from '../core/rng.ts'
import type { TokenConstraint } from './constrained/token-constraint.ts'
import { expNonPositive } from './exp.ts'
import type { ResolvedGenerateOptions } from './generate-options.ts'
import { createLogitProcessor, type ProcessorContext } from './logit-processors.ts'
import { largest, logSumExp, sumExp, topLogprobs, type TokenLogprob } from './logprobs.ts'
import { sampleRng } from './sample-rng.ts'
import { filterTokens } from './sampling-filters.ts'

/** What is known of one chosen token; log-probabilities are the model's own, before any processor or filter. */
export type ChosenToken = {
  readonly id: number
  readonly logprob: number
  readonly top: readonly TokenLogprob[]
}

/** Chooses the token after `generated` from `logits` [V], which it overwrites. */
export type Sampler = (logits: Float32Array, generated: readonly number[]) => ChosenToken

/**
 * The sampler of answer `index` (of `n`) to one request. Equal seeds and equal logits give equal tokens, whatever other
 * requests run beside it: each token takes one number from the answer's own generator. A constraint hears every token.
 */
export function createSampler(
  options: ResolvedGenerateOptions,
  context: ProcessorContext,
  index = 0,
  constraint: TokenConstraint | null = null,
): Sampler {
  const process = createLogitProcessor(options, context)
  const rng = sampleRng(options.seed, index)
  const needsLogprobs = options.logprobs || options.n > 1
  return (logits, generated) => {
    const total = needsLogprobs ? logSumExp(logits) : NaN
    const top = options.logprobs ? topLogprobs(logits, options.topLogprobs, total) : []
    const raw = needsLogprobs ? logits.slice() : logits
    process(logits, generated)
    constraint?.mask(logits)
    const id = chooseToken(logits, options, rng)
    constraint?.accept(id)
    return { id, logprob: needsLogprobs ? (raw[id] as number) - total : NaN, top }
  }
}

/** The best token at temperature 0, otherwise one drawn from what the filters leave; `logits` are overwritten. */
function chooseToken(logits: Float32Array, options: ResolvedGenerateOptions, rng: Rng): number {
  if (options.temperature === 0) return bestToken(logits)
  const { temperature, topK, topP, minP } = options
  const tokens = filterTokens(logits, { temperature, topK, topP, minP, minKeep: 1 })
  const position = drawToken(tokens.logits, rng.uniform())
  return tokens.ids === undefined ? position : (tokens.ids[position] as number)
}

/** The id of the largest logit, the smallest of equal ones. */
export function bestToken(logits: Float32Array): number {
  const max = largest(logits)
  checkLogits(max)
  return logits.indexOf(max)
}

/** The token at which the cumulative probability, in order of ids, passes `uniform` in [0, 1). */
export function drawToken(logits: Float32Array, uniform: number): number {
  const max = largest(logits)
  checkLogits(max)
  const id = tokenAtSum(logits, max, uniform * sumExp(logits, max))
  // Rounding can leave a remainder after the last token.
  return id < logits.length ? id : logits.findLastIndex((logit) => logit > -Infinity)
}

/** The first token with which the sum of exponentials exceeds `sum`; V if none does. */
function tokenAtSum(logits: Float32Array, max: number, sum: number): number {
  let id = 0
  for (let rest = sum; id < logits.length; id++) {
    rest -= expNonPositive((logits[id] as number) - max)
    if (rest < 0) break
  }
  return id
}

/** A model that overflowed must not look like one that answered. */
function checkLogits(max: number): void {
  if (Number.isFinite(max)) return
  throw new Error(
    `internal: the largest of the logits is ${max}; the model's numbers overflowed or every token is banned.`,
  )
}
