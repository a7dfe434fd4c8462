/**
 * The values a template computes with: Python's, because chat templates are written for Python.
 *
 *   None null · bool boolean · int bigint · float number · str string · list Value[]
 *
 * and a class each for what JavaScript has no literal for. Integers are bigints so that `1` and `1.0` stay apart in
 * print and `2 ** 64` is exact. What the caller hands in becomes a copy made of these (`fromHost`): a template can then
 * neither change its inputs nor reach a prototype.
 */
import { InputError } from '../../core/errors.ts'

export type Value = null | boolean | bigint | number | string | Value[] | ObjectValue

export type ObjectValue =
  | Undefined
  | Markup
  | Tuple
  | Dict
  | DictView
  | Range
  | Iteration
  | Namespace
  | HostObject

/** The arguments of a call, `f(1, name=2)`. */
export interface Arguments {
  readonly positional: readonly Value[]
  readonly keyword: ReadonlyMap<string, Value>
}

/** A name or attribute that is not there. Prints as nothing; any other use raises `failure` with its message. */
export class Undefined {
  readonly message: string
  readonly failure: 'UndefinedError' | 'SecurityError'

  constructor(message: string, failure: 'UndefinedError' | 'SecurityError' = 'UndefinedError') {
    this.message = message
    this.failure = failure
  }
}

/** A text that `escape` or `safe` marked as HTML: adding a plain text to it escapes that text. */
export class Markup {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export class Tuple {
  readonly items: readonly Value[]
  /** Names of the items, for what `groupby` gives. */
  readonly fields: readonly string[]
  constructor(items: readonly Value[], fields: readonly string[] = []) {
    this.items = items
    this.fields = fields
  }
}

export class Range {
  readonly start: bigint
  readonly step: bigint
  readonly length: number
  readonly stop: bigint

  constructor(start: bigint, stop: bigint, step: bigint, length: number) {
    this.start = start
    this.stop = stop
    this.step = step
    this.length = length
  }

  at(index: number): bigint {
    return this.start + this.step * BigInt(index)
  }
}

/** A generator: it is walked once, has no length and no items. */
export class Iteration {
  readonly typeName: string
  readonly iterator: Iterator<Value>
  constructor(iterator: Iterator<Value>, typeName = 'generator') {
    this.iterator = iterator
    this.typeName = typeName
  }
}

/** `namespace(...)`: the one object that `{% set ns.x = … %}` may write to. */
export class Namespace {
  readonly attributes: Dict
  constructor(attributes: Dict) {
    this.attributes = attributes
  }
}

/** A function, bound method, macro, `loop`, `cycler`: something with behaviour instead of contents. */
export class HostObject {
  readonly typeName: string
  readonly display: string
  readonly call: ((args: Arguments) => Value) | undefined
  readonly attribute: ((name: string) => Value | undefined) | undefined

  constructor(
    typeName: string,
    display: string,
    behaviour: {
      call?: (args: Arguments) => Value
      attribute?: (name: string) => Value | undefined
    },
  ) {
    this.typeName = typeName
    this.display = display
    this.call = behaviour.call
    this.attribute = behaviour.attribute
  }
}

/** A dict in order of insertion. Keys that Python finds equal (1, 1.0, True) are one key, as there. */
export class Dict {
  readonly #entries = new Map<string, [Value, Value]>()

  static of(entries: Iterable<readonly [Value, Value]>): Dict {
    const dict = new Dict()
    for (const [key, value] of entries) dict.set(key, value)
    return dict
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: Value): Value | undefined {
    const hash = hashOf(key)
    return hash === undefined ? undefined : this.#entries.get(hash)?.[1]
  }

  has(key: Value): boolean {
    const hash = hashOf(key)
    return hash !== undefined && this.#entries.has(hash)
  }

  /** Returns false if the key cannot be a key (a list, a dict). */
  set(key: Value, value: Value): boolean {
    const hash = hashOf(key)
    if (hash === undefined) return false
    const old = this.#entries.get(hash)
    this.#entries.set(hash, [old ? old[0] : key, value])
    return true
  }

