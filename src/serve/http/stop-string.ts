/** Which of the stop strings that a request named ended its answer. Null: none, or the server behind this one did not say. */
import type { Answer } from '../answer.ts'

export function stopStringOf(
  { finishReason, stopString }: Answer,
  stops: readonly string[],
): string | null {
  // A conversation has stop strings of its own, which no request named.
  const isNamed = stopString !== undefined && stops.includes(stopString)
  return finishReason === 'stop' && isNamed ? stopString : null
}
