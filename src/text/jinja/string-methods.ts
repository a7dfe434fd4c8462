/** The methods of Python's `str`. Positions and lengths count code points. */
import { take, wantFlag, wantInteger, wantText } from './arguments.ts'
import type { Method } from './container-methods.ts'
import type { Environment } from './environment.ts'
import { fail } from './failure.ts'
import { formatFields } from './format-fields.ts'
import {
  capitalize,
  codePoints,
  cut,
  every,
  isLower,
  isSpace,
  isTitle,
  isUpper,
  lengthOf,
  pointOffset,
  replaceText,
  splitLines,
  splitText,
  splitWords,
  strip,
  swapCase,
  titleCase,
} from './python-text.ts'
import { iterate } from './sequences.ts'
import { Dict, isText, textOf, Tuple, typeName, type Arguments, type Value } from './values.ts'

type TextMethod = (env: Environment, text: string, args: Arguments) => Value

function plain(name: string, change: (text: string) => Value): [string, TextMethod] {
  return [
    name,
    (env, text, args) => {
      take(args, name, [])
      env.budget.allocate(text.length)
      return change(text)
    },
  ]
}

/** Numbers, and the characters of Chinese that mean one. */
const NUMERIC =
  /[\p{N}㐅㒃㠪㭍一七万三九二五亖亿什仟仨伍佰億兆兩八六十千卄卅卌叁参參叄四壱壹幺廾廿弌弍弎弐拾捌柒漆玖百肆萬貮貳贰阡陆陌陸零]/u

const METHODS: readonly (readonly [string, TextMethod])[] = [
  plain('upper', (text) => text.toUpperCase()),
  plain('lower', (text) => text.toLowerCase()),
  plain('casefold', (text) => text.toLowerCase().replaceAll('ß', 'ss').replaceAll('ς', 'σ')),
  plain('title', titleCase),
  plain('capitalize', capitalize),
  plain('swapcase', swapCase),
  plain('isdigit', (text) => every(text, /[\p{Nd}²³¹⁰⁴-⁹₀-₉①-⑨⑴-⑼⒈-⒐⓪⓵-⓽⓿❶-❾➀-➈➊-➒፩-፱]/u)),
  plain('isdecimal', (text) => every(text, /\p{Nd}/u)),
  plain('isnumeric', (text) => every(text, NUMERIC)),
  plain('isalpha', (text) => every(text, /\p{L}/u)),
  plain('isalnum', (text) => every(text, /[\p{L}\p{N}]/u)),
  plain('isspace', (text) => text !== '' && [...text].every(isSpace)),
  plain('isascii', (text) => [...text].every((c) => (c.codePointAt(0) ?? 0) < 128)),
  plain('isupper', isUpper),
  plain('islower', isLower),
  plain('istitle', isTitle),
  plain('isidentifier', (text) => /^[\p{ID_Start}_][\p{ID_Continue}]*$/u.test(text)),
  plain('isprintable', (text) => !/[\p{C}\p{Zl}\p{Zp}\p{Zs}]/u.test(text.replaceAll(' ', ''))),
  ['strip', (env, text, args) => stripped(env, text, args, 'both')],
  ['lstrip', (env, text, args) => stripped(env, text, args, 'left')],
  ['rstrip', (env, text, args) => stripped(env, text, args, 'right')],
  ['split', (env, text, args) => split(env, text, args, 'left')],
  ['rsplit', (env, text, args) => split(env, text, args, 'right')],
  ['partition', (env, text, args) => partition(env, text, args, 'left')],
  ['rpartition', (env, text, args) => partition(env, text, args, 'right')],
  [
    'splitlines',
    (env, text, args) => {
      env.budget.allocate(text.length)
      return splitLines(text, wantFlag(take(args, 'splitlines', ['keepends'])[0]))
    },
  ],
  ['startswith', (env, text, args) => hasEnd(env, text, args, 'startswith')],
  ['endswith', (env, text, args) => hasEnd(env, text, args, 'endswith')],
  [
    'removeprefix',
    (_env, text, args) => {
      const prefix = wantText(
        take(args, 'removeprefix', ['prefix'], 1)[0],
        'removeprefix() argument',
      )
      return text.startsWith(prefix) ? text.slice(prefix.length) : text
    },
  ],
  [
    'removesuffix',
    (_env, text, args) => {
      const suffix = wantText(
        take(args, 'removesuffix', ['suffix'], 1)[0],
        'removesuffix() argument',
      )
      return suffix !== '' && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text
    },
  ],
  ['find', (env, text, args) => find(env, text, args, 'first')],
  ['rfind', (env, text, args) => find(env, text, args, 'last')],
  ['index', (env, text, args) => index(find(env, text, args, 'first'))],
  ['rindex', (env, text, args) => index(find(env, text, args, 'last'))],
  ['count', count],
  [
    'replace',
    (env, text, args) => {
      const [old, by, limit] = take(args, 'replace', ['old', 'new', 'count'], 2)
      const parts = [
        wantText(old, 'replace() argument 1'),
        wantText(by, 'replace() argument 2'),
      ] as const
      return replaced(env, text, parts[0], parts[1], wantInteger(limit, -1))
    },
  ],
  [
    'join',
    (env, text, args) => joinTexts(env, text, take(args, 'join', ['iterable'], 1)[0] ?? null),
  ],
  ['center', (env, text, args) => justified(env, text, args, 'center')],
  ['ljust', (env, text, args) => justified(env, text, args, 'ljust')],
  ['rjust', (env, text, args) => justified(env, text, args, 'rjust')],
  [
    'zfill',
    (env, text, args) => {
      const width = wantInteger(take(args, 'zfill', ['width'], 1)[0], 0)
      const zeros = Math.max(width - lengthOf(text), 0)
      env.budget.allocate(zeros + text.length)
      const sign = /^[-+]/.exec(text)?.[0] ?? ''
      return sign + '0'.repeat(zeros) + text.slice(sign.length)
    },
  ],
  [
    'expandtabs',
    (env, text, args) =>
      expandTabs(env, text, wantInteger(take(args, 'expandtabs', ['tabsize'])[0], 8)),
  ],
  ['format', formatFields],
  [
    'format_map',
    (env, text, args) => {
      const [mapping = null] = take(args, 'format_map', ['mapping'], 1)
      const entries = mapping instanceof Dict ? [...mapping.entries()] : []
      const keyword = new Map(entries.map(([key, value]) => [String(key), value]))
      return formatFields(env, text, { positional: [], keyword })
    },
  ],
]

