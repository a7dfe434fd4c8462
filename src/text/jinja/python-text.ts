/**
 * Texts as Python sees them: sequences of code points, with Python's idea of white space, lines and letter case.
 *
 * JavaScript counts UTF-16 units, so everything that counts or cuts goes through here.
 */

/** What `str.isspace` and `\s` of Python's `re` accept; JavaScript's own set differs at both ends. */
export const SPACE =
  '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
const SPACE_CHARACTER = new RegExp(`^[${SPACE}]$`)
const SURROGATE = /[\ud800-\udfff]/

export function isSpace(character: string): boolean {
  return SPACE_CHARACTER.test(character)
}

export function codePoints(text: string): string[] {
  return Array.from(text)
}

export function lengthOf(text: string): number {
  if (!SURROGATE.test(text)) return text.length
  let count = 0
  for (const _ of text) count++
  return count
}

/** The code points [from, to). */
export function cut(text: string, from: number, to: number): string {
  return SURROGATE.test(text) ? codePoints(text).slice(from, to).join('') : text.slice(from, to)
}

/** A UTF-16 offset as a number of code points. */
export function pointOffset(text: string, units: number): number {
  return lengthOf(text.slice(0, units))
}

export function strip(text: string, characters: string | null, side: 'both' | 'left' | 'right') {
  const isStripped = characters === null ? isSpace : (c: string) => set.has(c)
  const set = new Set(characters ?? '')
  const points = SURROGATE.test(text) ? codePoints(text) : text
  let from = 0
  let to = points.length
  if (side !== 'right') while (from < to && isStripped(points[from] as string)) from++
  if (side !== 'left') while (to > from && isStripped(points[to - 1] as string)) to--
  return typeof points === 'string' ? points.slice(from, to) : points.slice(from, to).join('')
}

// eslint-disable-next-line no-control-regex -- Python ends lines at these, too
const LINE_END = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g

export function splitLines(text: string, keepEnds = false): string[] {
  const lines: string[] = []
  let from = 0
  for (const match of text.matchAll(LINE_END)) {
    lines.push(text.slice(from, keepEnds ? match.index + match[0].length : match.index))
    from = match.index + match[0].length
  }
  if (from < text.length) lines.push(text.slice(from))
  return lines
}

/** `str.split()`: by runs of white space, at most `limit` times (−1: no bound). */
export function splitWords(text: string, limit: number, side: 'left' | 'right'): string[] {
  const run = new RegExp(`[${SPACE}]+`, 'g')
  const trimmed = strip(text, null, 'both')
  if (trimmed === '') return []
  const gaps = [...trimmed.matchAll(run)]
  const kept =
    limit < 0 ? gaps : side === 'left' ? gaps.slice(0, limit) : limit ? gaps.slice(-limit) : []
  const words: string[] = []
  let from = 0
  for (const gap of kept) {
    words.push(trimmed.slice(from, gap.index))
    from = gap.index + gap[0].length
  }
  words.push(trimmed.slice(from))
  // The end that is not split keeps its outer white space.
  if (side === 'left' && limit >= 0 && gaps.length >= limit) {
    words[words.length - 1] += text.slice(strip(text, null, 'right').length)
  }
  if (side === 'right' && limit >= 0 && gaps.length >= limit) {
    const lead = text.length - strip(text, null, 'left').length
    words[0] = text.slice(0, lead) + (words[0] ?? '')
  }
  return words
}

export function splitText(text: string, by: string, limit: number, side: 'left' | 'right') {
  const parts = text.split(by)
  if (limit < 0 || parts.length <= limit + 1) return parts
  return side === 'left'
    ? [...parts.slice(0, limit), parts.slice(limit).join(by)]
    : [parts.slice(0, parts.length - limit).join(by), ...parts.slice(parts.length - limit)]
}

/** `str.replace`: the first `limit` places (−1: all); an empty `old` stands between all characters. */
export function replaceText(text: string, old: string, by: string, limit: number): string {
  if (limit === 0) return text
  if (old === '') {
    const points = codePoints(text)
    const count = limit < 0 ? points.length + 1 : Math.min(limit, points.length + 1)
    return (
      points.map((c, i) => (i < count ? by + c : c)).join('') + (count > points.length ? by : '')
    )
  }
  if (limit < 0) return text.replaceAll(old, () => by)
  return splitText(text, old, limit, 'left').join(by)
}

const TITLE_DIGRAPHS: Readonly<Record<string, string>> = { Ǆ: 'ǅ', Ǉ: 'ǈ', Ǌ: 'ǋ', Ǳ: 'ǲ' }

/** The title-case form of one character: `ß` gives `Ss`. */
function titleCharacter(character: string): string {
  const [first = '', ...rest] = codePoints(character.toUpperCase())
  return (TITLE_DIGRAPHS[first] ?? first) + rest.join('').toLowerCase()
}

export function capitalize(text: string): string {
  const [first = '', ...rest] = codePoints(text)
  return titleCharacter(first) + rest.join('').toLowerCase()
}

const CASED = /[\p{Uppercase}\p{Lowercase}\p{Lt}]/u

/** `str.title`: a letter after a letter is small, any other is large. */
export function titleCase(text: string): string {
  let isInWord = false
  let out = ''
  for (const c of text) {
    out += isInWord ? c.toLowerCase() : titleCharacter(c)
    isInWord = CASED.test(c)
  }
  return out
}

export function swapCase(text: string): string {
  let out = ''
  for (const c of text) out += /\p{Uppercase}/u.test(c) ? c.toLowerCase() : c.toUpperCase()
  return out
}

/** At least one character, and all of them match. */
export function every(text: string, pattern: RegExp): boolean {
  if (text === '') return false
  for (const c of text) if (!pattern.test(c)) return false
  return true
}

export function isUpper(text: string): boolean {
  return CASED.test(text) && !/[\p{Lowercase}\p{Lt}]/u.test(text)
}

export function isLower(text: string): boolean {
  return CASED.test(text) && !/[\p{Uppercase}\p{Lt}]/u.test(text)
}

export function isTitle(text: string): boolean {
  let isInWord = false
  let hasCased = false
  for (const c of text) {
    const isLarge = /[\p{Uppercase}\p{Lt}]/u.test(c)
    const isSmall = /\p{Lowercase}/u.test(c)
    if ((isLarge && isInWord) || (isSmall && !isInWord)) return false
    isInWord = isLarge || isSmall
    hasCased ||= isInWord
  }
  return hasCased
}
