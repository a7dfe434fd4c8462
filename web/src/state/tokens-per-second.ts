/** How fast an answer was written. */
import type { AnswerTurn } from './turns.ts'

/** What comes within less came in a few pieces of several tokens each, which tell nothing of the model's rate. */
const LEAST_MS = 100

/** Tokens behind the first text; null where they tell no rate. */
export function tokensPerSecond({
  usage,
  firstMs,
  totalMs,
}: Pick<AnswerTurn, 'usage' | 'firstMs' | 'totalMs'>): number | null {
  if (!usage || firstMs === undefined || totalMs === undefined) return null
  const passed = totalMs - firstMs
  const count = usage.completionTokens - 1
  return count > 0 && passed >= LEAST_MS ? (count / passed) * 1000 : null
}