export const STRING_METHODS: ReadonlyMap<string, Method> = new Map(
  METHODS.map(([name, method]) => [
    name,
    (env: Environment, self: Value, args: Arguments) =>
      method(env, isText(self) ? textOf(self) : '', args),
  ]),
)

function stripped(
  env: Environment,
  text: string,
  args: Arguments,
  side: 'both' | 'left' | 'right',
) {
  const [characters = null] = take(args, 'strip', ['chars'])
  env.budget.read(text.length)
  if (characters !== null && !isText(characters)) {
    fail('TypeError', `${{ both: '', left: 'l', right: 'r' }[side]}strip arg must be None or str`)
  }
  return strip(text, characters === null ? null : textOf(characters), side)
}

function split(env: Environment, text: string, args: Arguments, side: 'left' | 'right'): Value {
  const [by = null, limit] = take(args, 'split', ['sep', 'maxsplit'])
  const times = wantInteger(limit, -1)
  env.budget.allocate(text.length * 4)
  if (by === null) return splitWords(text, times, side)
  if (!isText(by)) return fail('TypeError', `must be str or None, not ${typeName(by)}`)
  const separator = textOf(by)
  if (separator === '') fail('ValueError', 'empty separator')
  env.budget.search(text, separator)
  return splitText(text, separator, times, side)
}

function partition(env: Environment, text: string, args: Arguments, side: 'left' | 'right') {
  const by = wantText(take(args, 'partition', ['sep'], 1)[0], 'partition() separator')
  if (by === '') fail('ValueError', 'empty separator')
  env.budget.search(text, by)
  const at = side === 'left' ? text.indexOf(by) : text.lastIndexOf(by)
  if (at < 0) return new Tuple(side === 'left' ? [text, '', ''] : ['', '', text])
  return new Tuple([text.slice(0, at), by, text.slice(at + by.length)])
}

/** The code points [start, end) that the optional arguments name, and where they begin. */
function range(text: string, start: Value | undefined, end: Value | undefined) {
  const size = lengthOf(text)
  const place = (value: Value | undefined, fallback: number) => {
    const at = value === null ? fallback : wantInteger(value, fallback)
    return Math.min(Math.max(at < 0 ? at + size : at, 0), size)
  }
  const from = value0(start) > size ? size + 1 : place(start, 0)
  return { from, part: cut(text, from, place(end, size)), isPast: from > size }
}

