/**
 * JSON whose numbers keep how they are written: 1.0 is a float to Python, which refuses 1 in its place, and 1e-05 is no
 * change from 0.00001.
 *
 * Spellings that JSON.stringify would not choose stand beside the numbers, under a symbol: a spread copies it, JSON and
 * Object.entries do not see it. One counts only while its number is the same.
 */
const SPELLINGS = Symbol('spellings')

type Holder = { [SPELLINGS]?: Map<string, string> }

/** Before a number's text where a string stands for it; no file begins a text so. */
const MARK = '\u0000number '

/** A string is passed piece by piece: as one match, a long one would take V8's whole stack. */
const TOKENS = /\\.|"|-?\d[\d.eE+-]*/g

/** JSON.parse. Throws SyntaxError as that does. */
export function parseJson(text: string): unknown {
  const plain: unknown = JSON.parse(text)
  let isPlain = true
  let isInString = false
  const marked = text.replace(TOKENS, (token) => {
    if (token === '"') isInString = !isInString
    if (isInString || token === '"' || String(Number(token)) === token) return token
    isPlain = false
    return JSON.stringify(MARK + token)
  })
  return isPlain ? plain : JSON.parse(marked, unmarked)
}

function unmarked(this: Holder, key: string, value: unknown): unknown {
  if (typeof value !== 'string' || !value.startsWith(MARK)) return value
  const text = value.slice(MARK.length)
  this[SPELLINGS] ??= new Map()
  this[SPELLINGS].set(key, text)
  return Number(text)
}

/** JSON.stringify over lines, as files of a checkpoint hold it. */
export function jsonText(value: unknown): string {
  const marked = JSON.stringify(
    value,
    function (this: Holder, key, number: unknown) {
      const text = this[SPELLINGS]?.get(key)
      return text !== undefined && Number(text) === number ? MARK + text : number
    },
    2,
  )
  return `${marked.replace(MARKED, '$1')}\n`
}

const MARKED = new RegExp(
  `"${JSON.stringify(MARK).slice(1, -1).replace('\\', '\\\\')}([^"]*)"`,
  'g',
)
