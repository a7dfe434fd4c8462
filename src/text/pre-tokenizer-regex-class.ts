/** Escapes, character classes and case variants of the regular expressions in `pre-tokenizer-regex.ts`. */
import type { Cursor } from './pre-tokenizer-regex.ts'

/** Members of \w. Below U+0100 Oniguruma counts ¹ ² ³ ¼ ½ ¾ in, above it no number without a decimal value. */
export const WORD = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\xb2\\xb3\\xb9\\xbc-\\xbe'

const SETS: { readonly [escape: string]: string } = {
  s: '\\p{White_Space}',
  S: '\\P{White_Space}',
  d: '\\p{Nd}',
  D: '\\P{Nd}',
  w: `[${WORD}]`,
  W: `[^${WORD}]`,
  h: '[0-9A-Fa-f]',
  H: '[^0-9A-Fa-f]',
}

const CONTROLS: { readonly [escape: string]: number } = {
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  a: 7,
  e: 27,
  '0': 0,
}

const POSIX: { readonly [name: string]: string } = {
  alnum: '\\p{Alphabetic}\\p{Nd}',
  alpha: '\\p{Alphabetic}',
  blank: '\\p{Zs}\\t',
  cntrl: '\\p{Cc}',
  digit: '\\p{Nd}',
  lower: '\\p{Lowercase}',
  punct: '\\p{P}\\p{S}',
  space: '\\p{White_Space}',
  upper: '\\p{Uppercase}',
  word: WORD,
  xdigit: '0-9A-Fa-f',
}

/** One code point, in the only form that needs no escaping rules. */
export function escapeCode(code: number): string {
  return `\\u{${code.toString(16)}}`
}

/** What follows a backslash: the source of a set of characters, or a single code point. */
export function escapeSet(cursor: Cursor): string | number {
  const rest = cursor.pattern.slice(cursor.at, cursor.at + 64)
  const property = /^([pP])(?:\{(\^?)([\w =-]+)\}|([A-Z]))/.exec(rest)
  if (property) {
    cursor.at += property[0].length
    const isNegated = (property[1] === 'P') !== (property[2] === '^')
    return propertySet(cursor, property[3] ?? property[4] ?? '', isNegated)
  }
  const hex = /^(?:x\{([\dA-Fa-f]{1,6})\}|x([\dA-Fa-f]{2})|u([\dA-Fa-f]{4}))/.exec(rest)
  if (hex) {
    cursor.at += hex[0].length
    const code = parseInt(hex[1] ?? hex[2] ?? hex[3] ?? '', 16)
    if (code > 0x10ffff) throw cursor.fail('a code point past U+10FFFF')
    return code
  }
  const code = rest.codePointAt(0)
  if (code === undefined) throw cursor.fail('a backslash at the end')
  const char = String.fromCodePoint(code)
  cursor.at += char.length
  if (Object.hasOwn(SETS, char)) return SETS[char] as string
  if (Object.hasOwn(CONTROLS, char)) return CONTROLS[char] as number
  if (/[0-9A-Za-z]/.test(char)) throw cursor.fail(`\\${char}`)
  return code
}

/** `\p{…}`: a category or binary property where JavaScript has one of that name, else a script. */
function propertySet(cursor: Cursor, name: string, isNegated: boolean): string {
  const p = isNegated ? '\\P' : '\\p'
  const plain = name.replaceAll(' ', '_')
  for (const spelt of [plain, `Script=${plain}`, POSIX_PROPERTIES[plain.toLowerCase()] ?? plain]) {
    try {
      new RegExp(`\\p{${spelt}}`, 'v')
    } catch {
      continue
    }
    return `${p}{${spelt}}`
  }
  throw cursor.fail(`\\p{${name}}`)
}

const POSIX_PROPERTIES: { readonly [name: string]: string } = {
  alpha: 'Alphabetic',
  digit: 'Nd',
  lower: 'Lowercase',
  space: 'White_Space',
  upper: 'Uppercase',
}

