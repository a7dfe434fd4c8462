/**
 * Regular expressions of tokenizer.json files (Oniguruma's Ruby syntax, much of it shared with Rust's regex) as RegExp.
 *
 * What differs and would pass silently: \s, \d, \w and \b are Unicode there; \s has U+0085 and lacks U+FEFF; ^ and $
 * are line anchors; `(?i:…)`, possessive quantifiers and atomic groups are missing in JavaScript of Node 20; classes
 * nest. Back-references, conditionals and subroutine calls are refused: no tokenizer uses them.
 * Source: kkos/oniguruma, doc/RE (6.9).
 */
import { asFields, asText, unsupported } from './tokenizer-fields.ts'
import {
  parseClass,
  caseVariants,
  escapeSet,
  escapeCode,
  WORD,
} from './pre-tokenizer-regex-class.ts'

/** A pattern `{ String }` or `{ Regex }` as written in tokenizer.json: a plain string, or a global RegExp. */
export function compilePattern(json: unknown, where: string): string | RegExp {
  const fields = asFields(json, where)
  const plain = fields['String']
  if (plain === undefined) return translateRegex(asText(fields['Regex'], `${where}.Regex`), where)
  const text = asText(plain, `${where}.String`)
  return text === '' ? /(?!)/gu : text
}

/** The global RegExp that matches what `pattern` matches. Throws ConfigError where none is known. */
export function translateRegex(pattern: string, where: string): RegExp {
  const cursor: Cursor = {
    pattern,
    at: 0,
    depth: 0,
    ignoreCase: false,
    atoms: 0,
    usesSets: false,
    fail: (what) =>
      unsupported(where, `${what} in /${pattern}/`, 'the syntax of published tokenizers'),
  }
  const source = parseAlternatives(cursor)
  if (cursor.at < pattern.length) throw cursor.fail('an unmatched )')
  try {
    // Only where they are needed: V8 runs negated classes several times slower in Unicode sets mode.
    return new RegExp(source, cursor.usesSets ? 'gv' : 'gu')
  } catch {
    throw cursor.fail('an expression without JavaScript counterpart')
  }
}

export type Cursor = {
  readonly pattern: string
  at: number
  depth: number
  ignoreCase: boolean
  /** Atomic groups so far; each needs a name of its own. */
  atoms: number
  /** Whether a class nests in a way that takes Unicode sets mode. */
  usesSets: boolean
  readonly fail: (what: string) => Error
}

const MAX_DEPTH = 64

function parseAlternatives(cursor: Cursor): string {
  if (++cursor.depth > MAX_DEPTH) throw cursor.fail('too deep a nesting')
  const outer = cursor.ignoreCase
  const alternatives: string[] = []
  for (;;) {
    alternatives.push(parseSequence(cursor))
    if (cursor.pattern[cursor.at] !== '|') break
    cursor.at++
  }
  cursor.ignoreCase = outer
  cursor.depth--
  return alternatives.join('|')
}

function parseSequence(cursor: Cursor): string {
  let source = ''
  while (cursor.at < cursor.pattern.length && !'|)'.includes(cursor.pattern[cursor.at] as string)) {
    source += parseQuantified(cursor)
  }
  return source
}

function parseQuantified(cursor: Cursor): string {
  let atom = parseAtom(cursor)
  for (;;) {
    const found = /^(?:[*+?]|\{(\d*)(,?)(\d*)\})/.exec(
      cursor.pattern.slice(cursor.at, cursor.at + 24),
    )
    if (!found || found[0] === '{}' || found[0] === '{,}') return atom
    if (atom === '') throw cursor.fail('a quantifier after nothing')
    cursor.at += found[0].length
    const isInterval = found[0].startsWith('{')
    const quantifier = isInterval && !found[1] ? `{0${found[2]}${found[3]}}` : found[0]
    const suffix = cursor.pattern[cursor.at]
    if (suffix === '?') atom = `(?:${atom}${quantifier}?)`
    else if (suffix === '+' && !isInterval) atom = atomic(cursor, `${atom}${quantifier}`)
    else {
      atom = `(?:${atom}${quantifier})`
      continue
    }
    cursor.at++
  }
}

