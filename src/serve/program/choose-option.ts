/**
 * Which of several texts is the likeliest, by the log-probabilities of their tokens: the three methods that SGLang documents
 * (docs.sglang.io, "Choices Methods in SGLang").
 *
 *   tokenLengthNormalized             mean over the tokens of log p(token | prompt, tokens before)
 *   greedyTokenSelection              token by token the likeliest; a shorter text goes on with its mean
 *   unconditionalLikelihoodNormalized mean of log p(token | prompt, before) − log p(token | before)
 */

export type ChoiceMethod =
  | 'tokenLengthNormalized'
  | 'greedyTokenSelection'
  | 'unconditionalLikelihoodNormalized'

export const CHOICE_METHODS: readonly ChoiceMethod[] = [
  'tokenLengthNormalized',
  'greedyTokenSelection',
  'unconditionalLikelihoodNormalized',
]

/** Log-probabilities of the tokens of one text. */
export type OptionLogprobs = {
  readonly logprobs: readonly number[]
  /** The same without the prompt; the first token's, which nothing precedes, is 0. */
  readonly unconditional?: readonly number[] | undefined
}

export type ChosenOption = {
  readonly index: number
  /** By which they were compared; of `greedyTokenSelection` the mean all the same. */
  readonly scores: readonly number[]
  /** Scores as shares that add up to 1. */
  readonly probabilities: readonly number[]
}

/** The best of `options`, each with at least one token; of equal ones the first. */
export function chooseOption(
  options: readonly OptionLogprobs[],
  method: ChoiceMethod,
): ChosenOption {
  const scores = options.map((option) =>
    method === 'unconditionalLikelihoodNormalized' ? gain(option) : mean(option.logprobs),
  )
  const index =
    method === 'greedyTokenSelection' ? greediest(options) : scores.indexOf(Math.max(...scores))
  return { index, scores, probabilities: softmax(scores) }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function gain({ logprobs, unconditional = [] }: OptionLogprobs): number {
  return mean(logprobs.map((logprob, i) => logprob - (unconditional[i] ?? 0)))
}

function greediest(options: readonly OptionLogprobs[]): number {
  let left = options.map((_, i) => i)
  const longest = Math.max(...options.map(({ logprobs }) => logprobs.length))
  const at = (i: number, position: number): number => {
    const { logprobs } = options[i] as OptionLogprobs
    return logprobs[position] ?? mean(logprobs)
  }
  for (let position = 0; position < longest && left.length > 1; position++) {
    const best = Math.max(...left.map((i) => at(i, position)))
    left = left.filter((i) => at(i, position) === best)
  }
  return left[0] as number
}

function softmax(scores: readonly number[]): number[] {
  const most = Math.max(...scores)
  const powers = scores.map((score) => Math.exp(score - most))
  const sum = powers.reduce((total, power) => total + power, 0)
  return powers.map((power) => power / sum)
}
