/** Filters that give a text. */
import { take, wantFlag, wantInteger, wantText } from './arguments.ts'
import { binary } from './arithmetic.ts'
import { attributePath, entriesOrFail, followPath, lengthOrFail } from './attributes.ts'
import type { Environment, Filter } from './environment.ts'
import { fail } from './failure.ts'
import { toJson } from './json.ts'
import { escapeHtml } from './markup.ts'
import { toText } from './print.ts'
import { capitalize, cut, lengthOf, SPACE, splitLines, strip } from './python-text.ts'
import { iterate, toList } from './sequences.ts'
import { justify, replaced } from './string-methods.ts'
import {
  Dict,
  isText,
  Markup,
  textOf,
  Tuple,
  Undefined,
  type Arguments,
  type Value,
} from './values.ts'

/** A filter without arguments, on whatever the value prints as. */
function onText(name: string, change: (text: string) => Value): [string, Filter] {
  return [
    name,
    (env, value, args) => {
      take(args, name, [])
      const text = toText(value, env.budget)
      env.budget.allocate(text.length)
      return change(text)
    },
  ]
}

export const TEXT_FILTERS: readonly (readonly [string, Filter])[] = [
  onText('upper', (text) => text.toUpperCase()),
  onText('lower', (text) => text.toLowerCase()),
  onText('capitalize', capitalize),
  onText('title', titleWords),
  onText('wordcount', (text) => BigInt(text.match(/[\p{L}\p{N}_]+/gu)?.length ?? 0)),
  onText('forceescape', (text) => new Markup(escapeHtml(text))),
  onText('safe', (text) => new Markup(text)),
  onText('striptags', stripTags),
  ['string', (env, value) => (isText(value) ? value : toText(value, env.budget))],
  ['escape', escape],
  ['e', escape],
  ['trim', trim],
  ['replace', replace],
  ['join', join],
  ['indent', indent],
  ['center', center],
  ['truncate', truncate],
  ['format', format],
  ['tojson', toJson],
  ['urlencode', urlEncode],
  ['xmlattr', xmlAttributes],
]

function titleWords(text: string): string {
  const words = text.split(new RegExp(`([-${SPACE}({\\[<]+)`))
  return words
    .map((word) => {
      const first = cut(word, 0, 1)
      return first.toUpperCase() + word.slice(first.length).toLowerCase()
    })
    .join('')
}

