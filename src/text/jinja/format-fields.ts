/** `'{} {name!r:>10}'.format(…)`: field-style formatting of texts, attributes and items by the sandbox's rules. */
import { getAttribute, getItem } from './attributes.ts'
import { numeric } from './compare.ts'
import type { Environment } from './environment.ts'
import { fail } from './failure.ts'
import { exponential, fixed, general } from './format-number.ts'
import { formatFloat, repr, toText } from './print.ts'
import { cut, lengthOf } from './python-text.ts'
import { isText, typeName, Undefined, type Arguments, type Value } from './values.ts'

export function formatFields(env: Environment, template: string, args: Arguments): string {
  const numbering = { next: 0 }
  const text = expand(env, template, args, numbering, 2)
  env.budget.allocate(text.length)
  return text
}

/** The template with its fields filled in; `depth` levels of fields inside fields. */
function expand(
  env: Environment,
  template: string,
  args: Arguments,
  numbering: { next: number },
  depth: number,
): string {
  if (depth < 0) fail('ValueError', 'Max string recursion exceeded')
  let out = ''
  let i = 0
  while (i < template.length) {
    const c = template[i] as string
    if (c !== '{' && c !== '}') {
      out += c
      i++
    } else if (template[i + 1] === c) {
      out += c
      i += 2
    } else if (c === '}') fail('ValueError', "Single '}' encountered in format string")
    else {
      const end = fieldEnd(template, i + 1)
      const value = field(env, template.slice(i + 1, end), args, numbering, depth)
      env.budget.allocate(value.length)
      out += value
      i = end + 1
    }
  }
  return out
}

function fieldEnd(template: string, from: number): number {
  let open = 1
  for (let i = from; i < template.length; i++) {
    if (template[i] === '{') open++
    else if (template[i] === '}' && --open === 0) return i
  }
  return from === template.length
    ? fail('ValueError', "Single '{' encountered in format string")
    : fail('ValueError', "expected '}' before end of string")
}

