/**
 * The smallest automaton for the same texts: states from which the same texts follow are one.
 *
 * Source: E. F. Moore, Gedanken-experiments on sequential machines, Automata Studies (1956).
 */
import type { State } from './deterministic.ts'

/** The first of the states is the start, and stays it. Null where more than so many steps would have to be compared. */
export function minimal(states: readonly State[], mostWork: number): State[] | null {
  const [first] = states
  let left = mostWork
  let classOf = toldApart(states, ({ isEnd }) => String(isEnd))
  for (;;) {
    left -= states.length * (first?.next.length ?? 0)
    if (left < 0) return null
    const last = classOf
    const finer = toldApart(states, (state, i) => `${last[i]} ${classes(state, last).join()}`)
    if (Math.max(...finer) === Math.max(...last)) return merged(states, last)
    classOf = finer
  }
}

/** States with one key are of one class; classes are counted from 0 as they come. */
function toldApart(
  states: readonly State[],
  keyOf: (state: State, index: number) => string,
): number[] {
  const ids = new Map<string, number>()
  return states.map((state, i) => {
    const key = keyOf(state, i)
    const id = ids.get(key) ?? ids.size
    ids.set(key, id)
    return id
  })
}

function merged(states: readonly State[], classOf: readonly number[]): State[] {
  const found: State[] = []
  states.forEach((state, i) => {
    found[classOf[i] as number] ??= { isEnd: state.isEnd, next: classes(state, classOf) }
  })
  return found
}

function classes({ next }: State, classOf: readonly number[]): (number | undefined)[] {
  return next.map((one) => (one === undefined ? undefined : classOf[one]))
}
