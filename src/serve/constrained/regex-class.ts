/** Classes of characters, written so that XGrammar 0.1.27 follows them: `safe-regex.ts` says what it does otherwise. */
import {
  charactersOf,
  complement,
  grouped,
  merged,
  utf8Alternatives,
  within,
  type Range,
} from './utf8-ranges.ts'

/** Says why a regular expression is not followed. */
export class RegexFault extends Error {}

const SMALL_SPACES: readonly Range[] = [
  [0x20, 0x20],
  [0x09, 0x0d],
]
/** All that `\s` means to ECMAScript or to Python: what is no space to anybody is outside of it. */
const SPACES: readonly Range[] = [
  ...SMALL_SPACES,
  ...[0x85, 0xa0, 0x1680, 0x202f, 0x205f, 0x3000, 0xfeff].map((one): Range => [one, one]),
  [0x1c, 0x1f],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
]
const DIGITS: readonly Range[] = [[0x30, 0x39]]
const WORD: readonly Range[] = [...DIGITS, [0x41, 0x5a], [0x61, 0x7a], [0x5f, 0x5f]]

const NEGATED: Readonly<Record<string, readonly Range[]>> = { S: SPACES, D: DIGITS, W: WORD }

const ASCII: Range = [0, 0x7f]
const BEYOND: Range = [0x80, 0x10ffff]
/** What JSON escapes. */
const ESCAPED_IN_JSON: readonly Range[] = [
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
]

/** Any character but those of some ranges, and in a JSON text those that it escapes. */
export function anyBut(ranges: readonly Range[], isJson: boolean): string {
  const excluded = merged(isJson ? [...ranges, ...ESCAPED_IN_JSON] : ranges)
  if (within(excluded, BEYOND).length === 0) return `[^${asciiMembers(excluded)}]`
  return anyOf(complement(excluded))
}

/** What a letter behind a backslash stands for, or null where it is no class. */
export function namedClass(letter: string, isJson: boolean): string | null {
  if (letter === 'd' || letter === 'w') return `\\${letter}`
  if (letter === 's') return anyOf(spaces(isJson))
  const excluded = NEGATED[letter]
  return excluded ? anyBut(excluded, isJson) : null
}

/** `\s` that may come. */
function spaces(isJson: boolean): readonly Range[] {
  return isJson ? [[0x20, 0x20]] : SMALL_SPACES
}

/** The class between brackets whose inside, without its `^`, is given. Throws RegexFault. */
export function bracketClass(
  inside: readonly string[],
  { isNegated, isJson }: { readonly isNegated: boolean; readonly isJson: boolean },
): string {
  const ranges: Range[] = []
  for (let at = 0; at < inside.length;) {
    const first = memberAt(inside, at)
    const isRange = inside[first.end] === '-' && first.end + 1 < inside.length
    const last = isRange ? memberAt(inside, first.end + 1) : first
    if (isRange) ranges.push(rangeOf(first, last))
    else ranges.push(...rangesOf(first, { isNegated, isJson }))
    at = last.end
  }
  if (isNegated) return anyBut(ranges, isJson)
  if (isJson && ESCAPED_IN_JSON.some((one) => within(ranges, one).length > 0)) {
    throw new RegexFault('has a class that holds a quote, a backslash or a control character')
  }
  return anyOf(ranges)
}

type Member = { readonly text: string; readonly code: number | null; readonly end: number }

const CONTROLS: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11 }

function memberAt(inside: readonly string[], at: number): Member {
  const character = inside[at] as string
  if (character !== '\\') return { text: character, code: codeOf(character), end: at + 1 }
  const letter = inside[at + 1] ?? ''
  const [text, end] = [`\\${letter}`, at + 2]
  if (/[dws]/.test(letter)) return { text, code: null, end }
  const control = CONTROLS[letter]
  if (control !== undefined) return { text, code: control, end }
  if (/^[!-/:-@[-`{-~]$/.test(letter)) return { text, code: codeOf(letter), end }
  const numbered = numberedAt(inside, at)
  if (numbered) return numbered
  throw new RegexFault(`has ${text} in a class, which is not enforced`)
}

/** A character by its number, or null: `\\x41`, `\\u0041`. */
export function numberedAt(
  characters: readonly string[],
  at: number,
): (Member & { readonly code: number }) | null {
  const ahead = characters.slice(at, at + 6).join('')
  const [whole, two, four] = /^\\(?:x([\da-f]{2})|u([\da-f]{4}))/i.exec(ahead) ?? []
  if (whole === undefined) return null
  return { text: whole, code: parseInt(two ?? four ?? '', 16), end: at + whole.length }
}

/** One character. */
export function characterClass(code: number, isJson: boolean): string {
  return bracketClass([text(code)], { isNegated: false, isJson })
}

function rangeOf(first: Member, last: Member): Range {
  const [from, to] = [first.code, last.code]
  if (from !== null && to !== null && from <= to) return [from, to]
  throw new RegexFault(`has ${first.text}-${last.text} in a class, which is no range`)
}

function rangesOf(
  { text, code }: Member,
  { isNegated, isJson }: { readonly isNegated: boolean; readonly isJson: boolean },
): readonly Range[] {
  if (code !== null) return [[code, code]]
  if (text === '\\d') return DIGITS
  if (text === '\\w') return WORD
  return isNegated ? SPACES : spaces(isJson)
}

/** One of the characters of some ranges. */
function anyOf(ranges: readonly Range[]): string {
  const all = merged(charactersOf(ranges))
  const ascii = within(all, ASCII)
  const beyond = within(all, BEYOND)
  const single = beyond.filter(([from, to]) => from === to).map(([one]) => text(one))
  const several = utf8Alternatives(beyond.filter(([from, to]) => from < to))
  const parts = [...(ascii.length > 0 ? [asciiClass(ascii)] : []), ...single, ...several]
  if (parts.length === 0) throw new RegexFault('has a class that holds no character')
  return parts.length === 1 && several.length === 1 ? `(?:${parts[0]})` : grouped(parts)
}

function asciiClass(ranges: readonly Range[]): string {
  const members = asciiMembers(ranges)
  return members === '^' ? '\\^' : `[${members}]`
}

const CARET = 0x5e

/**
 * Members of a class. A caret at the beginning would negate it, escaped or not, and a number in hexadecimal goes on as long
 * as there are digits: both come last.
 */
function asciiMembers(ranges: readonly Range[]): string {
  const hasCaret = within(ranges, [CARET, CARET]).length > 0
  const plain = [
    [0x20, CARET - 1],
    [CARET + 1, 0x7e],
  ] as const
  const written = (part: Range) => within(ranges, part).map(member)
  const controls = (
    [
      [0, 0x1f],
      [0x7f, 0x7f],
    ] as const
  ).flatMap(written)
  return [...plain.flatMap(written), ...controls, ...(hasCaret ? ['^'] : [])].join('')
}

function member([from, to]: Range): string {
  if (from === to) return escaped(from)
  return `${escaped(from)}${to === from + 1 ? '' : '-'}${escaped(to)}`
}

function escaped(code: number): string {
  const character = text(code)
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, '0')}`
  return /[\\\][-]/.test(character) ? `\\${character}` : character
}

function text(code: number): string {
  return String.fromCodePoint(code)
}

function codeOf(character: string): number {
  return character.codePointAt(0) as number
}
