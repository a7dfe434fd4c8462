/** Reading checkpoint JSON field by field, with the path of the field in every complaint. */
import { ConfigError } from '../core/errors.ts'

export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** One object of a config file; `path` is how messages name it. */
export class JsonReader {
  readonly path: string
  readonly #json: JsonObject

  constructor(path: string, json: unknown) {
    if (!isObject(json)) {
      throw new ConfigError(
        'CONFIG_TYPE',
        `${path}: expected an object, ${describe(json)} came; correct the file.`,
      )
    }
    this.path = path
    this.#json = json
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#json, key) && this.#json[key] !== null
  }

  get isEmpty(): boolean {
    return Object.keys(this.#json).length === 0
  }

  /** Whether the key is written at all, be it as null. */
  states(key: string): boolean {
    return Object.hasOwn(this.#json, key)
  }

  raw(key: string): unknown {
    return this.has(key) ? this.#json[key] : undefined
  }

  /** A nested object; an absent one reads as empty. */
  object(key: string): JsonReader {
    return new JsonReader(`${this.path}.${key}`, this.raw(key) ?? {})
  }

  /** A finite number of at least `least`; absent (or null) gives the default, or an error without one. */
  number(key: string, fallback?: number, least = -Infinity): number {
    const value = this.raw(key) ?? fallback
    if (typeof value !== 'number' || !Number.isFinite(value) || value < least) {
      const bound = least === -Infinity ? 'a number' : `a number ≥ ${least}`
      throw this.#unexpected(key, bound, value)
    }
    return value
  }

  /** A whole number of at least `least`, 1 unless said, and at most 2³¹ − 1, as sizes of tensors and ids have it. */
  integer(key: string, fallback?: number, least = 1): number {
    const value = this.number(key, fallback, least)
    if (!Number.isInteger(value)) throw this.#unexpected(key, 'a whole number', value)
    return this.#bounded(key, value, MOST)
  }

  /** How often something is repeated, in a graph that is as long: a lie must not take all memory before it is found out. */
  layerCount(key: string, fallback?: number): number {
    return this.#bounded(key, this.integer(key, fallback), MOST_LAYERS)
  }

  /** A side of a picture in pixels. */
  side(key: string, fallback: number): number {
    return this.#bounded(key, this.integer(key, fallback), MOST_SIDE)
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.raw(key) ?? fallback
    if (typeof value !== 'boolean') throw this.#unexpected(key, 'true or false', value)
    return value
  }

  string(key: string, fallback?: string): string {
    const value = this.raw(key) ?? fallback
    if (typeof value !== 'string') throw this.#unexpected(key, 'a string', value)
    return value
  }

  /** One number or a list of them, as a list. */
  integers(key: string, fallback: readonly number[]): readonly number[] {
    const value = this.raw(key) ?? fallback
    const list: unknown[] = Array.isArray(value) ? value : [value]
    if (
      !list.every(
        (item): item is number => Number.isInteger(item) && Math.abs(item as number) <= MOST,
      )
    ) {
      throw this.#unexpected(key, 'a whole number or a list of them', value)
    }
    return list
  }

  /** The entry of `table` that the string at `key` names. */
  choice<V>(key: string, table: Readonly<Record<string, V>>, fallback?: string): V {
    const name = this.string(key, fallback)
    if (!Object.hasOwn(table, name)) {
      throw new ConfigError(
        'CONFIG_UNSUPPORTED',
        `${this.path}.${key}: "${name}" is not supported; known are ${Object.keys(table).join(', ')}; take a checkpoint with one of these.`,
      )
    }
    return table[name] as V
  }

  #bounded(key: string, value: number, most: number): number {
    if (value > most) throw this.#unexpected(key, `at most ${most}`, value)
    return value
  }

  #unexpected(key: string, expected: string, value: unknown): ConfigError {
    return new ConfigError(
      'CONFIG_TYPE',
      `${this.path}.${key}: expected ${expected}, ${describe(value)} came; correct the file.`,
    )
  }
}

const MOST = 2 ** 31 - 1

/** What a JPEG may have. */
const MOST_SIDE = 65_535

/** Several times what the deepest published model has. */
const MOST_LAYERS = 1024

/** A value as messages show it: short, and whatever lies deep in it. */
export function describe(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = JSON.stringify(outermost(value)) ?? String(value)
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

/** The value without what lies deeper in it, which may be deeper than a stack. */
function outermost(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, SHOWN).map(leaf)
  if (!isObject(value)) return value
  const entries = Object.entries(value).slice(0, SHOWN)
  return Object.fromEntries(entries.map(([key, member]) => [key, leaf(member)]))
}

/** Members that fit the text that is shown. */
const SHOWN = 40

function leaf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? value : ['…']
  return isObject(value) ? {} : value
}
