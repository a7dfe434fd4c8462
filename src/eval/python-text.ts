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

/** `repr` of a float: whole numbers keep their `.0`. */
export function pythonFloat(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e16 ? value.toFixed(1) : String(value)
}

/** `float(text)`, or null where Python raises: digits may be grouped by `_`, and `inf` and `nan` are numbers. */
export function parsePythonFloat(text: string): number | null {
  const plain = pythonStrip(text)
  if (/^[+-]?nan$/i.test(plain)) return Number.NaN
  if (/^[+-]?inf(?:inity)?$/i.test(plain)) return plain.startsWith('-') ? -Infinity : Infinity
  const digits = String.raw`\d+(?:_\d+)*`
  const pattern = `^[+-]?(?:${digits}\\.?(?:${digits})?|\\.${digits})(?:e[+-]?${digits})?$`
  return new RegExp(pattern, 'i').test(plain) ? Number(plain.replaceAll('_', '')) : null
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

/** `text.strip()`. */
export function pythonStrip(text: string): string {
  return text.replace(EDGES, '')
}

function write(value: unknown, indent: number | undefined, depth: number): string {
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
