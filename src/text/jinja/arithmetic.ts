/** `+ - * / // % **` and their signs, on Python's numbers, texts and lists. */
import { numeric } from './compare.ts'
import { fail } from './failure.ts'
import { formatPercent } from './format-percent.ts'
import type { Budget } from './limits.ts'
import { escapeHtml } from './markup.ts'
import {
  isNumber,
  isText,
  Markup,
  textOf,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

export type BinaryOperator = '+' | '-' | '*' | '/' | '//' | '%' | '**'

export function binary(operator: BinaryOperator, a: Value, b: Value, budget: Budget): Value {
  if (operator === '%' && isText(a)) return formatPercent(a, b, budget)
  for (const side of [a, b]) if (side instanceof Undefined) fail(side.failure, side.message)
  if (isNumber(a) && isNumber(b)) return arithmetic(operator, numeric(a), numeric(b), budget)
  const result =
    operator === '+' ? add(a, b, budget) : operator === '*' ? repeat(a, b, budget) : undefined
  return result ?? unsupported(operator, a, b)
}

export function negative(value: Value): Value {
  if (value instanceof Undefined) fail(value.failure, value.message)
  if (!isNumber(value)) fail('TypeError', `bad operand type for unary -: '${typeName(value)}'`)
  return -numeric(value)
}

export function positive(value: Value): Value {
  if (value instanceof Undefined) fail(value.failure, value.message)
  if (!isNumber(value)) fail('TypeError', `bad operand type for unary +: '${typeName(value)}'`)
  return numeric(value)
}

function unsupported(operator: BinaryOperator, a: Value, b: Value): never {
  const [left, right] = [typeName(a), typeName(b)]
  if (operator === '+' && (isText(a) || Array.isArray(a) || a instanceof Tuple)) {
    fail('TypeError', `can only concatenate ${left} (not "${right}") to ${left}`)
  }
  if (operator === '*' && (isSequence(a) || isSequence(b))) {
    fail(
      'TypeError',
      `can't multiply sequence by non-int of type '${isSequence(a) ? right : left}'`,
    )
  }
  const shown = operator === '**' ? '** or pow()' : operator
  return fail('TypeError', `unsupported operand type(s) for ${shown}: '${left}' and '${right}'`)
}

function isSequence(value: Value): value is string | Markup | Value[] | Tuple {
  return isText(value) || Array.isArray(value) || value instanceof Tuple
}

function add(a: Value, b: Value, budget: Budget): Value | undefined {
  if (isText(a) && isText(b)) {
    budget.allocate(textOf(a).length + textOf(b).length)
    if (typeof a === 'string' && typeof b === 'string') return a + b
    return new Markup(escapeHtml(a) + escapeHtml(b))
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    budget.allocate((a.length + b.length) * 8)
    return [...a, ...b]
  }
  if (a instanceof Tuple && b instanceof Tuple) {
    budget.allocate((a.items.length + b.items.length) * 8)
    return new Tuple([...a.items, ...b.items])
  }
  return undefined
}

function repeat(a: Value, b: Value, budget: Budget): Value | undefined {
  if (!isSequence(a)) return isSequence(b) ? repeat(b, a, budget) : undefined
  if (typeof b !== 'bigint' && typeof b !== 'boolean') return undefined
  const times = Math.max(Number(b), 0)
  if (isText(a)) {
    budget.allocate(textOf(a).length * times)
    const text = textOf(a).repeat(textOf(a) === '' ? 0 : times)
    return typeof a === 'string' ? text : new Markup(text)
  }
  const items = Array.isArray(a) ? a : a.items
  budget.allocate(items.length * times * 8)
  const all: Value[] = []
  if (items.length > 0) for (let i = 0; i < times; i++) all.push(...items)
  return Array.isArray(a) ? all : new Tuple(all)
}

function arithmetic(
  operator: BinaryOperator,
  a: bigint | number,
  b: bigint | number,
  budget: Budget,
) {
  if (typeof a === 'bigint' && typeof b === 'bigint') return integers(operator, a, b, budget)
  return floats(operator, Number(a), Number(b))
}

function integers(operator: BinaryOperator, a: bigint, b: bigint, budget: Budget): Value {
  switch (operator) {
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      budget.integer(bitsOf(a) + bitsOf(b))
      return a * b
    case '/':
      if (b === 0n) fail('ZeroDivisionError', 'division by zero')
      return Number(a) / Number(b)
    case '//':
      if (b === 0n) fail('ZeroDivisionError', 'integer division or modulo by zero')
      return (a - floorModulo(a, b)) / b
    case '%':
      if (b === 0n) fail('ZeroDivisionError', 'integer modulo by zero')
      return floorModulo(a, b)
    case '**':
      if (b < 0n) return floats('**', Number(a), Number(b))
      if (a !== 0n && a !== 1n && a !== -1n) budget.integer(bitsOf(a) * Number(b))
      return a ** b
  }
}

function bitsOf(value: bigint): number {
  return value === 0n ? 0 : (value < 0n ? -value : value).toString(16).length * 4
}

/** The remainder with the sign of the divisor. */
function floorModulo(a: bigint, b: bigint): bigint {
  const rest = a % b
  return rest !== 0n && rest < 0n !== b < 0n ? rest + b : rest
}

function floats(operator: BinaryOperator, a: number, b: number): number {
  switch (operator) {
    case '+':
      return a + b
    case '-':
      return a - b
    case '*':
      return a * b
    case '/':
      return b === 0 ? fail('ZeroDivisionError', 'float division by zero') : a / b
    case '//':
      if (b === 0) fail('ZeroDivisionError', 'float floor division by zero')
      return floorDivide(a, b)
    case '%':
      return b === 0 ? fail('ZeroDivisionError', 'float modulo') : floatModulo(a, b)
    case '**':
      return power(a, b)
  }
}

function floatModulo(a: number, b: number): number {
  const rest = a % b
  if (rest !== 0) return rest < 0 !== b < 0 ? rest + b : rest
  return b < 0 ? -0 : 0
}

/** From the exact remainder: rounding a / b first would give 10 for 1 // 0.1, Python says 9. */
function floorDivide(a: number, b: number): number {
  const quotient = (a - floatModulo(a, b)) / b
  if (quotient === 0) return a / b < 0 || Object.is(a / b, -0) ? -0 : 0
  const floor = Math.floor(quotient)
  return quotient - floor > 0.5 ? floor + 1 : floor
}

function power(a: number, b: number): number {
  if (a === 0 && b < 0) fail('ZeroDivisionError', '0.0 cannot be raised to a negative power')
  if (a < 0 && Number.isFinite(a) && Number.isFinite(b) && !Number.isInteger(b)) {
    fail('Unsupported', 'complex numbers are not supported')
  }
  if (a === 1) return 1 // also 1 ** nan, where JavaScript says NaN
  const result = a ** b
  if (!Number.isFinite(result) && Number.isFinite(a) && Number.isFinite(b)) {
    fail('OverflowError', "(34, 'Numerical result out of range')")
  }
  return result
}