  *keys(): IterableIterator<Value> {
    for (const [key] of this.#entries.values()) yield key
  }

  *values(): IterableIterator<Value> {
    for (const [, value] of this.#entries.values()) yield value
  }

  entries(): IterableIterator<[Value, Value]> {
    return this.#entries.values()
  }
}

export class DictView {
  readonly dict: Dict
  readonly part: 'keys' | 'values' | 'items'
  constructor(dict: Dict, part: 'keys' | 'values' | 'items') {
    this.dict = dict
    this.part = part
  }

  *[Symbol.iterator](): IterableIterator<Value> {
    if (this.part === 'keys') yield* this.dict.keys()
    else if (this.part === 'values') yield* this.dict.values()
    else for (const [key, value] of this.dict.entries()) yield new Tuple([key, value])
  }
}

/** A text that is equal for keys that Python finds equal; undefined for what cannot be hashed. */
export function hashOf(key: Value): string | undefined {
  if (typeof key === 'string') return `s${key}`
  if (key instanceof Markup) return `s${key.text}`
  if (key === null) return 'none'
  if (typeof key === 'boolean') return key ? 'n1' : 'n0'
  if (typeof key === 'bigint') return `n${key}`
  if (typeof key === 'number') return Number.isInteger(key) ? `n${BigInt(key)}` : `f${key}`
  if (Array.isArray(key) || key instanceof Dict || key instanceof DictView) return undefined
  if (key instanceof Undefined) return 'undefined'
  if (key instanceof Tuple) {
    const parts = key.items.map(hashOf)
    return parts.includes(undefined)
      ? undefined
      : `t${parts.map((p) => `${p?.length}:${p}`).join('')}`
  }
  if (key instanceof Range) return `r${key.length ? `${key.start},${key.step},${key.length}` : ''}`
  return undefined
}

/** Python's name of a value's type, as its error messages use it. */
export function typeName(value: Value): string {
  if (value === null) return 'NoneType'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'bigint') return 'int'
  if (typeof value === 'number') return 'float'
  if (typeof value === 'string') return 'str'
  if (Array.isArray(value)) return 'list'
  if (value instanceof DictView) return `dict_${value.part}`
  if (value instanceof HostObject || value instanceof Iteration) return value.typeName
  if (value instanceof Undefined) return 'Undefined'
  if (value instanceof Markup) return 'Markup'
  if (value instanceof Tuple) return 'tuple'
  if (value instanceof Range) return 'range'
  return value instanceof Dict ? 'dict' : 'TemplateNamespace'
}

export function isText(value: Value): value is string | Markup {
  return typeof value === 'string' || value instanceof Markup
}

export function textOf(value: string | Markup): string {
  return typeof value === 'string' ? value : value.text
}

/** Booleans count as integers in arithmetic, as in Python. */
export function isNumber(value: Value): value is boolean | bigint | number {
  return typeof value === 'boolean' || typeof value === 'bigint' || typeof value === 'number'
}

const MAX_INPUT_DEPTH = 100

/**
 * A copy of what the caller gave, in template values. Whole numbers become ints, other numbers floats; what is not JSON
 * (a picture's bytes, a Blob) becomes a text that names its type, since templates only ask whether it is there.
 * Throws InputError where the data nest too deeply, or in a circle.
 */
export function fromHost(value: unknown, depth = 0): Value {
  if (depth > MAX_INPUT_DEPTH) {
    throw new InputError(
      'INPUT_MESSAGE_DEPTH',
      `chat template: expected messages nested at most ${MAX_INPUT_DEPTH} levels, more came; is there a circle in them?`,
    )
  }
  if (value === null || value === undefined) return null
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (typeof value === 'string' || typeof value === 'boolean' || typeof value === 'bigint') {
    return value
  }
  if (typeof value !== 'object') return `<${typeof value}>`
  if (Array.isArray(value)) return value.map((item) => fromHost(item, depth + 1))
  const entries = value instanceof Map ? [...value] : isPlain(value) ? Object.entries(value) : null
  if (entries === null) return `<${value.constructor?.name ?? 'object'}>`
  const dict = new Dict()
  for (const [key, item] of entries) {
    if (item !== undefined) dict.set(String(key), fromHost(item, depth + 1))
  }
  return dict
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}
