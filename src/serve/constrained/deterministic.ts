/**
 * An automaton that reads a text in one way, from one that reads it in several at once: each of its states is all the states
 * that the other may be in.
 */
import type { Nondeterministic } from './nondeterministic.ts'

export type State = {
  /** By letter the state after it, undefined where it may not come. */
  readonly next: readonly (number | undefined)[]
  /** Whether the text may end here. */
  readonly isEnd: boolean
}

export type Limits = {
  readonly mostStates: number
  /** How often a state of the other automaton may be looked at. */
  readonly mostWork: number
}

/** The states, of which the first is the start; null where they or the work pass a limit. */
export function deterministic(
  { states, start, alphabet }: Nondeterministic,
  { mostStates, mostWork }: Limits,
): State[] | null {
  const sets: number[][] = []
  const idOf = new Map<string, number>()
  let work = 0
  const idOfSet = (from: ReadonlySet<number>): number => {
    const { set, looked } = withoutReading(states, from)
    work += looked
    const key = set.join()
    const id = idOf.get(key) ?? sets.push(set) - 1
    idOf.set(key, id)
    return id
  }
  idOfSet(new Set([start]))
  const found: State[] = []
  for (const set of sets) {
    const after = alphabet.map(() => new Set<number>())
    for (const id of set) {
      const state = states[id]
      if (!state || 'ways' in state) continue
      for (const letter of state.letters) after[letter]?.add(state.next)
      work += state.letters.length
    }
    const next = after.map((ids) => (ids.size === 0 ? undefined : idOfSet(ids)))
    if (sets.length > mostStates || work > mostWork) return null
    found.push({ next, isEnd: set.includes(0) })
  }
  return found
}

/** The states that are reached without reading, of those that read and of the end. */
function withoutReading(states: Nondeterministic['states'], from: ReadonlySet<number>) {
  const seen = new Set(from)
  const set: number[] = []
  for (const id of seen) {
    const state = states[id]
    if (state && 'ways' in state) for (const way of state.ways) seen.add(way)
    if (id === 0 || (state && 'letters' in state)) set.push(id)
  }
  return { set: set.toSorted((a, b) => a - b), looked: seen.size }
}
