/**
 * JSON as Python's `json` writes and reads it: with NaN, Infinity and -Infinity, which the format has not.
 *
 * Source: CPython 3.12 Lib/json/scanner.py, Lib/json/encoder.py.
 */

/** What is said where they are not taken. */
export const PYTHON_NUMBERS = 'NaN and Infinity, which Python writes, are no JSON: write null'

/** JSON.parse with these numbers. Throws SyntaxError as that does. */
export function parsePythonJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    const marked = withNumbers(text, (number) => JSON.stringify(MARK + number))
    if (marked === text) throw cause
    return JSON.parse(marked, unmarked)
  }
}

/** Before a number's name where a string stands for it; no file begins a text so. */
const MARK = '\u0000number '

function unmarked(_: string, value: unknown): unknown {
  const isMarked = typeof value === 'string' && value.startsWith(MARK)
  return isMarked ? Number(value.slice(MARK.length)) : value
}

/** Where the first such number begins; null where there is none, or more is wrong with the text. */
export function pythonNumberAt(text: string): number | null {
  let first: number | null = null
  const plain = withNumbers(text, (_, at) => {
    first ??= at
    return 'null'
  })
  try {
    JSON.parse(plain)
    return first
  } catch {
    return null // The caller throws as of any text.
  }
}

/** A string is passed piece by piece: as one match, a long one would take V8's whole stack. */
const TOKENS = /\\.|"|(?:NaN|-?Infinity)(?=\s*(?:[,}\]]|$))/g

function withNumbers(text: string, written: (number: string, at: number) => string): string {
  let isInString = false
  return text.replace(TOKENS, (token, at: number) => {
    if (token === '"') isInString = !isInString
    const isNumber = !isInString && /^[NI-]/.test(token)
    return isNumber ? written(token, at) : token
  })
}
