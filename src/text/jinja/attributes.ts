/**
 * `owner.name` and `owner[key]`, by the rules of Jinja's immutable sandbox.
 *
 * A dot asks for an attribute first and an item second, brackets the other way round; what neither finds is undefined.
 * Only the tables here are reachable: no prototype, no constructor, nothing that changes a list or dict.
 */
import type { Environment } from './environment.ts'
import { fail } from './failure.ts'
import { quote, repr } from './print.ts'
import { DICT_METHODS, LIST_METHODS, type Method } from './container-methods.ts'
import { itemAt, sizeOf } from './sequences.ts'
import { STRING_METHODS } from './string-methods.ts'
import {
  Dict,
  HostObject,
  isText,
  type Markup,
  Namespace,
  Range,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from './values.ts'

export function getAttribute(env: Environment, owner: Value, name: string): Value {
  if (owner instanceof Undefined) fail(owner.failure, owner.message)
  const attribute = attributeOf(env, owner, name)
  if (attribute !== undefined) return attribute
  const item = owner instanceof Dict ? owner.get(name) : undefined
  return item === undefined ? missing(env, owner, name) : item
}

export function getItem(env: Environment, owner: Value, key: Value): Value {
  if (owner instanceof Undefined) fail(owner.failure, owner.message)
  const item = owner instanceof Dict ? owner.get(key) : itemAt(owner, key)
  if (item !== undefined) return item
  const attribute = isText(key) ? attributeOf(env, owner, plain(key)) : undefined
  return attribute === undefined ? missing(env, owner, key) : attribute
}

/** The attribute alone, without items: what the filter `attr` asks for. */
export function getOnlyAttribute(env: Environment, owner: Value, name: string): Value {
  if (owner instanceof Undefined) fail(owner.failure, owner.message)
  const attribute = attributeOf(env, owner, name)
  return attribute === undefined ? missing(env, owner, name) : attribute
}

function plain(text: string | Markup): string {
  return typeof text === 'string' ? text : text.text
}

const MUTATORS: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['list', new Set(['append', 'clear', 'pop', 'reverse', 'insert', 'sort', 'extend', 'remove'])],
  ['dict', new Set(['clear', 'pop', 'popitem', 'setdefault', 'update'])],
])

/** What every Python object has, and a sandbox must not hand out. */
const PRIVATE = new Set(
  (
    'class delattr dir doc eq format ge getattribute getstate gt hash init init_subclass le lt ne new ' +
    'reduce reduce_ex repr setattr sizeof str subclasshook'
  )
    .split(' ')
    .map((name) => `__${name}__`),
)

function attributeOf(env: Environment, owner: Value, name: string): Value | undefined {
  if (owner instanceof Namespace) return owner.attributes.get(name)
  const type = typeName(owner)
  if (MUTATORS.get(type)?.has(name) || PRIVATE.has(name)) {
    return new Undefined(
      `access to attribute '${name}' of '${type}' object is unsafe.`,
      'SecurityError',
    )
  }
  if (owner instanceof HostObject) return owner.attribute?.(name)
  if (owner instanceof Tuple && owner.fields.includes(name)) {
    return owner.items[owner.fields.indexOf(name)]
  }
  const method = methodsOf(owner)?.get(name)
  return method === undefined ? undefined : bound(env, owner, name, method)
}

function methodsOf(owner: Value): ReadonlyMap<string, Method> | undefined {
  if (isText(owner)) return STRING_METHODS
  if (owner instanceof Dict) return DICT_METHODS
  const isSequence = Array.isArray(owner) || owner instanceof Tuple || owner instanceof Range
  return isSequence ? LIST_METHODS : undefined
}

function bound(env: Environment, owner: Value, name: string, method: Method): HostObject {
  const display = `<built-in method ${name} of ${typeName(owner)} object>`
  return new HostObject('builtin_function_or_method', display, {
    call: (args) => method(env, owner, args),
  })
}

const QUALIFIED: Readonly<Record<string, string>> = {
  Markup: 'markupsafe.Markup',
  Macro: 'jinja2.runtime.Macro',
  LoopContext: 'jinja2.runtime.LoopContext',
  Cycler: 'jinja2.utils.Cycler',
  Joiner: 'jinja2.utils.Joiner',
  TemplateDict: 'transformers.utils.chat_template_utils.TemplateDict',
  TemplateNamespace: 'transformers.utils.chat_template_utils.TemplateNamespace',
}

function missing(env: Environment, owner: Value, key: Value): Undefined {
  const type = typeName(owner)
  const description = owner === null ? 'None' : `${QUALIFIED[type] ?? type} object`
  if (!isText(key)) return new Undefined(`${description} has no element ${repr(key, env.budget)}`)
  return new Undefined(`'${description}' has no attribute ${quote(plain(key), env.budget)}`)
}

/** `attribute='a.b.0'` of `map`, `sort` and their kind: a path of names and indices. */
export function attributePath(attribute: Value): readonly Value[] {
  if (attribute === null) return []
  if (!isText(attribute)) return [attribute]
  return plain(attribute)
    .split('.')
    .map((part) => (/^\d+$/.test(part) ? BigInt(part) : part))
}

export function followPath(
  env: Environment,
  item: Value,
  path: readonly Value[],
  fallback: Value = null,
): Value {
  let value = item
  for (const part of path) {
    value = getItem(env, value, part)
    if (fallback !== null && value instanceof Undefined) value = fallback
  }
  return value
}

/** The entries of a dict, for filters that call its `items()`. */
export function entriesOrFail(value: Value): Iterable<readonly [Value, Value]> {
  if (value instanceof Dict) return value.entries()
  if (value instanceof Undefined) fail(value.failure, value.message)
  return fail('AttributeError', `'${typeName(value)}' object has no attribute 'items'`)
}

/** `len(value)`, or Python's complaint. */
export function lengthOrFail(value: Value): number {
  return sizeOf(value) ?? fail('TypeError', `object of type '${typeName(value)}' has no len()`)
}
