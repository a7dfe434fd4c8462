/** One conversation, open in several tabs: each adds turns and takes away turns, and none undoes what another did. */
import type { Turn } from './turns.ts'

/**
 * What this tab knows of a turn, by its id: it was `read` from the database, `written` there by this tab, or `removed` by
 * it. A turn that it knows nothing of is new, here or in another tab.
 */
export type TurnOrigin = 'read' | 'written' | 'removed'

/**
 * The turns that are stored, with what this tab did to them. `mine` are the turns that this tab shows: those that are new
 * come behind the turn that they stand behind here; those that it wrote are as they are here, for only it changes them;
 * those that it has read and that are stored no longer were removed by another tab.
 */
export function mergeTurns(
  stored: readonly Turn[],
  mine: readonly Turn[],
  origins: ReadonlyMap<string, TurnOrigin>,
): Turn[] {
  const byId = new Map(mine.map((turn) => [turn.id, turn]))
  const merged = stored
    .filter(({ id }) => origins.get(id) !== 'removed')
    .map((turn) => (origins.get(turn.id) === 'written' ? byId.get(turn.id) : undefined) ?? turn)
  const places = new Set(merged.map(({ id }) => id))
  for (const [i, turn] of mine.entries()) {
    if (places.has(turn.id) || origins.has(turn.id)) continue
    merged.splice(placeBehind(merged, mine[i - 1]), 0, turn)
    places.add(turn.id)
  }
  return merged
}

/** At the beginning for the first turn of all; at the end where another tab took away what it stood behind. */
function placeBehind(turns: readonly Turn[], before: Turn | undefined): number {
  if (!before) return 0
  const at = turns.findIndex(({ id }) => id === before.id)
  return at < 0 ? turns.length : at + 1
}
