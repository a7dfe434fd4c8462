/**
 * A deterministic automaton as a right-linear grammar in XGrammar's EBNF, byte by byte: a rule for a state, whose ways are a
 * character and then the rule of the next state.
 *
 *   [a-z]+ ?     root ::= [\x61-\x7a] state_1
 *                state_1 ::= [\x61-\x7a]* [\x20\x20] | [\x61-\x7a]*
 *
 * XGrammar 0.1.27 remembers nothing of where a rule at the end of another was called, so a token costs the same however long
 * the answer is.
 */
import type { State } from './deterministic.ts'
import { bytes, merged, utf8Sequences, within, type Range } from './utf8-ranges.ts'

/**
 * Says that nothing comes behind a rule, by a byte that UTF-8 has not (RFC 3629 §1). Without it XGrammar tries at each mask
 * all tokens that go on behind a place where the text may end.
 */
const NOTHING_BEHIND = '(=[\\xff\\xff])'

/** The answer is the rule `root`. The first state is the start; an end can be reached from each. */
export function linearGrammar(states: readonly State[], alphabet: readonly Range[]): string {
  const written = states.map((state, id) => writtenState(state, id, alphabet))
  const callers = states.map(() => 0)
  for (const { next } of written.flatMap(({ ways }) => ways)) {
    callers[next] = (callers[next] ?? 0) + 1
  }
  /** What stands in the place of the state's rule: the one way from a state that is called once, nothing for the last one. */
  const inPlace = (id: number): string | null => {
    const { loop, ways, isEnd } = written[id] as WrittenState
    const [way] = ways
    if (loop !== '' || id === 0) return null
    if (way === undefined) return ''
    return ways.length === 1 && !isEnd && callers[id] === 1 ? followed(way) : null
  }
  const followed = ({ text, next }: Way): string =>
    [text, inPlace(next) ?? ruleOf(next)].filter((one) => one !== '').join(' ')
  const rules = written.flatMap(({ loop, ways, isEnd }, id) => {
    if (inPlace(id) !== null) return []
    const all = [
      ...ways.map((way) => [loop, followed(way)].join(' ').trim()),
      ...(isEnd ? [loop || '""'] : []),
    ]
    const behind = id === 0 ? [] : [NOTHING_BEHIND]
    return [[`${ruleOf(id)} ::=`, all.join(' | '), ...behind].join(' ')]
  })
  return rules.join('\n')
}

function ruleOf(id: number): string {
  return id === 0 ? 'root' : `state_${id}`
}

type Way = { readonly text: string; readonly next: number }

type WrittenState = {
  /** What may come any number of times before one of the ways, or nothing. */
  readonly loop: string
  readonly ways: readonly Way[]
  readonly isEnd: boolean
}

const ASCII: Range = [0, 0x7f]
const BEYOND: Range = [0x80, 0x10ffff]

function writtenState(
  { next, isEnd }: State,
  id: number,
  alphabet: readonly Range[],
): WrittenState {
  const rangesOf = new Map<number, Range[]>()
  next.forEach((state, letter) => {
    if (state === undefined) return
    rangesOf.set(state, [...(rangesOf.get(state) ?? []), alphabet[letter] as Range])
  })
  let loop = ''
  const ways: Way[] = []
  for (const [state, letters] of rangesOf) {
    const ranges = merged(letters)
    const ascii = within(ranges, ASCII)
    const single = ascii.length > 0 ? [byteClass(ascii)] : []
    if (state === id && ascii.length > 0) loop = `${byteClass(ascii)}*`
    const beyond = utf8Sequences(within(ranges, BEYOND)).map((sequence) =>
      sequence.map((range) => byteClass([range])).join(' '),
    )
    const texts = state === id ? beyond : [...single, ...beyond]
    ways.push(...texts.map((text) => ({ text, next: state })))
  }
  return { loop, ways, isEnd }
}

function byteClass(ranges: readonly Range[]): string {
  return `[${ranges.map(bytes).join('')}]`
}
