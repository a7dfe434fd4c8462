/**
 * Texts as Python writes them: what the official scripts print and the submission files that their servers read.
 */

/** `json.dumps(value)`: a space after `,` and `:`, everything beyond ASCII escaped. `indent` breaks lines as Python does. */
export function pythonJson(value: unknown, { indent }: { readonly indent?: number } = {}): string {
  return write(value, indent, 0)
}

/** `'{:.Nf}'.format(value)`: the nearest, ties to even. JavaScript's `toFixed` is exact but takes ties up. */
export function pythonFixed(value: number, digits: number): string {
  const nearest = value.toFixed(digits)
  const tail = value.toFixed(Math.min(100, digits + 60)).slice(nearest.length + (digits ? 0 : 1))
  if (!/^50*$/.test(tail)) return nearest
  const isOdd = Number(nearest.at(-1)) % 2 === 1
  return isOdd ? (value - Math.sign(value) * 0.5 * 10 ** -digits).toFixed(digits) : nearest
}

/** `round(value, digits)`. */
export function pythonRound(value: number, digits: number): number {
  return Number(pythonFixed(value, digits))
}

/** `repr` of a float: whole numbers keep their `.0`, and exponents have two digits and begin at 1e16 and below 1e-4. */
export function pythonFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  const size = Math.abs(value)
  if (size !== 0 && (size >= 1e16 || size < 1e-4)) {
    return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2')
  }
  if (Object.is(value, -0)) return '-0.0'
  return Number.isInteger(value) ? value.toFixed(1) : String(value)
}

/** A float in `pythonJson`: 50.0 stays 50.0, which a number of JavaScript cannot say. */
export class PythonFloat {
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
}

/** Texts of cells that pandas reads as no value, in tables and spreadsheets alike. Source: pandas 3.1, parsers.STR_NA_VALUES. */
const MISSING = new Set(
  ' #N/A,#N/A N/A,#NA,-1.#IND,-1.#QNAN,-NaN,-nan,1.#IND,1.#QNAN,<NA>,N/A,NA,NULL,NaN,None,n/a,nan,null'
    .slice(1)
    .split(','),
)

/** Whether pandas, and with it the scripts that read tables by it, sees an empty cell. */
export function isMissingCell(text: string): boolean {
  return text === '' || MISSING.has(text)
}

/** `float(text)`, or null where Python raises: digits may be grouped by `_`, and `inf` and `nan` are numbers. */
export function parsePythonFloat(text: string): number | null {
  const plain = asciiDigits(pythonStrip(text))
  if (/^[+-]?nan$/i.test(plain)) return Number.NaN
  if (/^[+-]?inf(?:inity)?$/i.test(plain)) return plain.startsWith('-') ? -Infinity : Infinity
  const digits = String.raw`\d+(?:_\d+)*`
  const pattern = `^[+-]?(?:${digits}\\.?(?:${digits})?|\\.${digits})(?:e[+-]?${digits})?$`
  return new RegExp(pattern, 'i').test(plain) ? Number(plain.replaceAll('_', '')) : null
}

/** Digits of every script as those of ASCII: `float('１２')` is 12. Unicode has the ten of a script in a row, from zero. */
function asciiDigits(text: string): string {
  return text.replaceAll(/(?![0-9])\p{Nd}/gu, (digit) => {
    const code = digit.codePointAt(0) ?? 0
    let zero = code
    while (/\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero--
    return String((code - zero) % 10)
  })
}

/** What `str.split()` and `str.strip()` take for space; unlike `\s` it has the separators 1C–1F and not U+FEFF. */
const SPACE =
  '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+'
const SPACES = new RegExp(SPACE, 'g')
const EDGES = new RegExp(`^${SPACE}|${SPACE}$`, 'g')

/** `text.split()`. */
export function pythonWords(text: string): string[] {
  return text.split(SPACES).filter((word) => word !== '')
}

/** `text.capitalize()`: the first letter large, all others small. */
export function pythonCapitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1).toLowerCase()
}

/** `text.strip()`. */
export function pythonStrip(text: string): string {
  return text.replace(EDGES, '')
}

/** `text.strip(mark)` of a single character. */
export function stripMark(text: string, mark: string): string {
  let start = 0
  let end = text.length
  while (start < end && text[start] === mark) start++
  while (end > start && text[end - 1] === mark) end--
  return text.slice(start, end)
}

function write(value: unknown, indent: number | undefined, depth: number): string {
  if (value instanceof PythonFloat) return pythonFloat(value.value)
  if (Array.isArray(value)) {
    return bracket(
      '[]',
      value.map((item) => write(item, indent, depth + 1)),
      indent,
      depth,
    )
  }
  if (typeof value === 'object' && value !== null) {
    // A Map keeps the order of keys like "12", which an object would sort first.
    const entries = value instanceof Map ? [...value] : Object.entries(value)
    const items = entries.map(
      ([key, item]) => `${writeText(String(key))}: ${write(item, indent, depth + 1)}`,
    )
    return bracket('{}', items, indent, depth)
  }
  return typeof value === 'string' ? writeText(value) : JSON.stringify(value)
}

function bracket(
  [open, close]: string,
  items: readonly string[],
  indent: number | undefined,
  depth: number,
): string {
  if (items.length === 0) return `${open}${close}`
  if (indent === undefined) return `${open}${items.join(', ')}${close}`
  const inner = `\n${' '.repeat(indent * (depth + 1))}`
  return `${open}${inner}${items.join(`,${inner}`)}\n${' '.repeat(indent * depth)}${close}`
}

function writeText(text: string): string {
  // JSON.stringify escapes as Python does, except that it leaves DEL and everything above it as it is.
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
