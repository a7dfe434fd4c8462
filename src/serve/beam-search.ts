/**
 * Beam search over any model that can continue several sequences at once.
 *
 *   score = Σ log p / (new tokens)^lengthPenalty
 *
 * Of each step's continuations the best (1 + end tokens) · numBeams are looked at: those that end may be kept as finished
 * if they are among the best numBeams, of the others the best numBeams go on. Processors change log-probabilities, not
 * logits, and nothing is normalised again. All this is the algorithm of transformers 5.23 (generation/utils.py
 * `_beam_search`) for one prompt, with sums in float64; it differs only where transformers runs out of continuations: it
 * goes on with finished sequences under a penalty of 1e9, here such beams are not made.
 */
import type { EarlyStopping } from './field-rules.ts'
import type { LogitProcessor } from './logit-processors.ts'
import { Breath } from './kv-cache.ts'
import { largestEntries, logSoftmax, type TokenLogprob } from './logprobs.ts'
import type { ChosenToken } from './sampler.ts'

export type BeamSearch = {
  readonly numBeams: number
  readonly maxTokens: number
  readonly lengthPenalty: number
  readonly earlyStopping: EarlyStopping
  /** Empty if no token ends a sequence. */
  readonly eosTokenIds: readonly number[]
  /** Logits [V] after the prompt. */
  readonly firstLogits: Float32Array
  /**
   * Logits [V] after one more token for each row. Row i continues row `parents[i]` of the call before (of the prompt's
   * only row at first) with token `ids[i]`; there are at most numBeams rows. The arrays are read before the next call.
   */
  step(ids: readonly number[], parents: readonly number[]): Promise<readonly Float32Array[]>
  /** Changes log-probabilities in place: logit processors and, for beam sampling, filters. */
  readonly process: LogitProcessor
  /** Whether a sequence ends with its last token though that is no end token: a stop string. */
  readonly isStopped?: ((tokens: readonly number[]) => boolean) | undefined
  /** Numbers in [0, 1): continuations are drawn without replacement instead of taken by rank. */
  readonly uniform?: (() => number) | undefined
  /** How many of the best tokens to note at each place; undefined notes no log-probabilities at all. */
  readonly topLogprobs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export type Beam = {
  /** New tokens; the last is the end token if that is how the sequence finished. */
  readonly tokens: readonly number[]
  /** The model's own log-probabilities of `tokens`, before any processor; empty unless asked for. */
  readonly logprobs: readonly ChosenToken[]
  readonly score: number
  readonly finishReason: 'stop' | 'length' | 'abort'
}

/** The numBeams best finished sequences, best first; after an abort those that were still running, too. */
export async function beamSearch(search: BeamSearch): Promise<Beam[]> {
  const { numBeams, signal } = search
  let running: readonly Candidate[] = [{ parent: 0, tokens: [], logprobs: [], sum: 0 }]
  let finished: readonly Beam[] = []
  let logits: readonly Float32Array[] = [search.firstLogits]
  for (let length = 1; ; length++) {
    const candidates = await continueBeams(search, running, logits)
    const ended = candidates.map((candidate) => endOf(search, candidate))
    const ending = candidates.flatMap((candidate, i) =>
      finish(search, candidate, i < numBeams ? ended[i] : undefined),
    )
    finished = bestBeams([...finished, ...ending], numBeams)
    const open = candidates.filter((_, i) => ended[i] === undefined)
    running = open.sort((a, b) => b.sum - a.sum).slice(0, numBeams)
    if (running.length === 0 || !canImprove(search, running, finished, length)) return [...finished]
    const next = signal?.aborted ? undefined : await stepUnlessAborted(search, running)
    if (next === undefined) {
      return bestBeams(
        [...finished, ...running.flatMap((beam) => finish(search, beam, 'abort'))],
        numBeams,
      )
    }
    logits = next
  }
}

type Candidate = {
  /** Its row among the running beams that it continues. */
  readonly parent: number
  readonly tokens: readonly number[]
  readonly logprobs: readonly ChosenToken[]
  /** Processed log-probabilities, added up. */
  readonly sum: number
}

/** The continuations looked at in this step: by rank, or in the order in which they were drawn. */
async function continueBeams(
  search: BeamSearch,
  running: readonly Candidate[],
  logits: readonly Float32Array[],
): Promise<Candidate[]> {
  const count = Math.max(2, 1 + search.eosTokenIds.length) * search.numBeams
  const { uniform, topLogprobs } = search
  const found: { key: number; candidate: Candidate }[] = []
  const breath = new Breath()
  for (const [parent, beam] of running.entries()) {
    const values = (logits[parent] as Float32Array).slice()
    logSoftmax(values)
    const own = topLogprobs === undefined ? undefined : values.slice()
    const top = own === undefined ? [] : largestEntries(own, topLogprobs ?? 0).map(asLogprob)
    search.process(values, beam.tokens)
    const keys = uniform === undefined ? values : perturb(values, uniform)
    for (const { id, value } of largestEntries(keys, count)) {
      const logprobs =
        own === undefined ? [] : [...beam.logprobs, { id, logprob: own[id] as number, top }]
      const sum = beam.sum + (values[id] as number)
      found.push({
        key: beam.sum + value,
        candidate: { parent, tokens: [...beam.tokens, id], logprobs, sum },
      })
    }
    await breath.take()
  }
  return found
    .sort((a, b) => b.key - a.key)
    .slice(0, count)
    .map(({ candidate }) => candidate)
}

/**
 * Adds Gumbel noise −log(−log u) to each: taking the largest is then drawing without replacement from the softmax, which
 * is what transformers does with torch.multinomial. Source: Kool et al., arXiv:1903.06059.
 */
function perturb(values: Float32Array, uniform: () => number): Float32Array {
  return values.map((value) =>
    value === -Infinity ? value : value - Math.log(-Math.log(1 - uniform())),
  )
}

function asLogprob({ id, value }: { id: number; value: number }): TokenLogprob {
  return { id, logprob: value }
}

/** Why a sequence goes no further, or undefined if it may. */
function endOf(search: BeamSearch, { tokens }: Candidate): 'stop' | 'length' | undefined {
  const last = tokens[tokens.length - 1] as number
  if (search.eosTokenIds.includes(last) || search.isStopped?.(tokens)) return 'stop'
  return tokens.length >= search.maxTokens ? 'length' : undefined
}

/** The candidate as a finished beam; none if there is no reason to end it. */
function finish(
  search: BeamSearch,
  { tokens, logprobs, sum }: Candidate,
  finishReason: Beam['finishReason'] | undefined,
): Beam[] {
  if (finishReason === undefined) return []
  return [
    {
      tokens,
      logprobs,
      score: sequenceScore(sum, tokens.length, search.lengthPenalty),
      finishReason,
    },
  ]
}

/** Σ log p / length^lengthPenalty: how transformers compares sequences of different lengths. */
export function sequenceScore(sumLogprob: number, length: number, lengthPenalty: number): number {
  return sumLogprob / length ** lengthPenalty
}

function bestBeams(beams: Beam[], count: number): Beam[] {
  return beams.sort((a, b) => b.score - a.score).slice(0, count)
}

/**
 * Whether a running sequence could still beat the worst finished one. Its best score to come is guessed as transformers
 * guesses it: from its length now, or with 'never' and a positive penalty from the greatest length.
 */
function canImprove(
  search: BeamSearch,
  running: readonly Candidate[],
  finished: readonly Beam[],
  length: number,
): boolean {
  const { earlyStopping, lengthPenalty, maxTokens } = search
  const worst = finished[search.numBeams - 1]
  if (worst === undefined) return true
  if (earlyStopping === true) return false
  const guessed = earlyStopping === 'never' && lengthPenalty > 0 ? maxTokens : length
  return sequenceScore((running[0] as Candidate).sum, guessed, lengthPenalty) > worst.score
}

/** The next logits; undefined if the signal stopped the run that would have made them. */
async function stepUnlessAborted(
  search: BeamSearch,
  running: readonly Candidate[],
): Promise<readonly Float32Array[] | undefined> {
  try {
    return await search.step(
      running.map(({ tokens }) => tokens[tokens.length - 1] as number),
      running.map(({ parent }) => parent),
    )
  } catch (error) {
    if (search.signal?.aborted) return undefined
    throw error
  }
}
