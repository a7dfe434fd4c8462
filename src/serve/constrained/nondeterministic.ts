/**
 * A regular expression as an automaton that reads it in all ways at once.
 *
 * Source: K. Thompson, Regular expression search algorithm, Communications of the ACM 11 (1968).
 */
import type { RegexTree } from './regex-tree.ts'
import type { Range } from './utf8-ranges.ts'

/** Reads a character of some letters, or goes on as any of several states without reading; state 0 reads nothing and ends. */
export type NondeterministicState =
  | { readonly letters: readonly number[]; readonly next: number }
  | { readonly ways: readonly number[] }

export type Nondeterministic = {
  /** Characters that the expression does not tell apart are one letter; a letter is counted from 0. */
  readonly alphabet: readonly Range[]
  readonly states: readonly NondeterministicState[]
  readonly start: number
}

/** Null where it would have more states than `mostStates`, or a count whose most is less than its least. */
export function nondeterministic(tree: RegexTree, mostStates: number): Nondeterministic | null {
  if (sizeOf(tree) > mostStates) return null
  const lettersOf = new Map(allRanges(tree).map((ranges) => [ranges, [] as number[]]))
  const alphabet = told([...lettersOf.keys()])
  for (const [ranges, letters] of lettersOf) {
    alphabet.forEach(([first], letter) => {
      if (ranges.some(([from, to]) => from <= first && first <= to)) letters.push(letter)
    })
  }
  const states: NondeterministicState[] = [{ ways: [] }]
  const add = (state: NondeterministicState) => states.push(state) - 1
  /** The state that reads the tree and goes on as `next`. */
  const before = (one: RegexTree, next: number): number => {
    switch (one.kind) {
      case 'character':
        return add({ letters: lettersOf.get(one.ranges) ?? [], next })
      case 'sequence':
        return one.parts.reduceRight((to, part) => before(part, to), next)
      case 'choice':
        return add({ ways: one.ways.map((way) => before(way, next)) })
      case 'repetition':
        return repeated(one, next)
    }
  }
  const repeated = ({ part, least, most }: Repetition, next: number): number => {
    let start = next
    if (most === Infinity) {
      const ways = [next]
      start = add({ ways })
      ways.push(before(part, start))
    } else {
      for (let i = least; i < most; i++) start = add({ ways: [next, before(part, start)] })
    }
    for (let i = 0; i < least; i++) start = before(part, start)
    return start
  }
  return { start: before(tree, 0), states, alphabet }
}

type Repetition = Extract<RegexTree, { kind: 'repetition' }>

/** How many states the tree takes. */
function sizeOf(tree: RegexTree): number {
  switch (tree.kind) {
    case 'character':
      return 1
    case 'sequence':
      return sum(tree.parts.map(sizeOf))
    case 'choice':
      return 1 + sum(tree.ways.map(sizeOf))
    case 'repetition': {
      const { least, most } = tree
      if (most < least) return Infinity
      const optional = most === Infinity ? 1 : most - least
      return least * sizeOf(tree.part) + optional * (1 + sizeOf(tree.part))
    }
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0)
}

function allRanges(tree: RegexTree): (readonly Range[])[] {
  switch (tree.kind) {
    case 'character':
      return [tree.ranges]
    case 'sequence':
      return tree.parts.flatMap(allRanges)
    case 'choice':
      return tree.ways.flatMap(allRanges)
    case 'repetition':
      return allRanges(tree.part)
  }
}

/** The ranges, cut wherever one of them begins or ends. */
function told(all: readonly (readonly Range[])[]): Range[] {
  const edges = all.flat().flatMap(([from, to]) => [from, to + 1])
  const starts = [...new Set(edges)].toSorted((a, b) => a - b)
  return starts.slice(0, -1).map((from, i): Range => [from, (starts[i + 1] as number) - 1])
}
