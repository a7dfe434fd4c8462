/** From how many positions on a prompt shares its beginning with another sequence, instead of being read alone. */
import type { CacheForm } from './decoder-graph.ts'

/** Fewer are computed again sooner than looked after. */
const FEWEST = 8
/** The same between rows that run together over an int8 cache, whose answers are to equal the single ones: sharing makes them only alike. */
const FEWEST_BETWEEN_INT8_ROWS = 128

/**
 * For a prompt of `length`; `isNear` where the other sequence is running or just ended. In an int8 cache shared positions
 * keep the other prompt's scales: the smaller part of a prompt is rather computed again, and gives what it gives alone.
 */
export function fewestShared(length: number, form: CacheForm, isNear: boolean): number {
  if (form === 'f32') return FEWEST
  return Math.max(isNear ? FEWEST_BETWEEN_INT8_ROWS : FEWEST, Math.ceil(length / 2))
}
