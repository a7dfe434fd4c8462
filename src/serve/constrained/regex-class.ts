/** Classes of characters in a regular expression, as ranges. */
import { digitsOfAllScripts, wordsOfAllScripts } from './unicode-classes.ts'
import { charactersOf, complement, merged, within, type Range } from './utf8-ranges.ts'

/** Says why a regular expression is not followed. */
export class RegexFault extends Error {}

const SMALL_SPACES: readonly Range[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
]
const SPACES: readonly Range[] = [
  ...SMALL_SPACES,
  ...[0x85, 0xa0, 0x1680, 0x202f, 0x205f, 0x3000, 0xfeff].map((one): Range => [one, one]),
  [0x1c, 0x1f],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
]
const DIGITS: readonly Range[] = [[0x30, 0x39]]
const WORD: readonly Range[] = [...DIGITS, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]]

const NAMED: Readonly<Record<string, readonly Range[]>> = { d: DIGITS, w: WORD }
/** All that a class means to ECMAScript or to Python: what is none of it to anybody is outside of it. */
const WIDEST: Readonly<Record<string, () => readonly Range[]>> = {
  s: () => SPACES,
  d: digitsOfAllScripts,
  w: wordsOfAllScripts,
}

/** What JSON escapes. */
const ESCAPED_IN_JSON: readonly Range[] = [
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
]

/** Any character but those of some ranges, and in a JSON text those that it escapes. */
export function anyBut(ranges: readonly Range[], isJson: boolean): readonly Range[] {
  return someOf(complement(isJson ? [...ranges, ...ESCAPED_IN_JSON] : ranges))
}

/** What a letter behind a backslash stands for, or null where it is no class. */
export function namedClass(letter: string, isJson: boolean): readonly Range[] | null {
  const excluded = /^[SDW]$/.test(letter) ? WIDEST[letter.toLowerCase()] : undefined
  if (excluded) return anyBut(excluded(), isJson)
  if (letter === 's') return spaces(isJson)
  return NAMED[letter] ?? null
}

/** `\s` that may come. */
function spaces(isJson: boolean): readonly Range[] {
  return isJson ? [[0x20, 0x20]] : SMALL_SPACES
}

/** The class between brackets whose inside, without its `^`, is given. Throws RegexFault. */
export function bracketClass(
  inside: readonly string[],
  { isNegated, isJson }: { readonly isNegated: boolean; readonly isJson: boolean },
): readonly Range[] {
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
  return someOf(merged(charactersOf(ranges)))
}

function someOf(ranges: readonly Range[]): readonly Range[] {
  if (ranges.length === 0) throw new RegexFault('has a class that holds no character')
  return ranges
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
  if (isEscapable(letter)) return { text, code: codeOf(letter), end }
  const numbered = numberedAt(inside, at)
  if (numbered) return numbered
  throw new RegexFault(`has ${text} in a class, which is not enforced`)
}

/** Whether a backslash leaves a character what it is: punctuation, and the white space that Python's `re.escape` escapes. */
export function isEscapable(character: string): boolean {
  return /^[\t-\r -/:-@[-`{-~]$/.test(character)
}

/** A character by its number, or null: `\\x41`, `\\u0041`, Python's `\\U00000041`. */
export function numberedAt(
  characters: readonly string[],
  at: number,
): (Member & { readonly code: number }) | null {
  const ahead = characters.slice(at, at + LONGEST_NUMBERED).join('')
  const [text] = /^\\(?:x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8})/.exec(ahead) ?? []
  if (text === undefined) return null
  const code = parseInt(text.slice(2), 16)
  if (code > LAST) throw new RegexFault(`has ${text}, which is beyond U+10FFFF`)
  if (isHalf(String.fromCodePoint(code))) throw new RegexFault(`has ${text}, ${HALF}`)
  return { text, code, end: at + text.length }
}

export const HALF = 'half of a surrogate pair; write the character itself'

export function isHalf(character: string): boolean {
  return /\p{Surrogate}/u.test(character)
}

const LONGEST_NUMBERED = '\\U00000041'.length
const LAST = 0x10ffff

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
  const letter = text.slice(1)
  return (isNegated ? WIDEST[letter]?.() : NAMED[letter]) ?? spaces(isJson)
}

function codeOf(character: string): number {
  return character.codePointAt(0) as number
}
