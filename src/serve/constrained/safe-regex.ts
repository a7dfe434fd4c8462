/**
 * Regular expressions as XGrammar 0.1.27 reads them right.
 *
 * Each of these was tried: it takes the characters beyond ASCII of a positive class, `.` included, for raw bytes, so that the
 * answer is no UTF-8; it does not exclude those of a negated class; it matches the whole text, where a schema's `pattern` is
 * looked for anywhere; and inside a JSON text it lets a pattern match quotes, backslashes and control characters, which breaks
 * the JSON. What can be written so that it means the same, or for JSON less, is written so; the rest is refused.
 */

export type Rewritten = { readonly pattern: string } | { readonly fault: string }

/** A regular expression for a whole answer. */
export function wholeRegex(pattern: string): Rewritten {
  const { body } = withoutAnchors(pattern)
  const written = rewrite(body, false)
  return 'fault' in written ? written : { pattern: written.text }
}

/** A `pattern` of a JSON Schema: what is not anchored gets anything at its ends. */
export function jsonPattern(pattern: string): Rewritten {
  const { body, isFromStart, isToEnd } = withoutAnchors(pattern)
  const written = rewrite(body, true)
  if ('fault' in written) return written
  if (written.hasTopLevelChoice && (isFromStart || isToEnd)) {
    return { fault: 'has alternatives of which some are anchored; put them into a group' }
  }
  const any = `${anyBut('')}*`
  return { pattern: `${isFromStart ? '' : any}(${written.text})${isToEnd ? '' : any}` }
}

/** Texts of so many characters. XGrammar's own lengths let control characters through. */
export function lengthPattern(least: number, most: number | null): string {
  return `${anyBut('')}{${least},${most ?? ''}}`
}

/** More repetitions than this, all multiplied, could take more memory than there is. */
const MOST_REPEATS = 1e6

function repeats(pattern: string): number {
  const counts = [...pattern.matchAll(/\{(\d+)(?:,(\d*))?\}/g)]
  return counts.reduce((product, [, least, most]) => product * Number(most || least || 1), 1)
}

/** Why a grammar would not be followed, or null: its classes of characters have the same defect. */
export function ebnfFault(grammar: string): string | null {
  if (repeats(grammar) > MOST_REPEATS) return TOO_MANY
  const texts = /"(?:\\.|[^"\\])*"|#.*|\[((?:\\.|[^\]\\])*)\]/g
  for (const [, inside] of grammar.matchAll(texts)) {
    if (inside !== undefined && isBeyondAscii(inside)) {
      return `has [${inside.slice(0, 40)}], and classes hold ASCII only; write other characters as "…" with |`
    }
  }
  return null
}

const TOO_MANY = 'repeats too much'

function isBeyondAscii(text: string): boolean {
  return /[^\0-\x7f]|\\[uU]|\\x[89a-f]/i.test(text)
}

function withoutAnchors(pattern: string) {
  const isFromStart = pattern.startsWith('^')
  const isToEnd = /(?:^|[^\\])(?:\\\\)*\$$/.test(pattern)
  const body = pattern.slice(isFromStart ? 1 : 0, isToEnd ? -1 : undefined)
  return { body, isFromStart, isToEnd }
}

/** What JSON escapes, as members of a negated class. */
const ESCAPED_IN_JSON = '"\\\\\\x00-\\x1f'

/** Any character that JSON need not escape, but those of a class. */
function anyBut(members: string): string {
  return `[^${members}${ESCAPED_IN_JSON}]`
}

type Part = { readonly text: string; readonly end: number } | { readonly fault: string }
type Body = { readonly text: string; readonly hasTopLevelChoice: boolean }

function rewrite(body: string, isJson: boolean): Body | { readonly fault: string } {
  if (repeats(body) > MOST_REPEATS) return { fault: TOO_MANY }
  let text = ''
  let depth = 0
  let hasTopLevelChoice = false
  for (let at = 0; at < body.length;) {
    const part = partAt(body, at, isJson)
    if ('fault' in part) return part
    const character = body[at]
    if (character === '(') depth++
    if (character === ')') depth--
    if (character === '|' && depth === 0) hasTopLevelChoice = true
    text += part.text
    at = part.end
  }
  return { text, hasTopLevelChoice }
}

