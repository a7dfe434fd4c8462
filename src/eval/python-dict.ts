/** Python's dictionaries and lists, as judges and tables write them, `{'pred': 'yes', 'score': 4}`, read as data: nothing is evaluated. */
import { parsePythonFloat } from './python-text.ts'

/**
 * Texts and numbers of the first `{…}` in a reply, by key; null for anything else, nested dictionaries among it.
 * Source: lmms-eval tasks/activitynetqa/utils.py, parse_score, which takes the text from the first `{` to the first `}`.
 */
export function readPythonDict(reply: string): Readonly<Record<string, string | number>> | null {
  const body = /\{([^{}]*)\}/.exec(reply)?.[1]
  if (body === undefined || body.trim() === '') return null
  const result: Record<string, string | number> = {}
  const item =
    /\s*(?:'([^'\\]*)'|"([^"\\]*)")\s*:\s*(?:'([^'\\]*)'|"([^"\\]*)"|([^\s,'"]+))\s*(?:,|$)/gy
  let end = 0
  for (const match of body.matchAll(item)) {
    const [whole, single, double, text, other, bare] = match
    const key = single ?? double ?? ''
    const number = bare === undefined ? null : parsePythonFloat(bare)
    if (bare !== undefined && number === null) return null
    result[key] = number ?? text ?? other ?? ''
    end = match.index + whole.length
  }
  return end === body.length ? result : null
}

/** `int(value)` of a score: a number is cut, a text must be a whole number; null where Python would raise. */
export function readScore(value: string | number | undefined): number | null {
  if (typeof value === 'number') return Number.isFinite(value) ? Math.trunc(value) : null
  return value !== undefined && /^\s*[+-]?\d+\s*$/.test(value) ? Number(value) : null
}

/** What stands in a list without quotes: numbers and Python's own words. `[Austria, Chile]` is a text and no list. */
const BARE = String.raw`[-+]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?|None|True|False`
const LIST_ITEM = new RegExp(
  String.raw`\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(${BARE}))\s*(?:,|$)`,
  'gsy',
)

/** The texts of `['a', "b's", 3]`, as Python prints a list; null for anything else. Source: VLMEvalKit's columns of answers. */
export function readPythonList(text: string): string[] | null {
  const body = /^\s*\[(.*)\]\s*$/s.exec(text)?.[1]
  if (body === undefined) return null
  const texts: string[] = []
  let end = 0
  for (const match of body.matchAll(LIST_ITEM)) {
    const [whole, single, double, bare] = match
    texts.push(bare ?? plainText(single ?? double ?? ''))
    end = match.index + whole.length
  }
  return body.slice(end).trim() === '' ? texts : null
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '0': '\0' }

function plainText(literal: string): string {
  return literal.replaceAll(
    /\\(?:x([\da-f]{2})|u([\da-f]{4})|(.))/gis,
    (_, byte: string | undefined, unit: string | undefined, mark: string) => {
      const code = byte ?? unit
      return code === undefined ? (ESCAPES[mark] ?? mark) : String.fromCharCode(parseInt(code, 16))
    },
  )
}
