/**
 * `tojson` as transformers overrides it: Python's `json.dumps`, nothing escaped for HTML.
 *
 *   separators ", " and ": "; with an indent "," and ": "; floats as Python prints them; not ASCII only
 */
import { take, wantFlag } from './arguments.ts'
import { compare } from './compare.ts'
import type { Environment } from './environment.ts'
import { fail } from './failure.ts'
import { formatFloat } from './print.ts'
import { Dict, isText, textOf, Tuple, typeName, type Arguments, type Value } from './values.ts'

interface Style {
  readonly isAscii: boolean
  readonly indent: string | null
  readonly item: string
  readonly key: string
  readonly isSorted: boolean
}

export function toJson(env: Environment, value: Value, args: Arguments): string {
  const names = ['ensure_ascii', 'indent', 'separators', 'sort_keys']
  const [ascii, indent = null, separators = null, sorted] = take(args, 'tojson', names)
  const [item, key] = separatorPair(separators, indent)
  const style = {
    isAscii: wantFlag(ascii),
    indent: indentText(env, indent),
    item,
    key,
    isSorted: wantFlag(sorted),
  }
  return write(env, value, style, '\n')
}

function separatorPair(separators: Value, indent: Value): [string, string] {
  if (separators === null) return [indent === null ? ', ' : ',', ': ']
  const items = separators instanceof Tuple ? separators.items : separators
  if (Array.isArray(items) && items.length === 2) {
    const [item = null, key = null] = items as Value[]
    if (isText(item) && isText(key)) return [textOf(item), textOf(key)]
  }
  return fail('ValueError', 'separators must be a pair of texts')
}

function indentText(env: Environment, indent: Value): string | null {
  if (indent === null) return null
  if (isText(indent)) return textOf(indent)
  const count = Math.max(Number(typeof indent === 'boolean' ? Number(indent) : indent), 0)
  if (!Number.isInteger(count))
    fail('TypeError', `indent must be int or str, not ${typeName(indent)}`)
  env.budget.allocate(count)
  return ' '.repeat(count)
}

function write(env: Environment, value: Value, style: Style, newline: string): string {
  env.budget.step()
  if (value === null) return 'null'
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'number') return float(value)
  if (isText(value)) return quoted(env, textOf(value), style.isAscii)
  const items = value instanceof Tuple ? value.items : value
  if (Array.isArray(items)) {
    return wrapped(env, '[', ']', items as Value[], style, newline, (item, inner) =>
      write(env, item, style, inner),
    )
  }
  if (!(value instanceof Dict)) {
    return fail('TypeError', `Object of type ${typeName(value)} is not JSON serializable`)
  }
  const entries = [...value.entries()]
  if (style.isSorted) {
    entries.sort(([a], [b]) => compare(a, b, '<', env.budget) ?? 0)
  }
  return wrapped(env, '{', '}', entries, style, newline, ([key, item], inner) => {
    const name = quoted(env, keyText(key), style.isAscii)
    return name + style.key + write(env, item, style, inner)
  })
}

function wrapped<T>(
  env: Environment,
  open: string,
  close: string,
  items: readonly T[],
  style: Style,
  newline: string,
  writeItem: (item: T, newline: string) => string,
): string {
  if (items.length === 0) return open + close
  const inner = style.indent === null ? newline : newline + style.indent
  const [before, between, after] =
    style.indent === null ? ['', style.item, ''] : [inner, style.item + inner, newline]
  env.budget.enter()
  const body = items.map((item) => writeItem(item, inner)).join(between)
  env.budget.leave()
  env.budget.allocate(body.length)
  return open + before + body + after + close
}

function float(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity'
  return formatFloat(value)
}

function keyText(key: Value): string {
  if (isText(key)) return textOf(key)
  if (key === null) return 'null'
  if (typeof key === 'boolean') return key ? 'true' : 'false'
  if (typeof key === 'bigint') return key.toString()
  if (typeof key === 'number') return float(key)
  return fail('TypeError', `keys must be str, int, float, bool or None, not ${typeName(key)}`)
}

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\f': '\\f',
  '\b': '\\b',
}

function quoted(env: Environment, text: string, isAscii: boolean): string {
  env.budget.read(text.length)
  // eslint-disable-next-line no-control-regex -- control characters are what JSON escapes
  const special = isAscii ? /["\\\x00-\x1f]|[^\x00-\x7f]/g : /["\\\x00-\x1f]/g
  const body = text.replace(
    special,
    (c) => SHORT[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
  return `"${body}"`
}
