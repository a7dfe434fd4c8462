/** Values as text, the way Python's `str` and `repr` write them: `True`, `None`, `1.0`, `['a']`, `1e+20`. */
import type { Budget } from './limits.ts'
import {
  Dict,
  DictView,
  Iteration,
  Markup,
  Namespace,
  Range,
  Tuple,
  Undefined,
  type Value,
} from './values.ts'

export function toText(value: Value, budget: Budget): string {
  if (typeof value === 'string') return value
  if (value instanceof Markup) return value.text
  if (value instanceof Undefined) return ''
  return repr(value, budget)
}

export function repr(value: Value, budget: Budget): string {
  budget.step()
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'number') return formatFloat(value)
  if (typeof value === 'string') return quote(value, budget)
  if (Array.isArray(value)) return `[${joined(value, budget)}]`
  if (value instanceof Tuple) {
    return `(${joined(value.items, budget)}${value.items.length === 1 ? ',' : ''})`
  }
  if (value instanceof Dict) return reprDict(value, budget)
  if (value instanceof Markup) return `Markup(${quote(value.text, budget)})`
  if (value instanceof Undefined) return 'Undefined'
  if (value instanceof Range) {
    const step = value.step === 1n ? '' : `, ${value.step}`
    return `range(${value.start}, ${value.stop}${step})`
  }
  if (value instanceof DictView) return `dict_${value.part}([${joined([...value], budget)}])`
  if (value instanceof Namespace) return `<Namespace ${reprDict(value.attributes, budget)}>`
  if (value instanceof Iteration) return `<${value.typeName} object>`
  return value.display
}

function reprDict(dict: Dict, budget: Budget): string {
  const parts: string[] = []
  budget.enter()
  for (const [key, item] of dict.entries()) {
    parts.push(`${repr(key, budget)}: ${repr(item, budget)}`)
  }
  budget.leave()
  return charged(`{${parts.join(', ')}}`, budget)
}

function joined(items: readonly Value[], budget: Budget): string {
  budget.enter()
  const text = items.map((item) => repr(item, budget)).join(', ')
  budget.leave()
  return charged(text, budget)
}

function charged(text: string, budget: Budget): string {
  budget.allocate(text.length)
  return text
}

/** The shortest digits that read back as the same number; an exponent from 1e16 and below 1e-4. */
export function formatFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0'
  const [mantissa = '', exponentText = '0'] = value.toExponential().split('e')
  const exponent = Number(exponentText)
  if (exponent < -4 || exponent >= 16) {
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
  }
  const sign = value < 0 ? '-' : ''
  const digits = mantissa.replace(/[-.]/g, '')
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`
  const padded = digits.padEnd(exponent + 2, '0')
  return `${sign}${padded.slice(0, exponent + 1)}.${padded.slice(exponent + 1)}`
}

const UNPRINTABLE = /[\\\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Zs}]/gu
const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  ' ': ' ',
}

/** A text in quotes: single ones, unless it holds some and no double ones. */
export function quote(text: string, budget: Budget): string {
  budget.read(text.length)
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'"
  let body = text.replace(UNPRINTABLE, (c) => SHORT_ESCAPES[c] ?? hexEscape(c))
  if (mark === "'") body = body.replaceAll("'", "\\'")
  return charged(mark + body + mark, budget)
}

function hexEscape(character: string): string {
  const code = character.codePointAt(0) ?? 0
  const hex = code.toString(16)
  if (code < 0x100) return `\\x${hex.padStart(2, '0')}`
  return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`
}
