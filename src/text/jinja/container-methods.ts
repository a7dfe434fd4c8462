/** The methods of dicts, lists, tuples and ranges that only read. */
import { take, wantInteger } from './arguments.ts'
import { isEqual } from './compare.ts'
import type { Environment } from './environment.ts'
import { fail } from './failure.ts'
import { repr } from './print.ts'
import { toList } from './sequences.ts'
import { Dict, DictView, typeName, type Arguments, type Value } from './values.ts'

export type Method = (env: Environment, self: Value, args: Arguments) => Value

function asDict(self: Value): Dict {
  return self instanceof Dict ? self : fail('TypeError', `expected dict, got ${typeName(self)}`)
}

export const DICT_METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ['keys', (_env, self, args) => view(self, args, 'keys')],
  ['values', (_env, self, args) => view(self, args, 'values')],
  ['items', (_env, self, args) => view(self, args, 'items')],
  ['copy', (_env, self) => Dict.of(asDict(self).entries())],
  [
    'get',
    (_env, self, args) => {
      const [key = null, fallback = null] = take(args, 'get', ['key', 'default'], 1)
      return asDict(self).get(key) ?? fallback
    },
  ],
])

function view(self: Value, args: Arguments, part: 'keys' | 'values' | 'items'): DictView {
  take(args, part, [])
  return new DictView(asDict(self), part)
}

export const LIST_METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ['copy', (env, self) => toList(self, env.budget)],
  [
    'count',
    (env, self, args) => {
      const [wanted = null] = take(args, 'count', ['value'], 1)
      return BigInt(
        toList(self, env.budget).filter((item) => isEqual(item, wanted, env.budget)).length,
      )
    },
  ],
  [
    'index',
    (env, self, args) => {
      const [wanted = null, start, stop] = take(args, 'index', ['value', 'start', 'stop'], 1)
      const items = toList(self, env.budget)
      const from = wantInteger(start, 0)
      const to = wantInteger(stop, items.length)
      const at = items.findIndex(
        (item, i) => i >= from && i < to && isEqual(item, wanted, env.budget),
      )
      if (at >= 0) return BigInt(at)
      return fail('ValueError', `${repr(wanted, env.budget)} is not in ${typeName(self)}`)
    },
  ],
])
