/** Walking, counting, indexing and slicing of Python's sequences. */
import { fail } from './failure.ts'
import type { Budget } from './limits.ts'
import { codePoints, cut, lengthOf } from './python-text.ts'
import {
  Dict,
  DictView,
  isText,
  Iteration,
  Markup,
  Range,
  textOf,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

/** The items of anything that a `for` may walk; a step each. Throws Python's TypeError for the rest. */
export function* iterate(
  value: Value,
  budget: Budget,
  message = () => `'${typeName(value)}' object is not iterable`,
): IterableIterator<Value> {
  for (const item of itemsOf(value) ?? fail('TypeError', message())) {
    budget.step()
    yield item
  }
}

function itemsOf(value: Value): Iterable<Value> | undefined {
  if (Array.isArray(value)) return value
  if (isText(value)) return codePoints(textOf(value))
  if (value instanceof Tuple) return value.items
  if (value instanceof Dict) return value.keys()
  if (value instanceof DictView) return value
  if (value instanceof Undefined) return []
  if (value instanceof Range) return rangeItems(value)
  // Not the iterator's own protocol: leaving a `for … of` early would close it, and Python's goes on.
  if (value instanceof Iteration) return drained(value.iterator)
  return undefined
}

function* rangeItems(range: Range): IterableIterator<Value> {
  for (let i = 0; i < range.length; i++) yield range.at(i)
}

function* drained(iterator: Iterator<Value>): IterableIterator<Value> {
  for (let next = iterator.next(); next.done !== true; next = iterator.next()) yield next.value
}

export function isIterable(value: Value): boolean {
  return itemsOf(value) !== undefined
}

export function toList(value: Value, budget: Budget): Value[] {
  return [...iterate(value, budget)]
}

/** `len(value)`; undefined for what has none. */
export function sizeOf(value: Value): number | undefined {
  if (Array.isArray(value)) return value.length
  if (isText(value)) return lengthOf(textOf(value))
  if (value instanceof Tuple) return value.items.length
  if (value instanceof Dict) return value.size
  if (value instanceof DictView) return value.dict.size
  if (value instanceof Range) return value.length
  return value instanceof Undefined ? 0 : undefined
}

/** `value[index]` of a list, tuple, text or range; undefined where it is out of range or has no such items. */
export function itemAt(value: Value, index: Value): Value | undefined {
  if (typeof index === 'boolean') return itemAt(value, index ? 1n : 0n)
  if (typeof index !== 'bigint') return undefined
  const size = sizeOf(value)
  if (size === undefined) return undefined
  const at = Number(index) < 0 ? Number(index) + size : Number(index)
  if (at < 0 || at >= size) return undefined
  if (Array.isArray(value)) return value[at]
  if (value instanceof Tuple) return value.items[at]
  if (value instanceof Range) return value.at(at)
  if (value instanceof Markup) return new Markup(cut(value.text, at, at + 1))
  return typeof value === 'string' ? cut(value, at, at + 1) : undefined
}

export interface SliceBounds {
  readonly start: Value
  readonly stop: Value
  readonly step: Value
}

/** `value[start:stop:step]`; undefined for what cannot be sliced. */
export function sliceOf(value: Value, bounds: SliceBounds, budget: Budget): Value | undefined {
  if (!(Array.isArray(value) || isText(value) || value instanceof Tuple || value instanceof Range))
    return undefined
  const size = sizeOf(value) ?? 0
  const step = bound(bounds.step) ?? 1
  if (step === 0) fail('ValueError', 'slice step cannot be zero')
  const [low, high] = step > 0 ? [0, size] : [-1, size - 1]
  const clamp = (b: number) => Math.min(Math.max(b < 0 ? b + size : b, low), high)
  const given = { start: bound(bounds.start), stop: bound(bounds.stop) }
  const start = given.start === undefined ? (step > 0 ? low : high) : clamp(given.start)
  const stop = given.stop === undefined ? (step > 0 ? high : low) : clamp(given.stop)
  budget.allocate(size)
  if (isText(value) && step === 1) return rewrap(value, cut(textOf(value), start, stop))
  const picked: number[] = []
  for (let i = start; step > 0 ? i < stop : i > stop; i += step) picked.push(i)
  if (isText(value)) {
    const points = codePoints(textOf(value))
    return rewrap(value, picked.map((i) => points[i]).join(''))
  }
  if (value instanceof Range) {
    const from = value.start + value.step * BigInt(start)
    const stride = value.step * BigInt(step)
    return new Range(from, from + stride * BigInt(picked.length), stride, picked.length)
  }
  const items = picked.map((i) => (Array.isArray(value) ? value[i] : value.items[i]) as Value)
  return Array.isArray(value) ? items : new Tuple(items)
}

function rewrap(like: string | Markup, text: string): string | Markup {
  return typeof like === 'string' ? text : new Markup(text)
}

function bound(value: Value): number | undefined {
  if (value === null) return undefined
  if (typeof value === 'boolean') return value ? 1 : 0
  if (typeof value === 'bigint') return Number(value)
  return fail('TypeError', 'slice indices must be integers or None or have an __index__ method')
}
