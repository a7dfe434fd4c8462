/** Reading a recipe key by key: what is missing, of the wrong kind or unknown is collected and said all at once. */
import { ConfigError } from '../../core/errors.ts'
import { nearestName } from '../../weights/nearest-name.ts'

export type RecipeObject = Readonly<Record<string, unknown>>

export function isRecipeObject(value: unknown): value is RecipeObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What is wrong with a recipe; readers of its parts share one. */
export class RecipeFaults {
  readonly #faults: string[] = []

  add(fault: string): void {
    this.#faults.push(fault)
  }

  throwIfAny(): void {
    if (this.#faults.length === 0) return
    throw new ConfigError('CONFIG_RECIPE', `recipe: ${this.#faults.join('; ')}.`)
  }
}

/** One object of a recipe; `path` is how complaints name it, empty for the whole. */
export class RecipeReader {
  readonly path: string
  readonly #object: RecipeObject
  readonly #faults: RecipeFaults

  /** `keys` are all that the object may have. */
  constructor(
    value: unknown,
    { path, keys, faults }: { path: string; keys: readonly string[]; faults: RecipeFaults },
  ) {
    this.path = path
    this.#faults = faults
    if (!isRecipeObject(value)) {
      faults.add(`${path || 'the file'} should be a mapping of ${keys.join(', ')}, ${show(value)}`)
    }
    this.#object = isRecipeObject(value) ? value : {}
    for (const key of Object.keys(this.#object)) {
      if (!keys.includes(key)) faults.add(unknownKey(this.#name(key), key, keys))
    }
  }

  has(key: string): boolean {
    return this.raw(key) !== undefined
  }

  /** Where null is a value, and not as if the key were not written. */
  isNull(key: string): boolean {
    return Object.hasOwn(this.#object, key) && this.#object[key] === null
  }

  /** null counts as not written. */
  raw(key: string): unknown {
    return Object.hasOwn(this.#object, key) ? (this.#object[key] ?? undefined) : undefined
  }

  /** A nested object, or null where there is none. */
  object(key: string, keys: readonly string[]): RecipeReader | null {
    const value = this.raw(key)
    if (value === undefined) return null
    return new RecipeReader(value, { path: this.#name(key), keys, faults: this.#faults })
  }

  text(key: string): string | undefined {
    const value = this.raw(key)
    if (value === undefined || typeof value === 'string') return value
    this.fault(key, `should be a text, ${show(value)}${quotesHint(key, value)}`)
    return undefined
  }

  requiredText(key: string): string {
    if (!this.has(key)) this.expected(key, 'a text')
    return this.text(key) ?? ''
  }

  texts(key: string): readonly string[] | undefined {
    const value = this.raw(key)
    if (value === undefined) return undefined
    if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value
    this.expected(key, 'a list of texts')
    return undefined
  }

  /** A finite number from `least` to `most`. */
  number(key: string, { least = 0, most = Infinity } = {}): number | undefined {
    const value = this.raw(key)
    if (value === undefined) return undefined
    if (Number.isFinite(value) && (value as number) >= least && (value as number) <= most) {
      return value as number
    }
    const bound = most === Infinity ? `of at least ${least}` : `from ${least} to ${most}`
    this.expected(key, `a number ${bound}`)
    return undefined
  }

  integer(key: string, { least = 1 } = {}): number | undefined {
    const value = this.number(key, { least })
    if (value === undefined || Number.isInteger(value)) return value
    this.expected(key, `a whole number of at least ${least}`)
    return undefined
  }

  boolean(key: string): boolean | undefined {
    const value = this.raw(key)
    if (value === undefined || typeof value === 'boolean') return value
    this.expected(key, 'true or false')
    return undefined
  }

  choice<T extends string>(key: string, known: readonly T[]): T | undefined {
    const value = this.raw(key)
    if (value === undefined || known.includes(value as T)) return value as T | undefined
    this.expected(key, `one of ${known.join(', ')}`)
    return undefined
  }

  fault(key: string, text: string): void {
    this.#faults.add(`${this.#name(key)} ${text}`)
  }

  /** The fault of a value that is another than `what`. */
  expected(key: string, what: string): void {
    this.fault(key, `should be ${what}, ${show(this.raw(key))}`)
  }

  #name(key: string): string {
    return this.path === '' ? key : `${this.path}.${key}`
  }
}

function unknownKey(name: string, key: string, keys: readonly string[]): string {
  const near = nearestName(key, keys)
  const advice = near === undefined ? `known are ${keys.join(', ')}` : `did you mean ${near}?`
  return `${name} is no key of a recipe (${advice})`
}

/** YAML reads 007 and true as no texts. */
function quotesHint(key: string, value: unknown): string {
  if (typeof value !== 'number' && typeof value !== 'boolean') return ''
  return ` (quotes make it one: ${key}: "${value}", --set '${key}="${value}"')`
}

function show(value: unknown): string {
  if (value === undefined) return 'it is missing'
  const text = JSON.stringify(value) ?? String(value)
  return `${text.length > 60 ? `${text.slice(0, 60)}…` : text} came`
}
