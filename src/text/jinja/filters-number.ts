/** Filters on numbers. */
import { take, wantFlag, wantInteger, wantText } from './arguments.ts'
import { binary } from './arithmetic.ts'
import { numeric } from './compare.ts'
import type { Environment, Filter } from './environment.ts'
import { fail } from './failure.ts'
import { divideHalfEven, fixed, roundFloat } from './format-number.ts'
import { quote } from './print.ts'
import { strip } from './python-text.ts'
import {
  isNumber,
  isText,
  textOf,
  typeName,
  Undefined,
  type Arguments,
  type Value,
} from './values.ts'

export const NUMBER_FILTERS: readonly (readonly [string, Filter])[] = [
  ['abs', absolute],
  ['int', toInteger],
  ['float', toFloat],
  ['round', round],
  ['filesizeformat', fileSize],
]

function absolute(_env: Environment, value: Value): Value {
  if (!isNumber(value)) fail('TypeError', `bad operand type for abs(): '${typeName(value)}'`)
  const number = numeric(value)
  return typeof number === 'bigint' ? (number < 0n ? -number : number) : Math.abs(number)
}

const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyz'
const PREFIXES: Readonly<Record<string, number>> = { '0b': 2, '0o': 8, '0x': 16 }

/** Python's `int(text, base)`; undefined if it is not one. */
function parseInteger(text: string, base: number): bigint | undefined {
  const [, sign, prefix, body] =
    /^([-+]?)(0[box])?([^]*)$/i.exec(asciiDigits(strip(text, null, 'both').toLowerCase())) ?? []
  const prefixBase = prefix === undefined ? undefined : PREFIXES[prefix]
  const isPrefixed = prefixBase !== undefined && (base === prefixBase || base === 0)
  const digits = isPrefixed ? (body ?? '').replace(/^_/, '') : `${prefix ?? ''}${body ?? ''}`
  const radix = isPrefixed ? prefixBase : base || 10
  if (!/^[0-9a-z]+(?:_[0-9a-z]+)*$/.test(digits)) return undefined
  if (base === 0 && !isPrefixed && /^0[\d_]*[1-9]/.test(digits)) return undefined
  let value = 0n
  for (const digit of digits.replaceAll('_', '')) {
    const at = DIGITS.indexOf(digit)
    if (at >= radix) return undefined
    value = value * BigInt(radix) + BigInt(at)
  }
  return sign === '-' ? -value : value
}

/** Digits of all scripts as 0 to 9: they come in runs of ten, each in order. */
function asciiDigits(text: string): string {
  return text.replace(/(?![0-9])\p{Nd}/gu, (digit) => {
    const code = digit.codePointAt(0) ?? 0
    let start = code
    while (/\p{Nd}/u.test(String.fromCodePoint(start - 1))) start--
    return String((code - start) % 10)
  })
}

const FLOAT_TEXT = /^[-+]?(?:(?:\d+(?:_\d+)*)?\.?(?:\d+(?:_\d+)*)?(?:e[-+]?\d+(?:_\d+)*)?)$/i

/** Python's `float(text)`; undefined if it is not one. */
function parseFloatText(text: string): number | undefined {
  const body = asciiDigits(strip(text, null, 'both').toLowerCase())
  const special = /^([-+]?)(inf(?:inity)?|nan)$/.exec(body)
  if (special) return special[2] === 'nan' ? NaN : special[1] === '-' ? -Infinity : Infinity
  if (!FLOAT_TEXT.test(body) || !/^[-+]?\.?\d/.test(body)) return undefined
  return Number(body.replaceAll('_', ''))
}

function toInteger(env: Environment, value: Value, args: Arguments): Value {
  const [fallback = 0n, base] = take(args, 'int', ['default', 'base'])
  if (value instanceof Undefined) fail(value.failure, value.message)
  if (typeof value === 'boolean') return value ? 1n : 0n
  if (typeof value === 'bigint') return value
  if (typeof value === 'number') return whole(value, fallback, false)
  if (!isText(value)) return fallback
  env.budget.integer(textOf(value).length * 4)
  const integer = parseInteger(textOf(value), wantInteger(base, 10))
  if (integer !== undefined) return integer
  const float = parseFloatText(textOf(value))
  return float === undefined ? fallback : whole(float, fallback, true)
}

/** The whole part; an infinity that was a number already is Python's OverflowError, one read from a text the default. */
function whole(value: number, fallback: Value, isFromText: boolean): Value {
  if (Number.isFinite(value)) return BigInt(Math.trunc(value))
  if (Number.isNaN(value) || isFromText) return fallback
  return fail('OverflowError', 'cannot convert float infinity to integer')
}

function toFloat(_env: Environment, value: Value, args: Arguments): Value {
  const [fallback = 0] = take(args, 'float', ['default'])
  if (value instanceof Undefined) fail(value.failure, value.message)
  if (isNumber(value)) return Number(numeric(value))
  return (isText(value) ? parseFloatText(textOf(value)) : undefined) ?? fallback
}

function round(env: Environment, value: Value, args: Arguments): Value {
  const [precision, method] = take(args, 'round', ['precision', 'method'])
  const how = method === undefined ? 'common' : wantText(method, 'method')
  const digits = wantInteger(precision, 0)
  if (!['common', 'ceil', 'floor'].includes(how)) {
    fail('FilterArgumentError', 'method must be common, ceil or floor')
  }
  if (!isNumber(value)) {
    fail('TypeError', `type ${typeName(value)} doesn't define __round__ method`)
  }
  const number = numeric(value)
  if (how === 'common') {
    if (typeof number === 'number') return roundFloat(number, digits)
    if (digits >= 0) return number
    env.budget.integer(-digits * 4)
    const unit = 10n ** BigInt(-digits)
    const size = divideHalfEven(number < 0n ? -number : number, unit) * unit
    return number < 0n ? -size : size
  }
  const unit = binary('**', 10n, BigInt(digits), env.budget)
  const scaled = binary('*', number, unit, env.budget)
  const cut = how === 'ceil' ? Math.ceil(Number(scaled)) : Math.floor(Number(scaled))
  return binary('/', BigInt(cut), unit, env.budget)
}

const SIZE_PREFIXES = ['k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y']

function fileSize(env: Environment, value: Value, args: Arguments): Value {
  const isBinary = wantFlag(take(args, 'filesizeformat', ['binary'])[0])
  const parsed = isText(value) ? parseFloatText(textOf(value)) : undefined
  const bytes = isNumber(value) ? Number(numeric(value)) : parsed
  if (value instanceof Undefined) fail(value.failure, value.message)
  if (bytes === undefined) {
    return isText(value)
      ? fail('ValueError', `could not convert string to float: ${quote(textOf(value), env.budget)}`)
      : fail(
          'TypeError',
          `float() argument must be a string or a real number, not '${typeName(value)}'`,
        )
  }
  const base = isBinary ? 1024 : 1000
  if (bytes === 1) return '1 Byte'
  if (bytes < base) return `${Math.trunc(bytes)} Bytes`
  let at = 0
  while (at < SIZE_PREFIXES.length - 1 && bytes >= base ** (at + 2)) at++
  const letter = SIZE_PREFIXES[at] as string
  const unit = isBinary ? `${letter.toUpperCase()}iB` : `${letter}B`
  return `${fixed((base * bytes) / base ** (at + 2), 1, env.budget)} ${unit}`
}
