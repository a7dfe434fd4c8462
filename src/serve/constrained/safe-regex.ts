/**
 * Regular expressions as XGrammar 0.1.27 reads them right.
 *
 * Each of these was tried: it takes the characters beyond ASCII of a positive class, `.` included, for raw bytes, so that the
 * answer is no UTF-8; it does not exclude those of a negated class; it matches the whole text, where a schema's `pattern` is
 * looked for anywhere; and inside a JSON text it lets a pattern match quotes, backslashes and control characters, which breaks
 * the JSON. A caret at the beginning of a class negates it, also behind a backslash. What can be written so that it means the same, or for JSON less, is written so; the rest is refused.
 */
import { anyBut, RegexFault } from './regex-class.ts'
import { RegexReader } from './regex-reader.ts'
import type { RegexTree } from './regex-tree.ts'
import { writtenClass, writtenRegex } from './written-regex.ts'
import { sizeFault } from './written-size.ts'

export type Rewritten = { readonly pattern: string } | { readonly fault: string }

/** A regular expression for a whole answer. */
export function wholeRegex(pattern: string): Rewritten {
  const whole = wholeTree(pattern)
  return 'fault' in whole ? whole : { pattern: writtenRegex(whole.tree) }
}

/** What a regular expression for a whole answer says. */
export function wholeTree(pattern: string): Read {
  return read(withoutAnchors(pattern).body, false)
}

/** A `pattern` of a JSON Schema: what is not anchored gets anything at its ends. */
export function jsonPattern(pattern: string): Rewritten {
  const { body, isFromStart, isToEnd } = withoutAnchors(pattern)
  const whole = read(body, true)
  if ('fault' in whole) return whole
  if (whole.hasTopLevelChoice && (isFromStart || isToEnd)) {
    return { fault: 'has alternatives of which some are anchored; put them into a group' }
  }
  const any = `${ANY_IN_JSON}*`
  const written = writtenRegex(whole.tree)
  return { pattern: `${isFromStart ? '' : any}(${written})${isToEnd ? '' : any}` }
}

/** Texts of so many characters. XGrammar's own lengths let control characters through. */
export function lengthPattern(least: number, most: number | null): string {
  return `${ANY_IN_JSON}{${least},${most ?? ''}}`
}

const ANY_IN_JSON = writtenClass(anyBut([], true))

/** Why a grammar would not be followed, or null: its classes of characters have the same defect. */
export function ebnfFault(grammar: string): string | null {
  const tooLarge = sizeFault(grammar, 'ebnf')
  if (tooLarge !== null) return tooLarge
  const texts = /"(?:\\.|[^"\\])*"|#.*|\[((?:\\.|[^\]\\])*)\]/g
  for (const [, inside] of grammar.matchAll(texts)) {
    if (inside !== undefined && isBeyondAscii(inside)) {
      return `has [${inside.slice(0, 40)}], and classes hold ASCII only; write other characters as "…" with |`
    }
  }
  return null
}

function isBeyondAscii(text: string): boolean {
  return /[^\0-\x7f]|\\[uU]|\\x[89a-f]/i.test(text)
}

function withoutAnchors(pattern: string) {
  const isFromStart = pattern.startsWith('^')
  const isToEnd = /(?:^|[^\\])(?:\\\\)*\$$/.test(pattern)
  const body = pattern.slice(isFromStart ? 1 : 0, isToEnd ? -1 : undefined)
  return { body, isFromStart, isToEnd }
}

type Read =
  | { readonly tree: RegexTree; readonly hasTopLevelChoice: boolean }
  | { readonly fault: string }

function read(body: string, isJson: boolean): Read {
  const tooLarge = sizeFault(body, 'regex')
  if (tooLarge !== null) return { fault: tooLarge }
  try {
    return new RegexReader(body, isJson).whole()
  } catch (error) {
    if (error instanceof RegexFault) return { fault: error.message }
    throw error
  }
}
