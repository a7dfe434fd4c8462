/** Equality, order, truth and membership as Python has them: `1 == 1.0 == True`, and no order between kinds. */
import { fail } from './failure.ts'
import type { Budget } from './limits.ts'
import { iterate } from './sequences.ts'
import {
  Dict,
  DictView,
  hashOf,
  isNumber,
  isText,
  Range,
  textOf,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

export function isTrue(value: Value): boolean {
  if (value === null || value instanceof Undefined) return false
  if (typeof value !== 'object') return Boolean(value)
  if (Array.isArray(value)) return value.length > 0
  if (isText(value)) return textOf(value) !== ''
  if (value instanceof Tuple) return value.items.length > 0
  if (value instanceof Dict) return value.size > 0
  if (value instanceof DictView) return value.dict.size > 0
  if (value instanceof Range) return value.length > 0
  return true
}

export function isEqual(a: Value, b: Value, budget: Budget): boolean {
  budget.step()
  if (a === b) return true
  if (isNumber(a) && isNumber(b)) return numeric(a) == numeric(b) // eslint-disable-line eqeqeq -- 1n and 1 are equal here
  if (isText(a) && isText(b)) {
    budget.read(textOf(a).length)
    return textOf(a) === textOf(b)
  }
  if (a instanceof Undefined) return b instanceof Undefined
  if (Array.isArray(a)) return Array.isArray(b) && sameItems(a, b, budget)
  if (a instanceof Tuple) return b instanceof Tuple && sameItems(a.items, b.items, budget)
  if (a instanceof Dict) return b instanceof Dict && sameEntries(a, b, budget)
  if (a instanceof Range && b instanceof Range) {
    return a.length === b.length && (a.length === 0 || (a.start === b.start && a.step === b.step))
  }
  return false
}

function sameItems(a: readonly Value[], b: readonly Value[], budget: Budget): boolean {
  budget.enter()
  const isSame = a.length === b.length && a.every((item, i) => isEqual(item, b[i] as Value, budget))
  budget.leave()
  return isSame
}

function sameEntries(a: Dict, b: Dict, budget: Budget): boolean {
  if (a.size !== b.size) return false
  budget.enter()
  let isSame = true
  for (const [key, value] of a.entries()) {
    const other = b.get(key)
    isSame &&= other !== undefined && isEqual(value, other, budget)
  }
  budget.leave()
  return isSame
}

export type Order = '<' | '<=' | '>' | '>='

/** `a < b` and its sisters. Throws the TypeError of Python where the two kinds have no order. */
export function isOrdered(a: Value, b: Value, order: Order, budget: Budget): boolean {
  const sign = compare(a, b, order, budget)
  if (sign === undefined) return false // NaN
  if (order === '<') return sign < 0
  if (order === '<=') return sign <= 0
  return order === '>' ? sign > 0 : sign >= 0
}

/** Negative, zero or positive; undefined if one is NaN. */
export function compare(a: Value, b: Value, order: Order, budget: Budget): number | undefined {
  budget.step()
  if (isNumber(a) && isNumber(b)) {
    const [x, y] = [numeric(a), numeric(b)]
    return x < y ? -1 : x > y ? 1 : x == y ? 0 : undefined // eslint-disable-line eqeqeq -- mixes bigint and number
  }
  if (isText(a) && isText(b)) return compareTexts(textOf(a), textOf(b), budget)
  for (const side of [a, b]) if (side instanceof Undefined) fail(side.failure, side.message)
  if (Array.isArray(a) && Array.isArray(b)) return compareItems(a, b, order, budget)
  if (a instanceof Tuple && b instanceof Tuple) {
    return compareItems(a.items, b.items, order, budget)
  }
  return fail(
    'TypeError',
    `'${order}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`,
  )
}

/** By code point: UTF-16 order would put 🙂 before U+FFFD. */
function compareTexts(a: string, b: string, budget: Budget): number {
  budget.read(Math.min(a.length, b.length))
  let i = 0
  while (i < a.length && i < b.length && a.charCodeAt(i) === b.charCodeAt(i)) i++
  if (i === a.length || i === b.length) return a.length - b.length
  const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)]
  const [xSurrogate, ySurrogate] = [isSurrogate(x), isSurrogate(y)]
  return xSurrogate === ySurrogate ? x - y : xSurrogate ? 1 : -1
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff
}

function compareItems(a: readonly Value[], b: readonly Value[], order: Order, budget: Budget) {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i] as Value, b[i] as Value]
    if (!isEqual(x, y, budget)) {
      budget.enter()
      const sign = compare(x, y, order, budget)
      budget.leave()
      return sign
    }
  }
  return a.length - b.length
}

/** `item in container`. */
export function isIn(item: Value, container: Value, budget: Budget): boolean {
  if (isText(container)) {
    if (!isText(item)) {
      fail('TypeError', `'in <string>' requires string as left operand, not ${typeName(item)}`)
    }
    budget.search(textOf(container), textOf(item))
    return textOf(container).includes(textOf(item))
  }
  const dict =
    container instanceof DictView && container.part === 'keys' ? container.dict : container
  if (dict instanceof Dict) {
    if (hashOf(item) === undefined) fail('TypeError', `unhashable type: '${typeName(item)}'`)
    return dict.has(item)
  }
  const items = iterate(
    container,
    budget,
    () => `argument of type '${typeName(container)}' is not iterable`,
  )
  for (const other of items) if (isEqual(other, item, budget)) return true
  return false
}

/** Booleans as the integers they are. */
export function numeric(value: boolean | bigint | number): bigint | number {
  return typeof value === 'boolean' ? (value ? 1n : 0n) : value
}
