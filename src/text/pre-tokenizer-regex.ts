/**
 * Regular expressions of tokenizer.json files (Oniguruma's Ruby syntax, much of it shared with Rust's regex) as RegExp.
 *
 * What differs and would pass silently: \s, \d, \w and \b are Unicode there; \s has U+0085 and lacks U+FEFF; ^ and $
 * are line anchors; `(?i:…)`, possessive quantifiers and atomic groups are missing in JavaScript of Node 20; classes
 * nest. Back-references, conditionals and subroutine calls are refused: no tokenizer uses them.
 * Source: kkos/oniguruma, doc/RE (6.9).
 */
import { BoundedPattern } from './bounded-pattern.ts'
import type { PatternNode, TextPattern } from './pattern-tree.ts'
import { PUBLISHED_PATTERNS } from './published-patterns.ts'
import { asFields, asText, unsupported } from './tokenizer-fields.ts'
import {
  parseClass,
  caseVariants,
  escapeSet,
  escapeCode,
  WORD,
} from './pre-tokenizer-regex-class.ts'

/**
 * A pattern `{ String }` or `{ Regex }` as written in tokenizer.json: a plain string, or an expression. Those of published
 * tokenizers are a RegExp's, whose work on any text is known; that of others is counted.
 */
export function compilePattern(json: unknown, where: string): string | TextPattern {
  const fields = asFields(json, where)
  const plain = fields['String']
  if (plain !== undefined) {
    const text = asText(plain, `${where}.String`)
    return text === '' ? /(?!)/gu : text
  }
  const pattern = asText(fields['Regex'], `${where}.Regex`)
  const { tree, regExp } = readRegex(pattern, where)
  if (tree.kind === 'character' || PUBLISHED_PATTERNS.has(pattern)) return regExp
  return new BoundedPattern(tree, { where, flags: regExp.flags.replace('g', '') })
}

/** The global RegExp that matches what `pattern` matches. Throws ConfigError where none is known. */
export function translateRegex(pattern: string, where: string): RegExp {
  return readRegex(pattern, where).regExp
}