function partAt(body: string, at: number, isJson: boolean): Part {
  const character = body[at] as string
  if (character === '\\') return escapeAt(body, at, isJson)
  if (character === '[') return classAt(body, at, isJson)
  if (character === '.') return { text: isJson ? anyBut('') : '[^\\n]', end: at + 1 }
  if (character === '^' || character === '$') return { fault: 'has an anchor in its middle' }
  if (/^\(\?[^:]/.test(body.slice(at, at + 3))) {
    return { fault: 'looks ahead or back, names a group or sets a flag, which is not enforced' }
  }
  if (isJson && isEscapedInJson(character)) return { fault: 'has a character that JSON escapes' }
  return { text: character, end: at + 1 }
}

function isEscapedInJson(character: string): boolean {
  return character === '"' || character === '\\' || character < ' '
}

/** Classes that are named by a letter, as members of another. */
const NAMED: Readonly<Record<string, string>> = { S: ' \\t', D: '0-9', W: 'a-zA-Z0-9_' }

function escapeAt(body: string, at: number, isJson: boolean): Part {
  const letter = body[at + 1] ?? ''
  const written = `\\${letter}`
  const end = at + 2
  if (/[dw]/.test(letter)) return { text: written, end }
  if (letter === 's') return { text: isJson ? ' ' : written, end }
  const named = NAMED[letter]
  if (named !== undefined) return { text: isJson ? anyBut(named) : written, end }
  if (/[nrtfv]/.test(letter) && !isJson) return { text: written, end }
  if (/[^\w\s]/.test(letter) && letter < '\x7f') {
    if (!isJson || !isEscapedInJson(letter)) return { text: written, end }
  }
  return { fault: `has ${written}, which is not enforced` }
}

function classAt(body: string, at: number, isJson: boolean): Part {
  const found = /^\[(\^?)((?:\\.|[^\]\\])+)\]/s.exec(body.slice(at))
  if (!found) return { fault: 'has a class that is empty or does not end' }
  const [whole, negation = '', inside = ''] = found
  const end = at + whole.length
  const bad = /\\(?![dws\-\][.^$/+*?(){}|nrtfv\\"'])/.exec(inside)
  if (bad)
    return {
      fault: `has ${inside.slice(bad.index, bad.index + 2)} in a class, which is not enforced`,
    }
  if (negation !== '') {
    if (isBeyondAscii(inside)) return { fault: 'has a negated class with characters beyond ASCII' }
    const members = isJson ? inside.replaceAll('\\s', ' ') : inside
    return { text: isJson ? anyBut(members) : whole, end }
  }
  return positiveClass(inside, end, isJson)
}

/** Characters beyond ASCII go beside the class: `[a-cé]` becomes `(?:[a-c]|é)`. */
function positiveClass(inside: string, end: number, isJson: boolean): Part {
  const members = inside.match(/(?:\\.|[^\\])-(?:\\.|[^\\])|\\.|[^\\]/gsu) ?? []
  const ascii: string[] = []
  const others: string[] = []
  for (const member of members) {
    if (isJson && holdsEscaped(member)) {
      return { fault: 'has a class that holds a quote, a backslash or a control character' }
    }
    if (!isBeyondAscii(member)) ascii.push(isJson && member === '\\s' ? ' ' : member)
    else if ([...member].length === 1) others.push(member)
    else return { fault: `has the range ${member} beyond ASCII in a class, which is not enforced` }
  }
  const rest = ascii.length > 0 ? [`[${ascii.join('')}]`] : []
  return {
    text: others.length === 0 ? (rest[0] ?? '') : `(?:${[...rest, ...others].join('|')})`,
    end,
  }
}

/** Whether a member of a class, alone or as a range, is or holds what JSON escapes. */
function holdsEscaped(member: string): boolean {
  const [, from = '', to = from] = /^\\?(.)(?:-\\?(.))?$/su.exec(member) ?? []
  if (/^\\[nrtfv]/.test(member)) return true
  if (/^\\[dws]$/.test(member)) return false
  return from < ' ' || ['"', '\\'].some((one) => from <= one && one <= to)
}
