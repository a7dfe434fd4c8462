/**
 * Template text into tokens, with the white space control of `trim_blocks` and `lstrip_blocks`.
 *
 *   text {{- expression -}} text {% statement %} text {# comment #}
 *
 * As transformers sets Jinja up: one newline after a block or comment goes, white space between the start of a line and a
 * block or comment goes, `-` strips everything on its side, `+` keeps everything, and one newline at the very end goes.
 * Source: the behaviour of Jinja 3.1.6 (`jinja2/lexer.py`), rules written anew.
 */
import { fail } from './failure.ts'
import { SPACE, strip } from './python-text.ts'
import { unescape } from './unescape.ts'

export type TokenType =
  | 'data'
  | 'begin statement'
  | 'end statement'
  | 'begin print'
  | 'end print'
  | 'name'
  | 'string'
  | 'integer'
  | 'float'
  | 'operator'
  | 'end'

export interface Token {
  readonly type: TokenType
  /** The characters; of a string, its value; of a number, its digits without `_`. */
  readonly text: string
  readonly line: number
}

const OPENING = new RegExp(
  `(?<raw>\\{%[-+]?[${SPACE}]*raw[${SPACE}]*(?:-%\\}[${SPACE}]*|%\\}))|\\{\\{[-+]?|\\{#[-+]?|\\{%[-+]?`,
  'g',
)
const COMMENT_END = new RegExp(`\\+#\\}|-#\\}[${SPACE}]*|#\\}\\n?`, 'g')
const RAW_END = new RegExp(
  `\\{%(?<sign>[-+]?)[${SPACE}]*endraw[${SPACE}]*(?:\\+%\\}|-%\\}[${SPACE}]*|%\\}\\n?)`,
  'g',
)
const STATEMENT_END = new RegExp(`\\+%\\}|-%\\}[${SPACE}]*|%\\}\\n?`, 'y')
const PRINT_END = new RegExp(`-\\}\\}[${SPACE}]*|\\}\\}`, 'y')
const WHITE = new RegExp(`[${SPACE}]+`, 'y')
const FLOAT = /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy
const INTEGER = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy
const NAME = /[\p{L}\p{N}\p{M}\p{Pc}·]+/uy
const IDENTIFIER = /^[\p{ID_Start}_][\p{ID_Continue}]*$/u
const STRING = /'[^'\\]*(?:\\[^][^'\\]*)*'|"[^"\\]*(?:\\[^][^"\\]*)*"/y
const OPERATOR = /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;]/y

const CLOSER: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }

export function tokenize(source: string): Token[] {
  const text = source.replace(/\r\n?/g, '\n').replace(/\n$/, '')
  const tokens: Token[] = []
  const scanner: Scanner = {
    text,
    tokens,
    position: 0,
    line: 1,
    nextLineEnd: -1,
    isLineStart: true,
  }
  while (scanner.position < text.length) scanRoot(scanner)
  tokens.push({ type: 'end', text: '', line: scanner.line })
  return tokens
}

interface Scanner {
  readonly text: string
  readonly tokens: Token[]
  position: number
  line: number
  /** Where the next line end is, so that no token looks through the whole rest for one. */
  nextLineEnd: number
  /** Whether what came before ended a line, so that white space here is at its start. */
  isLineStart: boolean
}

function push(s: Scanner, type: TokenType, text: string, line = s.line): void {
  s.tokens.push({ type, text, line })
}

function advance(s: Scanner, to: number): void {
  while (s.nextLineEnd < to) {
    if (s.nextLineEnd >= s.position) s.line++
    const next = s.text.indexOf('\n', Math.max(s.nextLineEnd + 1, s.position))
    s.nextLineEnd = next < 0 ? Infinity : next
  }
  if (to > s.position) s.isLineStart = s.text[to - 1] === '\n'
  s.position = to
}

function scanRoot(s: Scanner): void {
  OPENING.lastIndex = s.position
  const match = OPENING.exec(s.text)
  if (match === null) {
    push(s, 'data', s.text.slice(s.position))
    return advance(s, s.text.length)
  }
  const opening = match[0]
  const sign = /^\{.([-+])/.exec(opening)?.[1] ?? ''
  pushData(s, match.index, sign, opening.startsWith('{{'))
  advance(s, match.index + opening.length)
  if (match.groups?.raw !== undefined) return scanRaw(s)
  if (opening.startsWith('{#')) return scanComment(s)
  push(s, opening.startsWith('{{') ? 'begin print' : 'begin statement', '')
  scanExpression(s, opening.startsWith('{{'))
}

/** The text up to `to`, stripped as the tag after it asks. */
function pushData(s: Scanner, to: number, sign: string, isPrint: boolean): void {
  let data = s.text.slice(s.position, to)
  if (sign === '-') data = strip(data, null, 'right')
  else if (sign !== '+' && !isPrint) {
    const lineStart = data.lastIndexOf('\n') + 1
    if ((lineStart > 0 || s.isLineStart) && strip(data.slice(lineStart), null, 'both') === '') {
      data = data.slice(0, lineStart)
    }
  }
  if (data !== '') push(s, 'data', data)
}

function scanComment(s: Scanner): void {
  COMMENT_END.lastIndex = s.position
  const match = COMMENT_END.exec(s.text)
  if (match === null) fail('TemplateSyntaxError', 'Missing end of comment tag', s.line)
  advance(s, match.index + match[0].length)
}

function scanRaw(s: Scanner): void {
  RAW_END.lastIndex = s.position
  const match = RAW_END.exec(s.text)
  if (match === null) fail('TemplateSyntaxError', 'Missing end of raw directive', s.line)
  pushData(s, match.index, match.groups?.sign ?? '', false)
  advance(s, match.index + match[0].length)
}

function scanExpression(s: Scanner, isPrint: boolean): void {
  const open: string[] = []
  const end = isPrint ? PRINT_END : STATEMENT_END
  while (s.position < s.text.length) {
    const closing = open.length === 0 ? matchAt(end, s) : undefined
    if (closing !== undefined) {
      push(s, isPrint ? 'end print' : 'end statement', '')
      return advance(s, s.position + closing.length)
    }
    scanToken(s, open)
  }
}

function matchAt(pattern: RegExp, s: Scanner): string | undefined {
  pattern.lastIndex = s.position
  return pattern.exec(s.text)?.[0]
}

function scanToken(s: Scanner, open: string[]): void {
  let found: string | undefined
  if ((found = matchAt(WHITE, s)) === undefined) {
    if ((found = matchAt(FLOAT, s)) !== undefined) push(s, 'float', found.replaceAll('_', ''))
    else if ((found = matchAt(INTEGER, s)) !== undefined)
      push(s, 'integer', found.replaceAll('_', '').toLowerCase())
    else if ((found = matchAt(NAME, s)) !== undefined) pushName(s, found)
    else if ((found = matchAt(STRING, s)) !== undefined)
      push(s, 'string', unescape(found.slice(1, -1), s.line))
    else if ((found = matchAt(OPERATOR, s)) !== undefined) pushOperator(s, found, open)
    else {
      const character = String.fromCodePoint(s.text.codePointAt(s.position) ?? 0)
      const quoted = character === "'" ? `"'"` : `'${character}'`
      fail('TemplateSyntaxError', `unexpected char ${quoted} at ${s.position}`, s.line)
    }
  }
  advance(s, s.position + found.length)
}

function pushName(s: Scanner, name: string): void {
  if (!IDENTIFIER.test(name)) {
    fail('TemplateSyntaxError', 'Invalid character in identifier', s.line)
  }
  push(s, 'name', name)
}

/** Brackets are balanced here, so that `}}` inside a dict does not end the tag. */
function pushOperator(s: Scanner, operator: string, open: string[]): void {
  const closer = CLOSER[operator]
  if (closer !== undefined) open.push(closer)
  else if (operator === ')' || operator === ']' || operator === '}') {
    const expected = open.pop()
    if (expected === undefined) fail('TemplateSyntaxError', `unexpected '${operator}'`, s.line)
    if (expected !== operator) {
      fail('TemplateSyntaxError', `unexpected '${operator}', expected '${expected}'`, s.line)
    }
  }
  push(s, 'operator', operator)
}