/** What a group has matched is not given back: a look-ahead has no way back into it. */
function atomic(cursor: Cursor, source: string): string {
  const name = `atom${cursor.atoms++}`
  return `(?:(?=(?<${name}>${source}))\\k<${name}>)`
}

function parseAtom(cursor: Cursor): string {
  const code = cursor.pattern.codePointAt(cursor.at) as number
  const char = String.fromCodePoint(code)
  cursor.at += char.length
  if (char === '(') return parseGroup(cursor)
  if (char === '[') return parseClass(cursor)
  if (char === '\\') return parseEscape(cursor)
  if (char === '.') return '[^\\n]'
  if (char === '^') return '(?<![^\\n])'
  if (char === '$') return '(?![^\\n])'
  if ('*+?'.includes(char)) throw cursor.fail('a quantifier after nothing')
  return literal(cursor, code)
}

function literal(cursor: Cursor, code: number): string {
  const variants = cursor.ignoreCase ? caseVariants(code) : [code]
  return variants.length === 1 ? escapeCode(code) : `[${variants.map(escapeCode).join('')}]`
}

const GROUPS: readonly (readonly [string, string])[] = [
  ['?:', '(?:'],
  ['?=', '(?='],
  ['?!', '(?!'],
  ['?<=', '(?<='],
  ['?<!', '(?<!'],
  ['?>', ''],
]

function parseGroup(cursor: Cursor): string {
  const rest = cursor.pattern.slice(cursor.at, cursor.at + 80)
  const comment = /^\?#[^)]*\)/.exec(rest)
  if (comment) {
    cursor.at += comment[0].length
    return '(?:)'
  }
  const options = /^\?(i?)(?:-(i?))?([:)])/.exec(rest)
  if (options && options[0] !== '?:' && options[0] !== '?)') return parseOptions(cursor, options)
  const known = GROUPS.find(([start]) => rest.startsWith(start))
  const named = /^\?(?:P?<\w+>|'\w+')/.exec(rest)
  if (!known && !named && rest.startsWith('?')) throw cursor.fail(`(${rest.slice(0, 3)}`)
  cursor.at += known?.[0].length ?? named?.[0].length ?? 0
  const body = closeGroup(cursor, parseAlternatives(cursor))
  if (known?.[0] === '?>') return atomic(cursor, `(?:${body})`)
  // No back-references, so nothing needs to be captured.
  return `${known?.[1] ?? '(?:'}${body})`
}

/** `(?i)` holds to the end of the group it stands in, `(?i:…)` inside itself. */
function parseOptions(cursor: Cursor, options: RegExpExecArray): string {
  cursor.at += options[0].length
  const outer = cursor.ignoreCase
  cursor.ignoreCase = options[2] === 'i' ? false : options[1] === 'i' || outer
  if (options[3] === ')') {
    // Its scope includes the alternatives that follow: (?i)a|b is (?i:a|b).
    const body = parseAlternatives(cursor)
    cursor.ignoreCase = outer
    return `(?:${body})`
  }
  const body = closeGroup(cursor, parseAlternatives(cursor))
  cursor.ignoreCase = outer
  return `(?:${body})`
}

function closeGroup(cursor: Cursor, body: string): string {
  if (cursor.pattern[cursor.at] !== ')') throw cursor.fail('an unclosed (')
  cursor.at++
  return body
}

const W = `[${WORD}]`

const ANCHORS: { readonly [escape: string]: string } = {
  A: '(?<![\\s\\S])',
  z: '(?![\\s\\S])',
  Z: '(?=\\n?(?![\\s\\S]))',
  b: `(?:(?<=${W})(?!${W})|(?<!${W})(?=${W}))`,
  B: `(?:(?<=${W})(?=${W})|(?<!${W})(?!${W}))`,
  R: '(?:\\r\\n|[\\n-\\r\\u0085\\u2028\\u2029])',
}

function parseEscape(cursor: Cursor): string {
  const char = cursor.pattern[cursor.at] ?? ''
  if (Object.hasOwn(ANCHORS, char)) {
    cursor.at++
    return ANCHORS[char] as string
  }
  const escape = escapeSet(cursor)
  return typeof escape === 'string' ? escape : literal(cursor, escape)
}
