/**
 * A JSON Schema that XGrammar enforces whole, from one that somebody wrote.
 *
 * XGrammar 0.1.27 accepts and ignores what it does not know, and reads some things otherwise than the standard; each of
 * these was tried. What it would not enforce is refused here by name and path; what it reads otherwise is written so that it
 * is meant as the standard means it, or narrower.
 */
import { InputError } from '../../core/errors.ts'
import { isRecord } from '../faults.ts'
import { discriminatorFault } from './discriminator.ts'
import { endlessReferences } from './endless-schema.ts'
import { numberRules, type Bound, type NumberRange } from './number-range.ts'
import { objectRules, objectRulesCount, valueName, type ObjectShape } from './object-rules.ts'
import { readObject } from './object-schema.ts'
import { jsonPattern, lengthPattern } from './safe-regex.ts'
import { referredTo } from './schema-reference.ts'
import { areApart } from './schemas-apart.ts'
import { FORMAT_PATTERNS, FORMATS } from './text-formats.ts'

const DEEPEST = 32
const MOST_NODES = 2000
/** Characters, items and properties that bounds may name. */
const LONGEST_TEXT = 4096
/** Of bounds but zero: each decimal of them is a rule. */
const TINIEST = 1e-15
const MOST_RULES = 10_000

/** What XGrammar would read wrong, as rules of our own: where they belong the schema has something that stands in for them. */
export type SchemaRule = {
  /** In EBNF; the first of the rules, called so, stands for the value. */
  readonly name: string
  readonly rules: readonly string[]
  /**
   * Of an object: how many values the rules refer to, by `valueName`. It stands in the schema as an object with these as its
   * properties. A number stands there as its name, a constant.
   */
  readonly values?: number
}

export type EnforceableSchema = { readonly schema: object; readonly rules: readonly SchemaRule[] }

/** Throws InputError INPUT_FORMAT that names every fault. */
export function enforceable(schema: object): EnforceableSchema {
  const walk = new Walk(schema)
  const written = walk.visit(schema, '#', 0) as object
  for (const one of endlessReferences({ ...schema }, DEFINITIONS)) {
    walk.fault(one, 'never ends: every value of it holds another; let one of them be left out')
  }
  walk.throwIfFaulty()
  const text = JSON.stringify(schema)
  let own = 'bounded'
  while (text.includes(own)) own += '_'
  const numbers = walk.bounded.map(({ place, range }, i) => {
    const name = `${own}_${i}`
    place[0] = name
    return { name, rules: numberRules(name, range) ?? [] }
  })
  const objects = walk.objects.map(({ place, shape, values }, i) => {
    const name = `${own}_o${i}`
    values.forEach((value, at) => {
      place.properties[valueName(name, at)] = value
      place.required.push(valueName(name, at))
    })
    return { name, rules: objectRules(name, shape), values: values.length }
  })
  const used = withUsedDefinitions(written)
  // The names of some thousand rules are looked for in it.
  const asked = new Set(JSON.stringify(used).match(/"(?:\\.|[^"\\])*"/g))
  const rules = [
    ...numbers.filter(({ name }) => asked.has(`"${name}"`)),
    ...objects.filter(({ name }) => asked.has(`"${valueName(name, 0)}"`)),
  ]
  return { schema: used, rules }
}

/** XGrammar writes no rules of definitions that nothing refers to. */
function withUsedDefinitions(schema: object): object {
  const groups = Object.entries(schema).filter(([key]) => DEFINITIONS.includes(key))
  const rest = Object.entries(schema).filter(([key]) => !DEFINITIONS.includes(key))
  const used = new Set<string>()
  const use = (one: unknown) => {
    for (const [, name = ''] of JSON.stringify(one).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      if (used.has(name)) continue
      used.add(name)
      const [group = '', key = ''] = name.split('/')
      use((schema as Record<string, Record<string, unknown>>)[group]?.[key] ?? null)
    }
  }
  use(Object.fromEntries(rest))
  const kept = groups.map(([group, definitions]) => [
    group,
    Object.fromEntries(
      Object.entries(definitions as object).filter(([key]) => used.has(`${group}/${key}`)),
    ),
  ])
  return Object.fromEntries([...rest, ...kept])
}