const FIELD =
  /^(?<first>[^.[!:]*)(?<path>(?:\.[^.[!:]+|\[[^\]]+\])*)(?:!(?<conversion>[^:]))?(?::(?<spec>[^]*))?$/

function field(
  env: Environment,
  text: string,
  args: Arguments,
  numbering: { next: number },
  depth: number,
): string {
  const groups = FIELD.exec(text)?.groups
  if (groups === undefined) return fail('ValueError', `bad field '${text}' in format string`)
  let value = argument(groups.first ?? '', args, numbering)
  for (const [, name, key] of (groups.path ?? '').matchAll(/\.([^.[]+)|\[([^\]]+)\]/g)) {
    if (name !== undefined) value = getAttribute(env, value, name)
    else if (key !== undefined) value = getItem(env, value, /^\d+$/.test(key) ? BigInt(key) : key)
  }
  if (groups.conversion === 'r' || groups.conversion === 'a') value = repr(value, env.budget)
  else if (groups.conversion === 's') value = toText(value, env.budget)
  const spec = expand(env, groups.spec ?? '', args, numbering, depth - 1)
  return formatValue(env, value, spec)
}

function argument(first: string, args: Arguments, numbering: { next: number }): Value {
  const isIndex = first === '' || /^\d+$/.test(first)
  const index = first === '' ? numbering.next++ : Number(first)
  const value = isIndex ? args.positional[index] : args.keyword.get(first)
  if (value !== undefined) return value
  return isIndex
    ? fail('IndexError', `Replacement index ${index} out of range for positional args tuple`)
    : fail('KeyError', `'${first}'`)
}

const SPEC =
  /^(?:(?<fill>[^])?(?<align>[<>=^]))?(?<sign>[-+ ])?(?<alt>#)?(?<zero>0)?(?<width>\d+)?(?<group>[,_])?(?:\.(?<precision>\d+))?(?<type>[a-zA-Z%])?$/u

function formatValue(env: Environment, value: Value, spec: string): string {
  if (spec === '') return toText(value, env.budget)
  if (value instanceof Undefined)
    fail('TypeError', 'unsupported format string passed to Undefined.__format__')
  const groups = SPEC.exec(spec)?.groups
  if (groups === undefined) return fail('ValueError', `Invalid format specifier '${spec}'`)
  const isPlain = isText(value) || typeof value === 'boolean'
  if (!isPlain && typeof value !== 'bigint' && typeof value !== 'number') {
    return fail('TypeError', `unsupported format string passed to ${typeName(value)}.__format__`)
  }
  const width = Number(groups.width ?? 0)
  env.budget.allocate(width)
  if (isText(value)) {
    if (groups.type !== undefined && groups.type !== 's') {
      const code = groups.type
      fail('ValueError', `Unknown format code '${code}' for object of type 'str'`)
    }
    const text = toText(value, env.budget)
    const body = groups.precision === undefined ? text : cut(text, 0, Number(groups.precision))
    return align('', body, groups.align ?? '<', groups.fill ?? (groups.zero ? '0' : ' '), width)
  }
  const number = numeric(value)
  const isNegative = number < 0 || Object.is(number, -0)
  const sign = isNegative ? '-' : groups.sign === '+' || groups.sign === ' ' ? groups.sign : ''
  const digits = numberBody(env, number, groups)
  const fill = groups.fill ?? (groups.zero ? '0' : ' ')
  return align(sign, digits, groups.align ?? (groups.zero ? '=' : '>'), fill, width)
}

type Groups = Record<string, string | undefined>

function numberBody(env: Environment, number: bigint | number, groups: Groups): string {
  const type = groups.type ?? ''
  if (typeof number === 'bigint' && (type === '' || 'bcdoxXn'.includes(type))) {
    return integerBody(number, type, groups)
  }
  const value = Math.abs(Number(number))
  const precision = groups.precision === undefined ? 6 : Number(groups.precision)
  const lower = type.toLowerCase()
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : 'inf'
  if (lower === 'f') return grouped(fixed(value, precision, env.budget), groups.group)
  if (type === '%') return `${grouped(fixed(value * 100, precision, env.budget), groups.group)}%`
  const text =
    lower === 'e'
      ? exponential(value, precision, env.budget)
      : lower === 'g' || lower === 'n' || groups.precision !== undefined
        ? general(value, precision, groups.alt !== undefined, env.budget)
        : type === ''
          ? formatFloat(value)
          : fail('ValueError', `Unknown format code '${type}' for object of type 'float'`)
  return grouped(type === lower ? text : text.toUpperCase(), groups.group)
}

const RADIX: Readonly<Record<string, number>> = { b: 2, o: 8, x: 16, X: 16 }

function integerBody(number: bigint, type: string, groups: Groups): string {
  if (groups.precision !== undefined) {
    fail('ValueError', 'Precision not allowed in integer format specifier')
  }
  if (type === 'c') return String.fromCodePoint(Number(number))
  const digits = (number < 0n ? -number : number).toString(RADIX[type] ?? 10)
  const prefix = groups.alt && RADIX[type] ? `0${type}` : ''
  return prefix + grouped(type === 'X' ? digits.toUpperCase() : digits, groups.group)
}

function grouped(text: string, mark: string | undefined): string {
  if (mark === undefined) return text
  return text.replace(/^\d+/, (digits) => digits.replace(/\B(?=(?:\d{3})+$)/g, mark))
}

function align(sign: string, body: string, how: string, fill: string, width: number): string {
  const missing = width - lengthOf(sign + body)
  if (missing <= 0) return sign + body
  if (how === '=') return sign + fill.repeat(missing) + body
  if (how === '<') return sign + body + fill.repeat(missing)
  if (how === '>') return fill.repeat(missing) + sign + body
  const left = missing >> 1
  return fill.repeat(left) + sign + body + fill.repeat(missing - left)
}
