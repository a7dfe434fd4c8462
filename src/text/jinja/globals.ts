/** The functions a template may call: Jinja's `range`, `dict`, `namespace`, `cycler`, `joiner`, and transformers' two. */
import { take, wantText } from './arguments.ts'
import type { Environment } from './environment.ts'
import { fail } from './failure.ts'
import { toText } from './print.ts'
import { iterate } from './sequences.ts'
import { strftime } from './strftime.ts'
import {
  Dict,
  HostObject,
  Namespace,
  Range,
  typeName,
  Undefined,
  type Arguments,
  type Value,
} from './values.ts'

/** The sandbox's bound on `range`, as in Jinja. */
const MAX_RANGE = 100_000

export function globals(env: Environment): ReadonlyMap<string, Value> {
  const make = (name: string, call: (args: Arguments) => Value): [string, Value] => [
    name,
    new HostObject('function', `<function ${name}>`, { call }),
  ]
  return new Map<string, Value>([
    make('range', (args) => range(args)),
    make('namespace', (args) => namespace(env, args)),
    make('cycler', (args) => cycler(args)),
    make('joiner', (args) => joiner(env, args)),
    make('raise_exception', (args) => {
      const [message = null] = take(args, 'raise_exception', ['message'], 1)
      return fail('TemplateError', toText(message, env.budget))
    }),
    make('strftime_now', (args) => {
      const format = wantText(take(args, 'strftime_now', ['format'], 1)[0], 'strftime() argument 1')
      env.budget.allocate(format.length * 16)
      return strftime(env.now(), format)
    }),
    make('lipsum', () => fail('Unsupported', 'lipsum is not supported in chat templates')),
    ['dict', dictFunction(env)],
  ])
}

function dictFunction(env: Environment): HostObject {
  const fromKeys = new HostObject('method', '<bound method TemplateDict.fromkeys>', {
    call: (args) => {
      const [keys = null, value = null] = take(args, 'fromkeys', ['iterable', 'value'], 1)
      return buildDict([...iterate(keys, env.budget)].map((key): [Value, Value] => [key, value]))
    },
  })
  return new HostObject('TemplateDict', '<TemplateDict object>', {
    call: (args) => dict(env, args),
    attribute: (name) => (name === 'fromkeys' ? fromKeys : undefined),
  })
}

function buildDict(entries: Iterable<readonly [Value, Value]>): Dict {
  const result = new Dict()
  for (const [key, value] of entries) {
    if (!result.set(key, value)) fail('TypeError', `unhashable type: '${typeName(key)}'`)
  }
  return result
}

/** `dict(mapping or pairs, name=value, …)`. */
function dict(env: Environment, args: Arguments): Dict {
  if (args.positional.length > 1) {
    fail('TypeError', `dict expected at most 1 argument, got ${args.positional.length}`)
  }
  const [source] = args.positional
  return buildDict([...(source === undefined ? [] : pairs(env, source)), ...args.keyword])
}

function* pairs(env: Environment, source: Value): Iterable<readonly [Value, Value]> {
  if (source instanceof Dict) return yield* source.entries()
  let index = 0
  for (const pair of iterate(source, env.budget)) {
    const items = [
      ...iterate(
        pair,
        env.budget,
        () => `cannot convert dictionary update sequence element #${index} to a sequence`,
      ),
    ]
    if (items.length !== 2) {
      fail(
        'ValueError',
        `dictionary update sequence element #${index} has length ${items.length}; 2 is required`,
      )
    }
    index++
    yield [items[0] as Value, items[1] as Value]
  }
}

function namespace(env: Environment, args: Arguments): Namespace {
  const attributes = dict(env, args)
  for (const name of attributes.keys()) checkNamespaceName(name)
  return new Namespace(attributes)
}

export function checkNamespaceName(name: Value): void {
  if (typeof name === 'string' && name.startsWith('_')) {
    fail(
      'SecurityError',
      `Chat templates cannot store underscore-prefixed attributes on a namespace, but got '${name}'. ` +
        'Please rename the attribute.',
    )
  }
}

function integer(value: Value): bigint {
  if (value instanceof Undefined) fail(value.failure, value.message)
  if (typeof value === 'boolean') return value ? 1n : 0n
  if (typeof value === 'bigint') return value
  return fail('TypeError', `'${typeName(value)}' object cannot be interpreted as an integer`)
}

function range(args: Arguments): Range {
  const [a = null, b, c = 1n] = take(args, 'range', ['start', 'stop', 'step'], 1)
  const start = b === undefined ? 0n : integer(a)
  const stop = b === undefined ? integer(a) : integer(b)
  const step = integer(c)
  if (step === 0n) fail('ValueError', 'range() arg 3 must not be zero')
  const span = step > 0n ? stop - start : start - stop
  const stride = step > 0n ? step : -step
  const length = span <= 0n ? 0n : (span + stride - 1n) / stride
  if (length > MAX_RANGE) {
    fail(
      'OverflowError',
      `Range too big. The sandbox blocks ranges larger than MAX_RANGE (${MAX_RANGE}).`,
    )
  }
  return new Range(start, stop, step, Number(length))
}

function cycler(args: Arguments): HostObject {
  const items = args.positional
  if (items.length === 0) fail('TemplateRuntimeError', 'at least one item has to be provided')
  let position = 0
  const current = () => items[position] as Value
  const next = () => {
    const value = current()
    position = (position + 1) % items.length
    return value
  }
  const reset = () => {
    position = 0
    return null
  }
  return new HostObject('Cycler', '<Cycler>', {
    attribute: (name) => {
      if (name === 'current') return current()
      if (name === 'next')
        return new HostObject('method', '<bound method Cycler.next>', { call: next })
      if (name === 'reset')
        return new HostObject('method', '<bound method Cycler.reset>', { call: reset })
      return undefined
    },
  })
}

function joiner(env: Environment, args: Arguments): HostObject {
  const [separator = ', '] = take(args, 'joiner', ['sep'])
  const text = toText(separator, env.budget)
  let isUsed = false
  return new HostObject('Joiner', '<Joiner>', {
    call: () => {
      if (isUsed) return text
      isUsed = true
      return ''
    },
  })
}
