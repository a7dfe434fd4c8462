/** Filters on lists, dicts and whatever else can be walked. `map`, `select` and their kind are lazy and walk once. */
import { take, wantFlag, wantInteger, wantText } from './arguments.ts'
import { binary } from './arithmetic.ts'
import {
  attributePath,
  entriesOrFail,
  followPath,
  getOnlyAttribute,
  lengthOrFail,
} from './attributes.ts'
import { compare, isEqual, isTrue } from './compare.ts'
import type { Environment, Filter } from './environment.ts'
import { fail } from './failure.ts'
import { isIterable, itemAt, iterate, sizeOf, sliceOf, toList } from './sequences.ts'
import {
  Dict,
  hashOf,
  isText,
  Iteration,
  textOf,
  Tuple,
  typeName,
  Undefined,
  type Arguments,
  type Value,
} from './values.ts'

export const SEQUENCE_FILTERS: readonly (readonly [string, Filter])[] = [
  ['length', (_env, value) => BigInt(lengthOrFail(value))],
  ['count', (_env, value) => BigInt(lengthOrFail(value))],
  ['default', fallBack],
  ['d', fallBack],
  ['list', (env, value) => toList(value, env.budget)],
  ['first', (env, value) => first(env, value)],
  ['last', last],
  ['reverse', reverse],
  ['items', items],
  ['attr', (env, value, args) => attr(env, value, args)],
  ['map', (env, value, args) => lazy(map(env, value, args))],
  ['select', (env, value, args) => lazy(filter(env, value, args, true, false))],
  ['reject', (env, value, args) => lazy(filter(env, value, args, false, false))],
  ['selectattr', (env, value, args) => lazy(filter(env, value, args, true, true))],
  ['rejectattr', (env, value, args) => lazy(filter(env, value, args, false, true))],
  ['unique', (env, value, args) => lazy(unique(env, value, args))],
  ['batch', (env, value, args) => lazy(batch(env, value, args))],
  ['slice', (env, value, args) => lazy(slices(env, value, args))],
  ['sort', sort],
  ['dictsort', dictSort],
  ['groupby', groupBy],
  ['min', (env, value, args) => extreme(env, value, args, 'min')],
  ['max', (env, value, args) => extreme(env, value, args, 'max')],
  ['sum', sum],
]

function lazy(iterator: Iterator<Value>): Iteration {
  return new Iteration(iterator)
}

function fallBack(_env: Environment, value: Value, args: Arguments): Value {
  const [fallback = '', isForFalse] = take(args, 'default', ['default_value', 'boolean'])
  const isMissing = value instanceof Undefined || (wantFlag(isForFalse) && !isTrue(value))
  return isMissing ? fallback : value
}

function first(env: Environment, value: Value): Value {
  for (const item of iterate(value, env.budget)) return item
  return new Undefined('No first item, sequence was empty.')
}

function last(env: Environment, value: Value): Value {
  const size = sizeOf(value)
  if (size === undefined) return fail('TypeError', `'${typeName(value)}' object is not reversible`)
  const isIndexed = isText(value) || Array.isArray(value) || value instanceof Tuple
  const item = isIndexed ? itemAt(value, -1n) : toList(value, env.budget).at(-1)
  return item ?? (size > 0 ? null : new Undefined('No last item, sequence was empty.'))
}

function reverse(env: Environment, value: Value): Value {
  if (isText(value)) {
    return sliceOf(textOf(value), { start: null, stop: null, step: -1n }, env.budget) ?? ''
  }
  if (!isIterable(value)) return fail('FilterArgumentError', 'argument must be iterable')
  const reversed = toList(value, env.budget).reverse()
  if (value instanceof Iteration) return reversed
  return new Iteration(
    reversed[Symbol.iterator](),
    Array.isArray(value) ? 'list_reverseiterator' : 'reversed',
  )
}

function items(_env: Environment, value: Value): Value {
  if (value instanceof Undefined) return lazy([][Symbol.iterator]())
  if (!(value instanceof Dict)) return fail('TypeError', 'Can only get item pairs from a mapping.')
  return lazy([...value.entries()].map((pair) => new Tuple(pair))[Symbol.iterator]())
}