/** They say something about a schema and nothing about values. */
const ANNOTATIONS = [
  'title',
  'description',
  'default',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
  '$comment',
  '$schema',
  '$id',
]
const DEFINITIONS = ['$defs', 'definitions']

/** Keywords by the types that they are enforced for. */
const KEYWORDS: Readonly<Record<string, readonly string[]>> = {
  object: [
    'properties',
    'required',
    'additionalProperties',
    'patternProperties',
    'propertyNames',
    'minProperties',
    'maxProperties',
  ],
  array: ['items', 'prefixItems', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  integer: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  boolean: [],
  null: [],
}
const ALL_KEYWORDS: ReadonlySet<string> = new Set(Object.values(KEYWORDS).flat())

class Walk {
  /** Numbers between bounds, and the lists of one constant that stand for them. */
  readonly bounded: { readonly place: [string]; readonly range: NumberRange }[] = []
  /**
   * Objects that rules of our own write. In their places stand objects whose properties are their values, for XGrammar to make
   * rules of that ours refer to.
   */
  readonly objects: {
    readonly place: { readonly properties: Record<string, unknown>; readonly required: string[] }
    readonly shape: ObjectShape
    readonly values: readonly unknown[]
  }[] = []
  readonly #root: object
  readonly #faults: string[] = []
  #nodes = 0
  #rules = 0

  constructor(root: object) {
    this.#root = root
  }

  throwIfFaulty(): void {
    if (this.#faults.length === 0) return
    const shown = this.#faults.slice(0, 16).join('.\n  ')
    throw new InputError('INPUT_FORMAT', `responseFormat: the schema cannot be enforced: ${shown}.`)
  }

  visit(schema: unknown, path: string, depth: number): unknown {
    if (depth > DEEPEST || ++this.#nodes > MOST_NODES) {
      const limit = depth > DEEPEST ? `${DEEPEST} levels` : `${MOST_NODES} schemas`
      throw new InputError(
        'INPUT_FORMAT',
        `responseFormat: a schema may have ${limit}, ${path} is beyond.`,
      )
    }
    if (schema === true) return true
    if (!isRecord(schema)) return this.fault(path, 'should be a schema')
    const combined = ['$ref', 'anyOf', 'oneOf', 'allOf', 'enum', 'const'].filter(
      (key) => key in schema,
    )
    const [kind] = combined
    if (kind === undefined) return this.#typed(schema, path, depth)
    if (combined.length > 1)
      this.fault(path, `has ${combined.join(' and ')}, which are not enforced together`)
    return this.#withDefinitions(schema, this.#combined(kind, schema, { path, depth }), {
      path,
      depth,
    })
  }

  fault(path: string, what: string): true {
    this.#faults.push(`${path} ${what}`)
    return true
  }

  #refuseOthers(schema: object, path: string, known: readonly string[]): void {
    const taken = new Set([...known, ...ANNOTATIONS, ...DEFINITIONS])
    for (const key of Object.keys(schema)) {
      if (taken.has(key)) continue
      // What holds anyway.
      if (key === 'uniqueItems' && (schema as Record<string, unknown>)[key] === false) continue
      this.fault(`${path}/${key.slice(0, 60)}`, 'is not enforced here')
    }
  }

  #combined(kind: string, schema: Record<string, unknown>, { path, depth }: Place): object {
    const value = schema[kind]
    if (kind === 'const' || kind === 'enum') return this.#values(kind, schema, path)
    if (kind === '$ref') {
      this.#refuseOthers(schema, path, [kind])
      return this.#reference(value, path)
    }
    this.#refuseOthers(schema, path, [kind, ...(kind === 'allOf' ? [] : ['discriminator'])])
    if (!Array.isArray(value) || value.length === 0) {
      this.fault(`${path}/${kind}`, 'should be a list of schemas')
      return {}
    }
    const branches = value.map((one, i) => this.visit(one, `${path}/${kind}/${i}`, depth + 1))
    if (kind === 'allOf' && branches.length > 1) {
      this.fault(`${path}/allOf`, 'of more than one schema is not enforced; merge them')
    }
    if (kind === 'oneOf' && !areApart(value, this.#root)) {
      this.fault(
        `${path}/oneOf`,
        'is enforced only where its schemas differ by type or by the const or enum of one property that all require; use anyOf',
      )
    }
    if ('discriminator' in schema) {
      const fault = discriminatorFault(schema['discriminator'], value, this.#root)
      if (fault !== null) this.fault(`${path}/discriminator`, fault)
    }
    return kind === 'allOf' ? (branches[0] as object) : { anyOf: branches }
  }

  #values(kind: string, schema: Record<string, unknown>, path: string): object {
    this.#refuseOthers(schema, path, [kind, 'type'])
    const values = kind === 'const' ? [schema['const']] : schema['enum']
    if (!Array.isArray(values) || values.length === 0 || values.length > 1000) {
      this.fault(`${path}/enum`, 'should be a list of 1 to 1000 values')
      return {}
    }
    const types = typesOf(schema)
    const stranger = values.find((one) => types && !types.some((type) => isOfType(one, type)))
    if (stranger !== undefined) this.fault(`${path}/${kind}`, 'has a value that is not of the type')
    if (values.some(holdsLostNumber)) {
      this.fault(
        `${path}/${kind}`,
        'has a number that reading JSON changes: whole ones are kept to 2^53, and none beyond 1e308',
      )
    }
    return { enum: values }
  }

  #reference(value: unknown, path: string): object {
    const isLocal =
      typeof value === 'string' && /^#(?:$|\/(?:\$defs|definitions)\/[\w.-]+$)/.test(value)
    if (!isLocal) {
      this.fault(`${path}/$ref`, 'should be # or #/$defs/NAME')
      return {}
    }
    if (referredTo(this.#root, value) === undefined) {
      this.fault(`${path}/$ref`, `names ${value.slice(0, 80)}, which is not there`)
    }
    return { $ref: value }
  }

  #typed(schema: Record<string, unknown>, path: string, depth: number): unknown {
    const place = { path, depth }
    const types = typesOf(schema)
    if (!types) {
      const used = Object.keys(schema).filter((key) => ALL_KEYWORDS.has(key))
      this.#refuseOthers(schema, path, used)
      if (used.length > 0) this.fault(path, `has ${used.join(', ')} and no type; say which`)
      return this.#withDefinitions(schema, {}, place)
    }
    const unknown = types.find((type) => !Object.hasOwn(KEYWORDS, type))
    if (unknown !== undefined || types.length === 0) {
      return this.fault(
        `${path}/type`,
        `should name types of JSON, ${String(unknown).slice(0, 40)} came`,
      )
    }
    this.#refuseOthers(schema, path, ['type', ...types.flatMap((type) => KEYWORDS[type] ?? [])])
    const branches = types.map((type) => this.#ofType(type, schema, place))
    const written = branches.length === 1 ? (branches[0] as object) : { anyOf: branches }
    return this.#withDefinitions(schema, written, place)
  }

  #ofType(type: string, schema: Record<string, unknown>, place: Place): object {
    if (type === 'object') return this.#object(schema, place)
    if (type === 'array') return this.#array(schema, place)
    if (type === 'string') return this.#string(schema, place)
    const bounds = KEYWORDS[type] ?? []
    if (!bounds.some((key) => key in schema)) return { type }
    return this.#bounded(type, this.#numbers(schema, bounds, place.path), place.path)
  }

  #bounded(type: string, bounds: Readonly<Record<string, number>>, path: string): object {
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = bounds
    const range: NumberRange = {
      isInteger: type === 'integer',
      least: narrower(minimum, exclusiveMinimum, (open, closed) => open >= closed),
      most: narrower(maximum, exclusiveMaximum, (open, closed) => open <= closed),
    }
    const tiny = Object.entries(bounds).find(
      ([, value]) => value !== 0 && Math.abs(value) < TINIEST,
    )
    if (tiny !== undefined) {
      this.fault(`${path}/${tiny[0]}`, `is closer to zero than ${TINIEST}`)
      return {}
    }
    const rules = numberRules('n', range)
    if (rules === null) this.fault(path, `has bounds between which no ${type} can be written`)
    this.#countRules(rules?.length ?? 0, path)
    const place: [string] = ['']
    this.bounded.push({ place, range })
    return { enum: place }
  }

  #object(schema: Record<string, unknown>, { path, depth }: Place): object {
    const counts = this.#numbers(schema, ['minProperties', 'maxProperties'], path)
    const at = (where: string) => (where === '' ? path : `${path}/${where}`)
    const read = readObject(schema, counts, {
      visit: (one, where) => this.visit(one, at(where), depth + 1),
      fault: (where, what) => void this.fault(at(where), what),
      pattern: (pattern, where) => this.#pattern(pattern, at(where)),
    })
    if ('schema' in read) return read.schema
    this.#countRules(objectRulesCount(read.shape), path)
    const place = { properties: {}, required: [] }
    this.objects.push({ place, shape: read.shape, values: read.values })
    return { type: 'object', ...place, additionalProperties: false }
  }

  #countRules(count: number, path: string): void {
    this.#rules += count
    if (this.#rules <= MOST_RULES) return
    throw new InputError(
      'INPUT_FORMAT',
      `responseFormat: the numbers and objects of a schema may take ${MOST_RULES} rules, ${path} is beyond: one for each digit and length between bounds, for each letter of the keys beside free ones, and for each of these keys and counts; use fewer or rounder ones.`,
    )
  }

  #array(schema: Record<string, unknown>, { path, depth }: Place): object {
    const { items, prefixItems } = schema
    const rest = items ?? (prefixItems === undefined ? true : undefined)
    const below = (key: string, value: unknown) => this.visit(value, `${path}/${key}`, depth + 1)
    if (prefixItems !== undefined && !Array.isArray(prefixItems)) {
      this.fault(`${path}/prefixItems`, 'should be a list of schemas')
    }
    return {
      type: 'array',
      ...(Array.isArray(prefixItems) && {
        prefixItems: prefixItems.map((one, i) => below(`prefixItems/${i}`, one)),
      }),
      ...(rest !== undefined && { items: rest === false ? false : below('items', rest) }),
      ...this.#itemCounts(schema, path),
    }
  }

  /** XGrammar writes all of `prefixItems`. */
  #itemCounts(schema: Record<string, unknown>, path: string): Readonly<Record<string, number>> {
    const { items, prefixItems } = schema
    const counts = this.#numbers(schema, ['minItems', 'maxItems'], path)
    const { minItems: least = 0, maxItems: most = Infinity } = counts
    const first = Array.isArray(prefixItems) ? prefixItems.length : 0
    const hasMore = items === undefined ? prefixItems === undefined : items !== false
    if (least > most) this.fault(path, `has a minItems of ${least} over its maxItems of ${most}`)
    if (most < first) {
      const which = `is below the ${first} of prefixItems, which all are written`
      this.fault(`${path}/maxItems`, `${which}; leave the last of them out`)
    }
    if (least > first && !hasMore) {
      const which = `is over the ${first} of prefixItems, and items allows no more`
      this.fault(`${path}/minItems`, `${which}; say what they are in items`)
    }
    return counts
  }

  #string(schema: Record<string, unknown>, { path }: Place): object {
    const { pattern, format } = schema
    const hasLength = 'minLength' in schema || 'maxLength' in schema
    if ([pattern !== undefined, format !== undefined, hasLength].filter(Boolean).length > 1) {
      this.fault(path, 'has several of pattern, format and lengths; one of them is enforced')
    }
    if (format !== undefined && !FORMATS.includes(String(format))) {
      this.fault(`${path}/format`, `should be ${FORMATS.join(', ')}; others are not enforced`)
    }
    const own = FORMAT_PATTERNS[String(format)]
    if (own !== undefined) return { type: 'string', pattern: this.#pattern(own, `${path}/format`) }
    return {
      type: 'string',
      ...(pattern !== undefined && { pattern: this.#pattern(pattern, `${path}/pattern`) }),
      ...(format !== undefined && { format }),
      ...(hasLength && { pattern: this.#lengths(schema, path) }),
    }
  }

  #lengths(schema: Record<string, unknown>, path: string): string {
    const numbers = this.#numbers(schema, ['minLength', 'maxLength'], path)
    const { minLength = 0, maxLength = null } = numbers
    if (maxLength !== null && minLength > maxLength) {
      this.fault(path, `has a minLength of ${minLength} over its maxLength of ${maxLength}`)
    }
    return lengthPattern(minLength, maxLength)
  }

  #pattern(pattern: unknown, path: string): string {
    const whole = typeof pattern === 'string' ? jsonPattern(pattern) : { fault: 'should be a text' }
    if ('pattern' in whole) return whole.pattern
    this.fault(path, whole.fault)
    return ''
  }

  /** Those of the keywords that the schema has and that are numbers as they should be. */
  #numbers(
    schema: Record<string, unknown>,
    keys: readonly string[],
    path: string,
  ): Readonly<Record<string, number>> {
    const given = keys.filter((key) => key in schema)
    for (const key of given) {
      const value = schema[key]
      const isCount = /^m(?:in|ax)(?:Length|Items|Properties)$/.test(key)
      const isFine = isCount
        ? Number.isSafeInteger(value) && (value as number) >= 0
        : Number.isFinite(value)
      if (!isFine) this.fault(`${path}/${key}`, 'should be a number that counts')
      else if (isCount && (value as number) > LONGEST_TEXT) {
        this.fault(`${path}/${key}`, `is over ${LONGEST_TEXT}`)
      }
    }
    const numbers = given.filter((key) => typeof schema[key] === 'number')
    return Object.fromEntries(numbers.map((key) => [key, schema[key] as number]))
  }

  #withDefinitions(
    schema: Record<string, unknown>,
    written: object,
    { path, depth }: Place,
  ): object {
    const definitions = DEFINITIONS.filter((key) => key in schema)
    if (definitions.length > 0 && path !== '#')
      this.fault(path, 'has definitions; only the outermost schema may')
    return {
      ...written,
      ...Object.fromEntries(
        definitions.map((key) => [
          key,
          mapRecord(
            schema[key],
            (value, name) => this.visit(value, `${path}/${key}/${name}`, depth + 1),
            this.#notRecord(path),
          ),
        ]),
      ),
    }
  }

  #notRecord(path: string): () => void {
    return () => void this.fault(path, 'should hold an object of schemas')
  }
}

