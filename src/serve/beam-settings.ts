/** The options of a request as a beam search takes them. */
import type { BeamSearch } from './beam-search.ts'
import type { ResolvedGenerateOptions } from './generate-options.ts'
import { createLogitProcessor, type ProcessorContext } from './logit-processors.ts'
import { sampleRng } from './sample-rng.ts'
import { filterLogits } from './sampling-filters.ts'

export type BeamSettings = Omit<BeamSearch, 'firstLogits' | 'step' | 'isStopped'>

/**
 * What `options` say about a beam search. With a temperature the beams are drawn, from tokens that passed the filters:
 * each beam keeps one token more than there are end tokens, so that it can always go on, and two at least, as transformers
 * does (`_get_logits_processor`).
 */
export function beamSettings(
  options: ResolvedGenerateOptions,
  context: ProcessorContext,
): BeamSettings {
  const { numBeams, maxTokens, lengthPenalty, earlyStopping, signal, temperature } = options
  const eosTokenIds = options.ignoreEos ? [] : options.eosTokenIds
  const topLogprobs = options.logprobs ? options.topLogprobs : undefined
  const process = createLogitProcessor(options, context)
  const settings = {
    numBeams,
    maxTokens,
    lengthPenalty,
    earlyStopping,
    eosTokenIds,
    topLogprobs,
    signal,
  }
  if (temperature === 0) return { ...settings, process }
  const { topK, topP, minP } = options
  const filters = { temperature, topK, topP, minP, minKeep: Math.max(2, 1 + eosTokenIds.length) }
  const rng = sampleRng(options.seed, 0)
  return {
    ...settings,
    process(logProbs, generated) {
      process(logProbs, generated)
      filterLogits(logProbs, filters)
    },
    uniform: () => rng.uniform(),
  }
}