function attr(env: Environment, value: Value, args: Arguments): Value {
  const name = wantText(take(args, 'attr', ['name'], 1)[0], 'attribute name')
  return getOnlyAttribute(env, value, name)
}

function* map(env: Environment, value: Value, args: Arguments): Generator<Value> {
  if (!isTrue(value)) return
  const change = mapping(env, args)
  for (const item of iterate(value, env.budget)) yield change(item)
}

function mapping(env: Environment, args: Arguments): (item: Value) => Value {
  const attribute = args.keyword.get('attribute')
  const [name, ...rest] = args.positional
  if (name === undefined && attribute !== undefined) {
    for (const key of args.keyword.keys()) {
      if (key !== 'attribute' && key !== 'default') {
        fail('FilterArgumentError', `Unexpected keyword argument '${key}'`)
      }
    }
    const path = attributePath(attribute)
    return (item) => followPath(env, item, path, args.keyword.get('default') ?? null)
  }
  if (name === undefined) return fail('FilterArgumentError', 'map requires a filter argument')
  const inner = { positional: rest, keyword: args.keyword }
  return (item) => env.callFilter(wantText(name, 'filter name'), item, inner)
}

function* filter(
  env: Environment,
  value: Value,
  args: Arguments,
  isWanted: boolean,
  byAttribute: boolean,
): Generator<Value> {
  if (!isTrue(value)) return
  const [attribute, ...afterAttribute] = args.positional
  if (byAttribute && attribute === undefined) {
    fail('FilterArgumentError', 'Missing parameter for attribute name')
  }
  const path = byAttribute ? attributePath(attribute ?? null) : []
  const [test, ...rest] = byAttribute ? afterAttribute : args.positional
  const inner = { positional: rest, keyword: args.keyword }
  for (const item of iterate(value, env.budget)) {
    const subject = followPath(env, item, path)
    const isMatch =
      test === undefined
        ? isTrue(subject)
        : env.callTest(wantText(test, 'test name'), subject, inner)
    if (isMatch === isWanted) yield item
  }
}

/** Texts in small letters, unless case counts. */
function folded(value: Value, isCaseSensitive: boolean): Value {
  return !isCaseSensitive && isText(value) ? textOf(value).toLowerCase() : value
}

function* unique(env: Environment, value: Value, args: Arguments): Generator<Value> {
  const [caseSensitive, attribute = null] = take(args, 'unique', ['case_sensitive', 'attribute'])
  const path = attributePath(attribute)
  const seen = new Set<string>()
  for (const item of iterate(value, env.budget)) {
    const key = folded(followPath(env, item, path), wantFlag(caseSensitive))
    const hash = hashOf(key) ?? fail('TypeError', `unhashable type: '${typeName(key)}'`)
    if (!seen.has(hash)) {
      seen.add(hash)
      yield item
    }
  }
}

function* batch(env: Environment, value: Value, args: Arguments): Generator<Value> {
  const [size, fill = null] = take(args, 'batch', ['linecount', 'fill_with'], 1)
  const count = wantInteger(size, 0)
  let row: Value[] = []
  for (const item of iterate(value, env.budget)) {
    if (row.length === count) {
      yield row
      row = []
    }
    row.push(item)
  }
  if (row.length === 0) return
  if (fill !== null && row.length < count) {
    env.budget.allocate((count - row.length) * 8)
    while (row.length < count) row.push(fill)
  }
  yield row
}

function* slices(env: Environment, value: Value, args: Arguments): Generator<Value> {
  const [slicesGiven, fill = null] = take(args, 'slice', ['slices', 'fill_with'], 1)
  const all = toList(value, env.budget)
  const count = wantInteger(slicesGiven, 0)
  if (count === 0) fail('ZeroDivisionError', 'integer division or modulo by zero')
  const each = Math.floor(all.length / count)
  const longer = all.length % count
  let from = 0
  for (let i = 0; i < count; i++) {
    env.budget.step()
    const to = from + each + (i < longer ? 1 : 0)
    const part = all.slice(from, to)
    if (fill !== null && i >= longer) part.push(fill)
    yield part
    from = to
  }
}