function value0(value: Value | undefined): number {
  return typeof value === 'bigint' ? Number(value) : 0
}

function hasEnd(env: Environment, text: string, args: Arguments, which: 'startswith' | 'endswith') {
  const [wanted = null, start, end] = take(args, which, ['prefix', 'start', 'end'], 1)
  const options = wanted instanceof Tuple ? wanted.items : [wanted]
  const { part, isPast } = range(text, start, end)
  env.budget.read(text.length)
  return options.some((option) => {
    if (!isText(option)) {
      const rule =
        wanted instanceof Tuple
          ? `tuple for ${which} must only contain str`
          : `${which} first arg must be str or a tuple of str`
      return fail('TypeError', `${rule}, not ${typeName(option)}`)
    }
    if (isPast) return false
    return which === 'startswith' ? part.startsWith(textOf(option)) : part.endsWith(textOf(option))
  })
}

function find(env: Environment, text: string, args: Arguments, which: 'first' | 'last'): bigint {
  const [wanted, start, end] = take(args, 'find', ['sub', 'start', 'end'], 1)
  const { from, part, isPast } = range(text, start, end)
  const needle = wantText(wanted, 'find() argument 1')
  env.budget.search(text, needle)
  const at = isPast ? -1 : which === 'first' ? part.indexOf(needle) : part.lastIndexOf(needle)
  return at < 0 ? -1n : BigInt(from + pointOffset(part, at))
}

function index(position: bigint): bigint {
  return position < 0n ? fail('ValueError', 'substring not found') : position
}

function count(env: Environment, text: string, args: Arguments): bigint {
  const [wanted, start, end] = take(args, 'count', ['sub', 'start', 'end'], 1)
  const { part, isPast } = range(text, start, end)
  const needle = wantText(wanted, 'count() argument 1')
  env.budget.search(text, needle)
  if (isPast) return 0n
  return BigInt(needle === '' ? lengthOf(part) + 1 : countPlaces(part, needle))
}

/** `str.replace` within the budget. */
export function replaced(env: Environment, text: string, old: string, by: string, limit: number) {
  env.budget.search(text, old)
  const places = old === '' ? lengthOf(text) + 1 : countPlaces(text, old)
  env.budget.step(places / 8)
  env.budget.allocate(text.length + Math.max(places * (by.length - old.length), 0))
  return replaceText(text, old, by, limit)
}

function countPlaces(text: string, old: string): number {
  let count = 0
  for (let at = text.indexOf(old); at >= 0; at = text.indexOf(old, at + old.length)) count++
  return count
}

function joinTexts(env: Environment, by: string, iterable: Value): string {
  const parts: string[] = []
  for (const item of iterate(iterable, env.budget, () => 'can only join an iterable')) {
    if (!isText(item)) {
      fail(
        'TypeError',
        `sequence item ${parts.length}: expected str instance, ${typeName(item)} found`,
      )
    }
    env.budget.allocate(textOf(item).length + by.length)
    parts.push(textOf(item))
  }
  return parts.join(by)
}

function justified(
  env: Environment,
  text: string,
  args: Arguments,
  how: 'center' | 'ljust' | 'rjust',
) {
  const [width, fill = ' '] = take(args, how, ['width', 'fillchar'], 1)
  const mark = wantText(fill, `${how}() argument 2`)
  if (lengthOf(mark) !== 1) {
    fail('TypeError', 'The fill character must be exactly one character long')
  }
  return justify(env, text, wantInteger(width, 0), mark, how)
}

export function justify(
  env: Environment,
  text: string,
  width: number,
  mark: string,
  how: 'center' | 'ljust' | 'rjust',
): string {
  const missing = Math.max(width - lengthOf(text), 0)
  env.budget.allocate(text.length + missing)
  // An odd rest goes left if the width is odd: CPython's rule for `center`.
  const left =
    how === 'ljust' ? 0 : how === 'rjust' ? missing : (missing >> 1) + (missing & width & 1)
  return mark.repeat(left) + text + mark.repeat(missing - left)
}

function expandTabs(env: Environment, text: string, size: number): string {
  let column = 0
  let out = ''
  for (const c of codePoints(text)) {
    if (c === '\t') {
      const gap = size > 0 ? size - (column % size) : 0
      env.budget.allocate(gap)
      out += ' '.repeat(gap)
      column += gap
    } else {
      out += c
      column = c === '\n' || c === '\r' ? 0 : column + 1
    }
  }
  return out
}
