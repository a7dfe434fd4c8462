/** `'%s has %d' % (name, count)`: printf-style formatting of texts. */
import { escapeHtml } from './markup.ts'
import { fail } from './failure.ts'
import { exponential, fixed, general } from './format-number.ts'
import type { Budget } from './limits.ts'
import { repr, toText } from './print.ts'
import { numeric } from './compare.ts'
import { cut, lengthOf } from './python-text.ts'
import {
  Dict,
  isNumber,
  isText,
  Markup,
  Range,
  textOf,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

const DIRECTIVE =
  /%(?:\((?<key>[^)]*)\))?(?<flags>[#0\- +]*)(?<width>\*|\d+)?(?:\.(?<precision>\*|\d*))?[hlL]?(?<type>[^]?)/g

interface Directive {
  readonly flags: string
  readonly width: number
  readonly precision: number | undefined
  readonly type: string
}

export function formatPercent(template: string | Markup, values: Value, budget: Budget): Value {
  const queue = new Queue(values)
  const isMarkup = template instanceof Markup
  const text = textOf(template).replace(DIRECTIVE, (...match) => {
    const groups = match.at(-1) as Record<string, string | undefined>
    const type = groups.type ?? ''
    if (type === '') fail('ValueError', 'incomplete format')
    if (type === '%') return '%'
    const width = groups.width === '*' ? queue.integer() : Number(groups.width ?? 0)
    const precision = groups.precision === '*' ? queue.integer() : groups.precision
    const value = groups.key === undefined ? queue.next() : queue.named(groups.key)
    const directive = {
      flags: `${groups.flags ?? ''}${width < 0 ? '-' : ''}`,
      width: Math.abs(width),
      precision: precision === undefined ? undefined : Number(precision),
      type,
    }
    const body = convert(value, directive, budget)
    return isMarkup ? escapeHtml(value instanceof Markup ? value : body) : body
  })
  queue.close()
  return isMarkup ? new Markup(text) : text
}

/** The values in turn: the items of a tuple, or the one value. */
class Queue {
  readonly #values: Value
  readonly #items: readonly Value[]
  #position = 0
  #isNamed = false

  constructor(values: Value) {
    this.#values = values
    this.#items = values instanceof Tuple ? values.items : [values]
  }

  next(): Value {
    const value = this.#items[this.#position++]
    return (
      value ?? (value === null ? null : fail('TypeError', 'not enough arguments for format string'))
    )
  }

  integer(): number {
    const value = this.next()
    return typeof value === 'bigint' ? Number(value) : fail('TypeError', '* wants int')
  }

  named(key: string): Value {
    this.#isNamed = true
    if (!(this.#values instanceof Dict)) return fail('TypeError', 'format requires a mapping')
    return this.#values.get(key) ?? (this.#values.has(key) ? null : fail('KeyError', `'${key}'`))
  }

  close(): void {
    // Whatever has items by key may be left unused.
    const values = this.#values
    const isMapping =
      values instanceof Dict ||
      values instanceof Range ||
      values instanceof Undefined ||
      Array.isArray(values)
    if (this.#isNamed || isMapping) return
    if (this.#position < this.#items.length) {
      fail('TypeError', 'not all arguments converted during string formatting')
    }
  }
}

function convert(value: Value, directive: Directive, budget: Budget): string {
  const { type, precision } = directive
  if (type === 's' || type === 'r' || type === 'a') {
    const text = type === 's' ? toText(value, budget) : repr(value, budget)
    return pad('', precision === undefined ? text : cut(text, 0, precision), directive, budget)
  }
  if (type === 'c') return pad('', character(value), directive, budget)
  if ('diu'.includes(type)) return pad(...decimal(value, directive), directive, budget)
  if ('xXo'.includes(type)) return pad(...radix(value, directive), directive, budget)
  if ('eEfFgG'.includes(type)) return pad(...real(value, directive, budget), directive, budget)
  return fail('ValueError', `unsupported format character '${type}'`)
}

function character(value: Value): string {
  if (typeof value === 'bigint') return String.fromCodePoint(Number(value))
  if (isText(value) && lengthOf(textOf(value)) === 1) return textOf(value)
  return fail('TypeError', '%c requires int or char')
}

function signOf(isNegative: boolean, flags: string): string {
  return isNegative ? '-' : flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : ''
}

function decimal(value: Value, { flags, type, precision }: Directive): [string, string] {
  if (value instanceof Undefined) fail(value.failure, value.message)
  if (!isNumber(value)) {
    return fail('TypeError', `%${type} format: a real number is required, not ${typeName(value)}`)
  }
  const number = typeof value === 'number' ? truncate(value) : (numeric(value) as bigint)
  const digits = (number < 0n ? -number : number).toString().padStart(precision ?? 0, '0')
  return [signOf(number < 0n, flags), digits]
}

function truncate(value: number): bigint {
  if (Number.isNaN(value)) fail('ValueError', 'cannot convert float NaN to integer')
  if (!Number.isFinite(value)) fail('OverflowError', 'cannot convert float infinity to integer')
  return BigInt(Math.trunc(value))
}

function radix(value: Value, { flags, type, precision }: Directive): [string, string] {
  if (typeof value !== 'bigint' && typeof value !== 'boolean') {
    return fail('TypeError', `%${type} format: an integer is required, not ${typeName(value)}`)
  }
  const number = numeric(value) as bigint
  const digits = (number < 0n ? -number : number)
    .toString(type === 'o' ? 8 : 16)
    .padStart(precision ?? 0, '0')
  const prefix = flags.includes('#') ? `0${type.toLowerCase()}` : ''
  const sign = signOf(number < 0n, flags) + prefix
  return type === 'X' ? [sign.toUpperCase(), digits.toUpperCase()] : [sign, digits]
}

function real(value: Value, directive: Directive, budget: Budget): [string, string] {
  if (value instanceof Undefined) fail(value.failure, value.message)
  if (!isNumber(value)) {
    return fail('TypeError', `must be real number, not ${typeName(value)}`)
  }
  const { flags, type, precision = 6 } = directive
  const number = Number(numeric(value))
  const sign = signOf(number < 0 || Object.is(number, -0), flags)
  if (!Number.isFinite(number)) {
    const word = Number.isNaN(number) ? 'nan' : 'inf'
    return [sign, type === type.toUpperCase() ? word.toUpperCase() : word]
  }
  const lower = type.toLowerCase()
  const text =
    lower === 'f'
      ? fixed(number, precision, budget)
      : lower === 'e'
        ? exponential(number, precision, budget)
        : general(number, precision, flags.includes('#'), budget)
  return [sign, type === lower ? text : text.toUpperCase()]
}

function pad(sign: string, body: string, { flags, width, type }: Directive, budget: Budget) {
  const missing = width - lengthOf(sign + body)
  if (missing <= 0) return sign + body
  budget.allocate(missing)
  if (flags.includes('-')) return sign + body + ' '.repeat(missing)
  if (flags.includes('0') && !'srac'.includes(type)) return sign + '0'.repeat(missing) + body
  return ' '.repeat(missing) + sign + body
}
