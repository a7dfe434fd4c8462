/**
 * Objects whose keys XGrammar 0.1.27 would mix up, as rules of our own.
 *
 * Beside `properties` it lets `additionalProperties` write a named key again, with a value of the other schema; beside
 * `patternProperties` or `propertyNames` it forgets `properties`, `required` and `additionalProperties`.
 *
 * The named keys come in their order, each once at most, then the free ones. Readers of JSON keep the last of two equal keys,
 * and a grammar cannot remember which were written: free keys may repeat, so of them one alone counts for `minProperties`.
 */
import { otherKeyRules, otherKeyRulesCount } from './other-key-rules.ts'

/** White space of a JSON answer: enough for the usual indentation, and no model can write it for ever. */
export const MOST_SPACES = 16
export const SPACES = `[ \\n\\t]{0,${MOST_SPACES}}`

export type NamedKey = {
  readonly key: string
  readonly isRequired: boolean
  /** Which of the values of the object, counted from 0. */
  readonly value: number
}

export type FreeKeys = {
  /** Which of the values is the text of the key; null for any key that is not named. */
  readonly key: number | null
  readonly value: number
}

export type ObjectShape = {
  readonly named: readonly NamedKey[]
  readonly free: readonly FreeKeys[]
  readonly least: number
  /** Infinity where there is no bound. */
  readonly most: number
}

/** The rule that a value of the object called `name` has. */
export function valueName(name: string, value: number): string {
  return `${name}_v${value}`
}

/** Why no object has so many properties, or null. */
export function countFault({ named, free, least, most }: ObjectShape): string | null {
  const required = named.filter(({ isRequired }) => isRequired).length
  const distinct = named.length + (free.length > 0 ? 1 : 0)
  if (most < required) return `allows ${most} properties and requires ${required}`
  if (most < least) return `has a minProperties of ${least} over its maxProperties of ${most}`
  if (least <= distinct) return null
  const told = free.length > 0 ? 'those that it names and one more' : 'those that it names'
  return `asks for ${least} different properties, and ${distinct} can be enforced: ${told}`
}

/** At least as many rules as `objectRules` makes. */
export function objectRulesCount(shape: ObjectShape): number {
  const counts = 1 + Math.min(shape.named.length, countedUpTo(shape))
  const others = shape.free.some(({ key }) => key === null) ? otherKeyRulesCount(keysOf(shape)) : 0
  const entries = 3 * shape.named.length + 2 * shape.free.length + 2
  return (shape.named.length + 1) * counts + entries + others
}

/** The rules of which the first, called `name`, is the object; the counts should have no fault. */
export function objectRules(name: string, shape: ObjectShape): string[] {
  const rules: string[] = []
  const body = new BodyRules(name, shape, rules).start()
  const isEmptyFine = shape.least === 0 && !shape.named.some(({ isRequired }) => isRequired)
  const ways = [
    ...(body === null ? [] : [`"{" ${SPACES} ${body} ${SPACES} "}"`]),
    ...(isEmptyFine ? [`"{" ${SPACES} "}"`] : []),
  ]
  return [`${name} ::= ${ways.join(' | ')}`, ...rules, ...entryRules(name, shape)]
}

function keysOf({ named }: ObjectShape): string[] {
  return named.map(({ key }) => key)
}

/** From here on it does not matter how many properties there are. */
function countedUpTo({ least, most }: ObjectShape): number {
  return Number.isFinite(most) ? most : Math.max(least, 1)
}

/**
 * Entries as they come first, `…_p0` for the first named key and so on and `…_free`, and behind others, `…_n0` and `…_more`.
 *
 * No rule for white space alone is shared: given one, XGrammar 0.1.27 takes the inside of an object for begun again where that
 * white space is empty, and lets commas be left out.
 */
function entryRules(name: string, shape: ObjectShape): string[] {
  const values = new Set([...shape.named, ...shape.free].map(({ value }) => value))
  const named = shape.named.flatMap(({ key, value }, i) => [
    `${name}_p${i} ::= ${JSON.stringify(JSON.stringify(key))} ${name}_w${value}`,
    `${name}_n${i} ::= ${COMMA} ${name}_p${i}`,
  ])
  const behind = [...values].map(
    (value) => `${name}_w${value} ::= ${SPACES} ":" ${SPACES} ${valueName(name, value)}`,
  )
  return [...named, ...behind, ...freeRules(name, shape)]
}

const COMMA = `${SPACES} "," ${SPACES}`

function freeRules(name: string, shape: ObjectShape): string[] {
  if (shape.free.length === 0) return []
  const ways = shape.free.map(({ key, value }) => {
    const text = key === null ? `${name}_key` : valueName(name, key)
    return `${text} ${name}_w${value}`
  })
  const hasOthers = shape.free.some(({ key }) => key === null)
  return [
    `${name}_free ::= ${ways.join(' | ')}`,
    `${name}_more ::= ${COMMA} ${name}_free`,
    ...(hasOthers ? otherKeyRules(`${name}_key`, keysOf(shape)) : []),
  ]
}

/** What stands between the braces where there is anything: a state is the next named key, and how many entries there are. */
class BodyRules {
  readonly #name: string
  readonly #shape: ObjectShape
  readonly #rules: string[]
  readonly #made = new Map<string, string | null>()

  constructor(name: string, shape: ObjectShape, rules: string[]) {
    this.#name = name
    this.#shape = shape
    this.#rules = rules
  }

  start(): string | null {
    return this.#from(0, 0)
  }

  /** The rule for the named keys from `at` on and what follows them; null where nothing can. */
  #from(at: number, written: number): string | null {
    const count = Math.min(written, countedUpTo(this.#shape))
    const state = `${at} ${count}`
    const before = this.#made.get(state)
    if (before !== undefined) return before
    const next = this.#shape.named[at]
    const ways = next ? this.#named(next, at, written) : this.#free(written)
    const name = ways.length === 0 ? null : `${this.#name}_${this.#rules.length}`
    if (name !== null) this.#rules.push(`${name} ::= ${ways.join(' | ')}`)
    this.#made.set(state, name)
    return name
  }

  #named({ isRequired }: NamedKey, at: number, written: number): string[] {
    const after = written < this.#shape.most ? this.#from(at + 1, written + 1) : null
    const without = isRequired ? null : this.#from(at + 1, written)
    const entry = `${this.#name}_${written > 0 ? 'n' : 'p'}${at}`
    return [
      ...(after === null ? [] : [`${entry} ${after}`]),
      ...(without === null ? [] : [without]),
    ]
  }

  #free(written: number): string[] {
    const { free, least, most } = this.#shape
    const room = most - written
    const canHave = free.length > 0 && room > 0 && written + 1 >= least
    const entry = `${this.#name}_${written > 0 ? 'more' : 'free'}`
    const more = Number.isFinite(most) ? `{0,${room - 1}}` : '*'
    return [
      ...(written > 0 && written >= least ? ['""'] : []),
      ...(canHave ? [`${entry} ${this.#name}_more${more}`] : []),
    ]
  }
}
