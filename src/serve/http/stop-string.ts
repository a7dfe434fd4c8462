/** Which of the stop strings ended an answer. */
import type { Answer } from '../answer.ts'
import type { ServedModel } from './served-model.ts'

/** A server behind this one says it; of our own engine the text behind the answer's own tells. Null: none of them. */
export async function stopStringOf(
  { finishReason, stopString, text, tokens }: Answer,
  { model, stops }: { readonly model: ServedModel; readonly stops: readonly string[] },
): Promise<string | null> {
  if (finishReason !== 'stop' || stops.length === 0) return null
  if (stopString !== undefined) return stopString
  if (tokens.length === 0) return null
  const written = await model.detokenize(tokens)
  const rest = written.slice(written.lastIndexOf(text) + text.length)
  return stops.find((one) => rest.startsWith(one)) ?? null
}
