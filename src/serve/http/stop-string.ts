/** Which of the stop strings ended an answer. */
import type { Answer } from '../answer.ts'
import { createStopMatcher } from '../stop-strings.ts'
import type { ServedModel } from './served-model.ts'

/** A server behind this one says it; of our own engine all that was written tells, by the engine's own rule. Null: none. */
export async function stopStringOf(
  { finishReason, stopString, tokens }: Answer,
  { model, stops }: { readonly model: ServedModel; readonly stops: readonly string[] },
): Promise<string | null> {
  if (finishReason !== 'stop' || stops.length === 0) return null
  if (stopString !== undefined) return stops.includes(stopString) ? stopString : null
  if (tokens.length === 0) return null
  return createStopMatcher(stops).push(await model.detokenize(tokens)).stop ?? null
}