function stripTags(text: string): string {
  const bare = text.replace(/<!--[^]*?-->/g, '').replace(/<[^>]*>/g, '')
  const entities: Record<string, string> = {
    lt: '<',
    gt: '>',
    amp: '&',
    quot: '"',
    '#34': '"',
    '#39': "'",
  }
  return bare
    .split(new RegExp(`[${SPACE}]+`))
    .filter((word) => word !== '')
    .join(' ')
    .replace(/&(lt|gt|amp|quot|#34|#39);/g, (whole, name: string) => entities[name] ?? whole)
}

function escape(env: Environment, value: Value): Value {
  if (value instanceof Markup) return value
  const text = toText(value, env.budget)
  env.budget.allocate(text.length * 5)
  return new Markup(escapeHtml(text))
}

function trim(env: Environment, value: Value, args: Arguments): Value {
  const [characters = null] = take(args, 'trim', ['chars'])
  const text = toText(value, env.budget)
  env.budget.read(text.length)
  return strip(text, characters === null ? null : wantText(characters, 'strip arg'), 'both')
}

function replace(env: Environment, value: Value, args: Arguments): Value {
  const [old = null, by = null, limit = null] = take(args, 'replace', ['old', 'new', 'count'], 2)
  const [text, from, to] = [value, old, by].map((v) => toText(v, env.budget)) as [
    string,
    string,
    string,
  ]
  return replaced(env, text, from, to, limit === null ? -1 : wantInteger(limit, -1))
}

function join(env: Environment, value: Value, args: Arguments): Value {
  const [by = '', attribute = null] = take(args, 'join', ['d', 'attribute'])
  const separator = toText(by, env.budget)
  const path = attributePath(attribute)
  const parts: string[] = []
  for (const item of iterate(value, env.budget)) {
    const part = toText(followPath(env, item, path), env.budget)
    env.budget.allocate(part.length + separator.length)
    parts.push(part)
  }
  return parts.join(separator)
}

function indent(env: Environment, value: Value, args: Arguments): Value {
  const [width = 4n, first, blank] = take(args, 'indent', ['width', 'first', 'blank'])
  const text = textOf(binary('+', value, '\n', env.budget) as string | Markup)
  const margin = isText(width) ? textOf(width) : spaces(env, wantInteger(width, 4))
  const lines = splitLines(text)
  env.budget.allocate(text.length + lines.length * margin.length)
  const isBlankToo = wantFlag(blank)
  const rest = lines.slice(1).map((line) => (line !== '' || isBlankToo ? margin + line : line))
  const result = [(wantFlag(first) ? margin : '') + (lines[0] ?? ''), ...rest].join('\n')
  return value instanceof Markup ? new Markup(result) : result
}

function spaces(env: Environment, count: number): string {
  env.budget.allocate(Math.max(count, 0))
  return ' '.repeat(Math.max(count, 0))
}

function center(env: Environment, value: Value, args: Arguments): Value {
  const [width] = take(args, 'center', ['width'])
  return justify(env, toText(value, env.budget), wantInteger(width, 80), ' ', 'center')
}

function truncate(env: Environment, value: Value, args: Arguments): Value {
  const names = ['length', 'killwords', 'end', 'leeway']
  const [length, killWords, end = '...', leeway = null] = take(args, 'truncate', names)
  const mark = wantText(end, 'truncate end')
  const most = wantInteger(length, 255)
  const grace = leeway === null ? 5 : wantInteger(leeway, 5)
  if (most < lengthOf(mark)) {
    fail('AssertionError', `expected length >= ${lengthOf(mark)}, got ${most}`)
  }
  if (grace < 0) fail('AssertionError', `expected leeway >= 0, got ${grace}`)
  if (lengthOrFail(value) <= most + grace) return value
  const text = wantText(value, 'truncate value')
  env.budget.allocate(text.length)
  const kept = cut(text, 0, most - lengthOf(mark))
  const space = kept.lastIndexOf(' ')
  return (wantFlag(killWords) || space < 0 ? kept : kept.slice(0, space)) + mark
}

function format(env: Environment, value: Value, { positional, keyword }: Arguments): Value {
  if (positional.length > 0 && keyword.size > 0) {
    fail('FilterArgumentError', "can't handle positional and keyword arguments at the same time")
  }
  const text = isText(value) ? value : toText(value, env.budget)
  const values = keyword.size > 0 ? Dict.of(keyword) : new Tuple(positional)
  return binary('%', text, values, env.budget)
}

function urlEncode(env: Environment, value: Value): Value {
  const part = (v: Value, isQuery: boolean) => {
    const text = toText(v, env.budget).replace(/\p{Cs}/gu, '\ufffd')
    env.budget.allocate(text.length * 3)
    const quoted = encodeURIComponent(text).replace(
      /[!'()*]/g,
      (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
    )
    return isQuery ? quoted.replaceAll('%20', '+') : quoted.replaceAll('%2F', '/')
  }
  if (isText(value) || !(value instanceof Dict || Array.isArray(value) || value instanceof Tuple)) {
    return part(value, false)
  }
  const pairs = value instanceof Dict ? [...value.entries()] : toList(value, env.budget)
  return pairs
    .map((pair) => {
      const [key = null, item = null] = Array.isArray(pair) ? pair : toList(pair, env.budget)
      return `${part(key, true)}=${part(item, true)}`
    })
    .join('&')
}

function xmlAttributes(env: Environment, value: Value, args: Arguments): Value {
  const isSpaced = wantFlag(take(args, 'xmlattr', ['autospace'])[0], true)
  const parts: string[] = []
  for (const [key, item] of entriesOrFail(value)) {
    if (item === null || item instanceof Undefined) continue
    const name = toText(key, env.budget)
    if (/[\t-\r />=]/.test(name)) {
      fail('ValueError', `Invalid character in attribute name: '${name}'`)
    }
    const body = item instanceof Markup ? item.text : escapeHtml(toText(item, env.budget))
    parts.push(`${escapeHtml(name)}="${body}"`)
    env.budget.allocate(body.length)
  }
  return (isSpaced && parts.length > 0 ? ' ' : '') + parts.join(' ')
}