interface Keyed {
  readonly key: Value
  readonly item: Value
}

/** Stable, descending too: equal items keep their order. */
function sorted(env: Environment, items: Keyed[], isReversed: boolean): Value[] {
  env.budget.step(items.length)
  const sign = isReversed ? -1 : 1
  items.sort((a, b) => sign * (compare(a.key, b.key, '<', env.budget) ?? 0))
  return items.map(({ item }) => item)
}

function sort(env: Environment, value: Value, args: Arguments): Value {
  const names = ['reverse', 'case_sensitive', 'attribute']
  const [isReversed, caseSensitive, attribute = null] = take(args, 'sort', names)
  const paths = isText(attribute)
    ? textOf(attribute).split(',').map(attributePath)
    : [attributePath(attribute)]
  const keyed = toList(value, env.budget).map((item) => ({
    key: paths.map((path) => folded(followPath(env, item, path), wantFlag(caseSensitive))),
    item,
  }))
  return sorted(env, keyed, wantFlag(isReversed))
}

function dictSort(env: Environment, value: Value, args: Arguments): Value {
  const names = ['case_sensitive', 'by', 'reverse']
  const [caseSensitive, by = 'key', isReversed] = take(args, 'dictsort', names)
  if (by !== 'key' && by !== 'value') {
    fail('FilterArgumentError', 'You can only sort by either "key" or "value"')
  }
  const keyed = [...entriesOrFail(value)].map(([key, item]) => ({
    key: folded(by === 'key' ? key : item, wantFlag(caseSensitive)),
    item: new Tuple([key, item]),
  }))
  return sorted(env, keyed, wantFlag(isReversed))
}

function groupBy(env: Environment, value: Value, args: Arguments): Value {
  const names = ['attribute', 'default', 'case_sensitive']
  const [attribute = null, fallback = null, caseSensitive] = take(args, 'groupby', names, 1)
  const path = attributePath(attribute)
  const keyOf = (item: Value) => followPath(env, item, path, fallback)
  const keyed = toList(value, env.budget).map((item) => ({
    key: folded(keyOf(item), wantFlag(caseSensitive)),
    item,
  }))
  const groups: { key: Value; items: Value[] }[] = []
  for (const item of sorted(env, keyed, false)) {
    const key = folded(keyOf(item), wantFlag(caseSensitive))
    const group = groups.at(-1)
    if (group !== undefined && isEqual(group.key, key, env.budget)) group.items.push(item)
    else groups.push({ key, items: [item] })
  }
  return groups.map(
    ({ items: group }) => new Tuple([keyOf(group[0] as Value), group], ['grouper', 'list']),
  )
}

function extreme(env: Environment, value: Value, args: Arguments, which: 'min' | 'max'): Value {
  const [caseSensitive, attribute = null] = take(args, which, ['case_sensitive', 'attribute'])
  const path = attributePath(attribute)
  const keyOf = (item: Value) => folded(followPath(env, item, path), wantFlag(caseSensitive))
  const all = toList(value, env.budget)
  if (all.length === 0) return new Undefined('No aggregated item, sequence was empty.')
  const order = which === 'min' ? '<' : '>'
  return all.reduce((best, item) => {
    const sign = compare(keyOf(item), keyOf(best), order, env.budget) ?? 0
    return (which === 'min' ? sign < 0 : sign > 0) ? item : best
  })
}

function sum(env: Environment, value: Value, args: Arguments): Value {
  const [attribute = null, start = 0n] = take(args, 'sum', ['attribute', 'start'])
  if (isText(start)) fail('TypeError', "sum() can't sum strings [use ''.join(seq) instead]")
  const path = attributePath(attribute)
  let total: Value = start
  for (const item of iterate(value, env.budget)) {
    total = binary('+', total, followPath(env, item, path), env.budget)
  }
  return total
}