/** A character class; the cursor stands behind its `[`. Operands of && are sets of their own in JavaScript. */
export function parseClass(cursor: Cursor): string {
  if (++cursor.depth > 64) throw cursor.fail('too deep a nesting')
  const isNegated = cursor.pattern[cursor.at] === '^'
  if (isNegated) cursor.at++
  const operands: string[] = []
  let items = ''
  let isFirst = true
  for (;;) {
    const rest = cursor.pattern.slice(cursor.at, cursor.at + 16)
    if (rest === '') throw cursor.fail('an unclosed [')
    if (rest[0] === ']' && !isFirst) break
    isFirst = false
    if (rest.startsWith('&&')) {
      cursor.at += 2
      operands.push(`[${items}]`)
      items = ''
    } else items += parseItem(cursor, rest)
  }
  cursor.at++
  cursor.depth--
  if (operands.length > 0) cursor.usesSets = true
  const body = operands.length > 0 ? [...operands, `[${items}]`].join('&&') : items
  return `[${isNegated ? '^' : ''}${body}]`
}

function parseItem(cursor: Cursor, rest: string): string {
  const posix = /^\[:(\^?)(\w+):\]/.exec(rest)
  if (posix) {
    const set = Object.hasOwn(POSIX, posix[2] as string) ? POSIX[posix[2] as string] : undefined
    if (set === undefined) throw cursor.fail(posix[0])
    cursor.at += posix[0].length
    return nested(cursor, `[${posix[1]}${set}]`)
  }
  if (rest[0] === '[') {
    cursor.at++
    return nested(cursor, parseClass(cursor))
  }
  const from = parseMember(cursor)
  if (typeof from === 'string') return nested(cursor, from)
  const isRange =
    cursor.pattern[cursor.at] === '-' && !'[]'.includes(cursor.pattern[cursor.at + 1] ?? ']')
  if (!isRange) return members(cursor, from, from)
  cursor.at++
  const to = parseMember(cursor)
  if (typeof to === 'string' || to < from) throw cursor.fail('a range without end')
  return members(cursor, from, to)
}

/** A set within a class: its members, or itself where that takes JavaScript's sets. */
function nested(cursor: Cursor, set: string): string {
  if (!set.startsWith('[')) return set
  if (!set.startsWith('[^') && !set.includes('&&')) return set.slice(1, -1)
  cursor.usesSets = true
  return set
}

function parseMember(cursor: Cursor): string | number {
  const code = cursor.pattern.codePointAt(cursor.at) as number
  cursor.at += code > 0xffff ? 2 : 1
  return code === 0x5c ? escapeSet(cursor) : code
}

/** Wide ranges in a case-insensitive class would have to be folded one by one; none is known to exist. */
const MAX_FOLDED_RANGE = 1024

function members(cursor: Cursor, from: number, to: number): string {
  const range = from === to ? escapeCode(from) : `${escapeCode(from)}-${escapeCode(to)}`
  if (!cursor.ignoreCase) return range
  if (to - from > MAX_FOLDED_RANGE) throw cursor.fail('a wide range without regard to case')
  const variants = new Set<number>()
  for (let code = from; code <= to; code++) {
    for (const variant of caseVariants(code))
      if (variant < from || variant > to) variants.add(variant)
  }
  return range + [...variants].map(escapeCode).join('')
}

/** Characters outside the usual pairs that fold to an ordinary letter: ſ to s, the Kelvin sign to k, Ångström to å. One letter that folds to two (ß to ss) is not followed. */
const EXTRA_FOLDS: readonly (readonly [number, string])[] = [
  [0x17f, 's'],
  [0x212a, 'k'],
  [0x212b, 'å'],
]

/** The code points equal to `code` without regard to case, itself included. */
export function caseVariants(code: number): number[] {
  const char = String.fromCodePoint(code)
  const lower = EXTRA_FOLDS.find(([extra]) => extra === code)?.[1] ?? char.toLowerCase()
  const extras = EXTRA_FOLDS.filter(([, letter]) => letter === lower).map(([extra]) => extra)
  const codes = new Set([code, ...extras])
  for (const form of [lower, lower.toUpperCase()]) {
    const only = form.codePointAt(0) as number
    if (String.fromCodePoint(only) === form) codes.add(only)
  }
  return [...codes]
}
