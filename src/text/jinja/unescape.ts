/** The escapes of a Python string literal. One that Python does not know (`\s`, `\d`) stays as it is, backslash and all. */
import { fail } from './failure.ts'

const SIMPLE: Readonly<Record<string, string>> = {
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 }

export function unescape(body: string, line: number): string {
  return body.replace(/\\(?:([0-7]{1,3})|([xuU])([\da-fA-F]{0,8})|([^]))/g, (whole, ...groups) => {
    const [octal, kind, digits, character] = groups as (string | undefined)[]
    if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8))
    if (kind !== undefined) return hexEscape(kind, digits ?? '', line)
    if (character === 'N') fail('Unsupported', 'character names (\\N{…}) are not supported', line)
    return SIMPLE[character ?? ''] ?? whole
  })
}

function hexEscape(kind: string, digits: string, line: number): string {
  const count = HEX_DIGITS[kind] ?? 0
  if (digits.length < count) {
    fail('TemplateSyntaxError', `truncated \\${kind}${'X'.repeat(count)} escape`, line)
  }
  const code = Number.parseInt(digits.slice(0, count), 16)
  if (code > 0x10ffff) fail('TemplateSyntaxError', 'illegal Unicode character', line)
  return String.fromCodePoint(code) + digits.slice(count)
}