/** An expression and what it consists of. Throws ConfigError as `translateRegex` does. */
export function readRegex(
  pattern: string,
  where: string,
): { readonly tree: PatternNode; readonly regExp: RegExp } {
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
  const tree = parseAlternatives(cursor)
  if (cursor.at < pattern.length) throw cursor.fail('an unmatched )')
  try {
    // Only where they are needed: V8 runs negated classes several times slower in Unicode sets mode.
    return { tree, regExp: new RegExp(tree.source, cursor.usesSets ? 'gv' : 'gu') }
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

function parseAlternatives(cursor: Cursor): PatternNode {
  if (++cursor.depth > MAX_DEPTH) throw cursor.fail('too deep a nesting')
  const outer = cursor.ignoreCase
  const alternatives: PatternNode[] = []
  for (;;) {
    alternatives.push(parseSequence(cursor))
    if (cursor.pattern[cursor.at] !== '|') break
    cursor.at++
  }
  cursor.ignoreCase = outer
  cursor.depth--
  const [only] = alternatives
  if (only && alternatives.length === 1) return only
  const source = alternatives.map((one) => one.source).join('|')
  return { kind: 'either', source, options: alternatives }
}

function parseSequence(cursor: Cursor): PatternNode {
  const parts: PatternNode[] = []
  while (cursor.at < cursor.pattern.length && !'|)'.includes(cursor.pattern[cursor.at] as string)) {
    parts.push(parseQuantified(cursor))
  }
  const [only] = parts
  return only && parts.length === 1 ? only : sequence(parts)
}

function sequence(parts: readonly PatternNode[]): PatternNode {
  return { kind: 'sequence', source: parts.map(({ source }) => source).join(''), parts }
}

function parseQuantified(cursor: Cursor): PatternNode {
  let atom = parseAtom(cursor)
  for (;;) {
    const found = /^(?:[*+?]|\{(\d*)(,?)(\d*)\})/.exec(
      cursor.pattern.slice(cursor.at, cursor.at + 24),
    )
    if (!found || found[0] === '{}' || found[0] === '{,}') return atom
    if (atom.source === '') throw cursor.fail('a quantifier after nothing')
    cursor.at += found[0].length
    const isInterval = found[0].startsWith('{')
    const quantifier = isInterval && !found[1] ? `{0${found[2]}${found[3]}}` : found[0]
    const suffix = cursor.pattern[cursor.at]
    const isLazy = suffix === '?'
    const range = { ...rangeOf(quantifier), isLazy, body: atom }
    const source = `(?:${atom.source}${quantifier}${isLazy ? '?' : ''})`
    atom = { kind: 'repeat', source, ...range }
    if (suffix === '+' && !isInterval) atom = atomic(cursor, atom)
    else if (!isLazy) continue
    cursor.at++
  }
}

/** How often a quantifier repeats: `*`, `+`, `?`, `{n}`, `{n,}` or `{n,m}`. */
function rangeOf(quantifier: string): { readonly min: number; readonly max: number } {
  if (quantifier === '*') return { min: 0, max: Infinity }
  if (quantifier === '+') return { min: 1, max: Infinity }
  if (quantifier === '?') return { min: 0, max: 1 }
  const [min = '', max = min] = quantifier.slice(1, -1).split(',')
  return { min: Number(min), max: max === '' ? Infinity : Number(max) }
}

/** What a group has matched is not given back: a look-ahead has no way back into it. */
function atomic(cursor: Cursor, body: PatternNode): PatternNode {
  const name = `atom${cursor.atoms++}`
  const source = `(?:(?=(?<${name}>${body.source}))\\k<${name}>)`
  return { kind: 'atomic', source, body }
}

function parseAtom(cursor: Cursor): PatternNode {
  const code = cursor.pattern.codePointAt(cursor.at) as number
  const char = String.fromCodePoint(code)
  cursor.at += char.length
  if (char === '(') return parseGroup(cursor)
  if (char === '[') return character(parseClass(cursor))
  if (char === '\\') return parseEscape(cursor)
  if (char === '.') return character('[^\\n]')
  if (char === '^') return anchor('(?<![^\\n])')
  if (char === '$') return anchor('(?![^\\n])')
  if ('*+?'.includes(char)) throw cursor.fail('a quantifier after nothing')
  return literal(cursor, code)
}

function character(source: string): PatternNode {
  return { kind: 'character', source }
}

function anchor(source: string): PatternNode {
  return { kind: 'anchor', source }
}

function literal(cursor: Cursor, code: number): PatternNode {
  const variants = cursor.ignoreCase ? caseVariants(code) : [code]
  return character(
    variants.length === 1 ? escapeCode(code) : `[${variants.map(escapeCode).join('')}]`,
  )
}

const GROUPS = ['?:', '?=', '?!', '?<=', '?<!', '?>']

function parseGroup(cursor: Cursor): PatternNode {
  const rest = cursor.pattern.slice(cursor.at, cursor.at + 80)
  const comment = /^\?#[^)]*\)/.exec(rest)
  if (comment) {
    cursor.at += comment[0].length
    return { kind: 'sequence', source: '(?:)', parts: [] }
  }
  const options = /^\?(i?)(?:-(i?))?([:)])/.exec(rest)
  if (options && options[0] !== '?:' && options[0] !== '?)') return parseOptions(cursor, options)
  const known = GROUPS.find((start) => rest.startsWith(start))
  const named = /^\?(?:P?<\w+>|'\w+')/.exec(rest)
  if (!known && !named && rest.startsWith('?')) throw cursor.fail(`(${rest.slice(0, 3)}`)
  cursor.at += known?.length ?? named?.[0].length ?? 0
  const body = closeGroup(cursor, parseAlternatives(cursor))
  const opening = known ?? '?:'
  if (opening === '?>') return atomic(cursor, grouped(body))
  const [, isBehind, sign] = /^\?(<?)([=!])$/.exec(opening) ?? []
  if (sign === undefined) return grouped(body)
  const source = `(${opening}${body.source})`
  return { kind: 'look', source, body, isBehind: isBehind === '<', isNegative: sign === '!' }
}

/** No back-references, so nothing needs to be captured. */
function grouped(body: PatternNode): PatternNode {
  return { kind: 'sequence', source: `(?:${body.source})`, parts: [body] }
}

/** `(?i)` holds to the end of the group it stands in, `(?i:…)` inside itself. */
function parseOptions(cursor: Cursor, options: RegExpExecArray): PatternNode {
  cursor.at += options[0].length
  const outer = cursor.ignoreCase
  cursor.ignoreCase = options[2] === 'i' ? false : options[1] === 'i' || outer
  if (options[3] === ')') {
    // Its scope includes the alternatives that follow: (?i)a|b is (?i:a|b).
    const body = parseAlternatives(cursor)
    cursor.ignoreCase = outer
    return grouped(body)
  }
  const body = closeGroup(cursor, parseAlternatives(cursor))
  cursor.ignoreCase = outer
  return grouped(body)
}

function closeGroup(cursor: Cursor, body: PatternNode): PatternNode {
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
}

const LINE_END: PatternNode = grouped({
  kind: 'either',
  source: '\\r\\n|[\\n-\\r\\u0085\\u2028\\u2029]',
  options: [
    sequence([character('\\r'), character('\\n')]),
    character('[\\n-\\r\\u0085\\u2028\\u2029]'),
  ],
})

function parseEscape(cursor: Cursor): PatternNode {
  const char = cursor.pattern[cursor.at] ?? ''
  if (char === 'R' || Object.hasOwn(ANCHORS, char)) {
    cursor.at++
    return char === 'R' ? LINE_END : anchor(ANCHORS[char] as string)
  }
  const escape = escapeSet(cursor)
  return typeof escape === 'string' ? character(escape) : literal(cursor, escape)
}
