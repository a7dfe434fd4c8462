/** Any value as a message shows it: short, on one line, and never the bytes of a picture or the password in a URL. */

const LONGEST_TEXT = 60
const LONGEST_LIST = 8

export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return describeList(value)
  if (typeof value === 'object' && value !== null) return describeObject(value)
  // What looks like a number in a message would be taken for one.
  if (typeof value === 'bigint') return cut(`${value}n`)
  if (typeof value !== 'string') return cut(String(value))
  return JSON.stringify(cut(value.replace(/^([a-z][\w+.-]*:\/\/).*@/is, '$1…@')))
}

function describeList(list: readonly unknown[]): string {
  const isShown = list.length > 0 && list.length <= LONGEST_LIST && list.every(isPlain)
  const text = isShown ? `[${list.map(describeValue).join(', ')}]` : ''
  return isShown && text.length <= LONGEST_TEXT ? text : `a list of ${list.length}`
}

function describeObject(value: object): string {
  const name: unknown = value.constructor?.name
  if (typeof name !== 'string' || name === '' || name === 'Object') return 'an object'
  return `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${cut(name)}`
}

function isPlain(value: unknown): boolean {
  return value === null || (typeof value !== 'object' && typeof value !== 'function')
}

function cut(text: string): string {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text
}
