/** A regular expression for a whole answer as a grammar in which a text is read in one way, however the expression is written. */
import { deterministic, type State } from './deterministic.ts'
import { linearGrammar } from './linear-grammar.ts'
import { minimal } from './minimal.ts'
import { nondeterministic } from './nondeterministic.ts'
import { wholeTree } from './safe-regex.ts'
import { utf8Sequences, type Range } from './utf8-ranges.ts'

const MOST_POSITIONS = 4000
const LIMITS = { mostStates: 4000, mostWork: 4_000_000 }

/**
 * XGrammar looks at each token that may come in a state when it compiles the grammar: a million take half a second, and more
 * than this is slower than a count that it reads itself.
 */
const MOST_LOOKS = 6_000_000
/** Of a state whatever tokens there are: it is a rule, which is read. */
const STATE_LOOKS = 10_000

/** In EBNF, or null where it would be too large; `tokensFrom` says how many tokens begin with each byte. */
export function deterministicGrammar(
  pattern: string,
  tokensFrom: ArrayLike<number>,
): string | null {
  // No text has half of a pair.
  if (/\p{Surrogate}/u.test(pattern)) return null
  const whole = wholeTree(pattern)
  const automaton = 'tree' in whole ? nondeterministic(whole.tree, MOST_POSITIONS) : null
  if (automaton === null) return null
  const states = deterministic(automaton, LIMITS)
  const fewest = states && minimal(states, LIMITS.mostWork)
  if (fewest === null) return null
  const { alphabet } = automaton
  return looks(fewest, alphabet, tokensFrom) > MOST_LOOKS ? null : linearGrammar(fewest, alphabet)
}

function looks(
  states: readonly State[],
  alphabet: readonly Range[],
  tokensFrom: ArrayLike<number>,
): number {
  const tokensOf = alphabet.map((letter) => {
    let tokens = 0
    for (const [first] of utf8Sequences([letter])) {
      const [from, to] = first ?? [0, -1]
      for (let byte = from; byte <= to; byte++) tokens += tokensFrom[byte] ?? 0
    }
    return tokens
  })
  let sum = STATE_LOOKS * states.length
  for (const { next } of states) {
    next.forEach((state, letter) => (sum += state === undefined ? 0 : (tokensOf[letter] ?? 0)))
  }
  return sum
}