type Place = { readonly path: string; readonly depth: number }

/** Of a bound and an exclusive one whichever leaves less. */
function narrower(
  closed: number | undefined,
  open: number | undefined,
  isLess: (open: number, closed: number) => boolean,
): Bound | null {
  if (open !== undefined && (closed === undefined || isLess(open, closed))) {
    return { value: open, isOpen: true }
  }
  return closed === undefined ? null : { value: closed, isOpen: false }
}

function mapRecord(
  record: unknown,
  change: (value: unknown, name: string) => unknown,
  onFault: () => void,
): object {
  if (!isRecord(record)) {
    onFault()
    return {}
  }
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [name, change(value, name.slice(0, 60))]),
  )
}

function typesOf({ type }: Record<string, unknown>): string[] | null {
  return type === undefined ? null : [type].flat().map(String)
}

function isOfType(value: unknown, type: string): boolean {
  if (type === 'null') return value === null
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return isRecord(value)
  return type === 'integer' ? Number.isInteger(value) : typeof value === type
}

/** Reading JSON rounded it, and what would be written is another number. */
function holdsLostNumber(value: unknown): boolean {
  if (typeof value === 'number') {
    return !Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))
  }
  if (Array.isArray(value)) return value.some(holdsLostNumber)
  return isRecord(value) && Object.values(value).some(holdsLostNumber)
}
