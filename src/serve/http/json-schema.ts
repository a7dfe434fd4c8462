/**
 * The part of JSON Schema in which requests and responses are described, and the check of a request against it.
 *
 * The same objects stand in the OpenAPI document, so the document cannot say anything else than what the server does.
 * `null` for a property that is not required counts as its absence, as OpenAI's clients write it.
 */
import { describeValue } from '../../core/describe-value.ts'
import type { Steps } from '../../core/steps.ts'
import { isRecord, type Faults } from '../faults.ts'

export type JsonSchema = {
  readonly type?: JsonType | readonly JsonType[]
  readonly enum?: readonly (string | number | boolean | null)[]
  readonly const?: string | number | boolean
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | JsonSchema
  readonly maxProperties?: number
  readonly items?: JsonSchema
  readonly minItems?: number
  readonly maxItems?: number
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly maximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly anyOf?: readonly JsonSchema[]
  readonly description?: string
  readonly default?: unknown
  /** Of these properties one has to be there, and not null; with `isOnly` no other. */
  readonly 'x-needs'?: Needs
  /** Names that other servers take and this one does not, with the reason; refused unless null or the neutral value. */
  readonly 'x-refused'?: Readonly<Record<string, Refusal>>
}

export type JsonType = 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean' | 'null'

export type Needs = {
  readonly oneOf: readonly string[]
  readonly isOnly: boolean
  readonly code: string
}

export type Refusal = { readonly because: string; readonly unless?: readonly unknown[] }

const CODE = 'INPUT_OPTION'
/** A hostile body may have millions: the first ones are told, and nothing more is looked at. */
const MOST_FAULTS = 16

/** Items of a list, or fields of an object, that are checked between two pauses. */
const ITEMS = 1024

/** Notes everything in `value` that the schema does not allow, each with its path. */
export function* checkSchema(
  schema: JsonSchema,
  value: unknown,
  { path, faults }: { readonly path: string; readonly faults: Faults },
): Steps<void> {
  if (faults.count >= MOST_FAULTS) return
  const at = { path, faults }
  if (schema.anyOf) return yield* checkAnyOf(schema, value, at)
  if (!isOf(schema, value)) {
    const expected = expectedOf(schema)
    if (path !== '') faults.mismatch(CODE, path, expected, value)
    else faults.add(CODE, `the body should be ${expected}, ${describeValue(value)} came`)
  } else if (isRecord(value)) yield* checkObject(schema, value, at)
  else if (Array.isArray(value) && schema.items) yield* checkItems(schema.items, value, at)
}

function* checkItems(
  schema: JsonSchema,
  list: readonly unknown[],
  { path, faults }: Place,
): Steps<void> {
  for (let i = 0; i < list.length; i++) {
    if (i % ITEMS === ITEMS - 1) yield
    const item = list[i]
    // Ids are many, and right: no path is written for them.
    if (isPlain(schema, item) && isOf(schema, item)) continue
    yield* checkSchema(schema, item, { path: `${path}[${i}]`, faults })
  }
}

/** Whether the value alone is all there is to check. */
function isPlain({ anyOf }: JsonSchema, value: unknown): boolean {
  return !anyOf && (typeof value !== 'object' || value === null)
}

/** Whether the value alone, without what it holds, is what the schema says. */
function isOf(schema: JsonSchema, value: unknown): boolean {
  const { type, const: only } = schema
  const types = type === undefined ? [] : [type].flat()
  if (types.length > 0 && !types.some((one) => isOfType(one, value))) return false
  if (only !== undefined && value !== only) return false
  if (schema.enum && !schema.enum.includes(value as string)) return false
  if (typeof value === 'number') {
    if (value < (schema.minimum ?? -Infinity) || value > (schema.maximum ?? Infinity)) return false
    return value > (schema.exclusiveMinimum ?? -Infinity)
  }
  if (typeof value === 'string') {
    return hasLength(value, schema)
  }
  if (Array.isArray(value)) {
    return value.length >= (schema.minItems ?? 0) && value.length <= (schema.maxItems ?? Infinity)
  }
  const { maxProperties } = schema
  return maxProperties === undefined || Object.keys(value as object).length <= maxProperties
}

/** JSON Schema counts characters of Unicode, of which one may be two of JavaScript's. */
function hasLength(text: string, { minLength = 0, maxLength = Infinity }: JsonSchema): boolean {
  if (text.length < minLength || text.length > 2 * maxLength) return false
  if (text.length >= 2 * minLength && text.length <= maxLength) return true
  const { length } = [...text]
  return length >= minLength && length <= maxLength
}

const IS_TYPE: { readonly [T in JsonType]: (value: unknown) => boolean } = {
  object: isRecord,
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: Number.isSafeInteger,
  boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null,
}

function isOfType(type: JsonType, value: unknown): boolean {
  return IS_TYPE[type](value)
}

type Place = { readonly path: string; readonly faults: Faults }

function* checkObject(
  schema: JsonSchema,
  value: Record<string, unknown>,
  { path, faults }: Place,
): Steps<void> {
  const { properties = {}, required = [], additionalProperties = true } = schema
  const below = (name: string) => (path === '' ? name : `${path}.${name}`)
  for (const name of required) {
    if (Object.hasOwn(value, name)) continue
    const expected = expectedOf(properties[name] ?? {})
    faults.add(CODE, `${below(name)} is missing; it should be ${expected}`, below(name))
  }
  noteNeeds(schema['x-needs'], value, { path, faults })
  // Without a prototype: a body may name __proto__.
  const strangers = Object.create(null) as Record<string, unknown>
  let [count, fields] = [0, 0]
  for (const name in value) {
    if (++fields % ITEMS === 0) yield
    const item = value[name]
    const known = Object.hasOwn(properties, name) ? properties[name] : undefined
    if (known) {
      const isAbsent = item === null && !required.includes(name)
      if (!isAbsent) yield* checkSchema(known, item, { path: below(name), faults })
    } else if (typeof additionalProperties === 'object') {
      yield* checkSchema(additionalProperties, item, { path: below(name), faults })
    } else if (!additionalProperties) {
      if (++count > MOST_FAULTS) break
      noteStranger(schema, [name, item], { path, faults }, strangers)
    }
  }
  faults.unknownKeys('INPUT_UNKNOWN_OPTION', path, strangers, Object.keys(properties))
}

function noteNeeds(
  needs: Needs | undefined,
  value: Record<string, unknown>,
  { path, faults }: Place,
): void {
  if (!needs) return
  const { oneOf, isOnly, code } = needs
  const given = oneOf.filter((name) => Object.hasOwn(value, name) && value[name] !== null)
  if (given.length === 1 || (given.length > 1 && !isOnly)) return
  const expected = path === '' ? 'expected' : `${path} should have`
  const names = `${isOnly ? 'exactly one' : 'one'} of ${oneOf.join(', ')}`
  const came = given.length === 0 ? 'none' : given.join(' and ')
  faults.add(code, `${expected} ${names}, ${came} came`, path === '' ? null : path)
}

function noteStranger(
  schema: JsonSchema,
  [name, item]: readonly [string, unknown],
  { path, faults }: Place,
  strangers: Record<string, unknown>,
): void {
  const refused = schema['x-refused'] ?? {}
  const refusal = Object.hasOwn(refused, name) ? refused[name] : undefined
  if (!refusal) {
    strangers[name] = item
    return
  }
  const isNeutral = item === null || refusal.unless?.some((neutral) => isEqual(neutral, item))
  const full = path === '' ? name : `${path}.${name}`
  if (isNeutral) return
  faults.add('INPUT_UNSUPPORTED', `${full} is not supported: ${refusal.because}`, full)
}

function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** The branch that the value is meant for is checked alone, so that its faults are named and not those of the others. */
function* checkAnyOf(schema: JsonSchema, value: unknown, at: Place): Steps<void> {
  const branches = schema.anyOf ?? []
  const lists = branches.flatMap(({ items }) => items?.anyOf ?? items ?? [])
  const meant = branches.filter((branch) => isMeant(branch, value))
  const [only] = meant
  if (only === undefined) {
    const tag = isRecord(value) ? tagOf(value) : null
    const tags = tag ? branches.flatMap(({ properties = {} }) => properties[tag.name] ?? []) : []
    if (tag && tags.length > 0) {
      at.faults.mismatch(CODE, `${at.path}.${tag.name}`, expectedOf({ anyOf: tags }), tag.value)
    } else if (Array.isArray(value) && lists.length > 0) {
      at.faults.mismatch(CODE, `${at.path}[0]`, expectedOf({ anyOf: lists }), value[0])
    } else at.faults.mismatch(CODE, at.path, expectedOf(schema), value)
  } else yield* checkSchema(only, value, at)
}

/** Properties that say which of several kinds an object is. */
const TAGS = ['type', 'role']

function tagOf(value: Record<string, unknown>): { name: string; value: unknown } | null {
  const name = TAGS.find((tag) => Object.hasOwn(value, tag))
  return name === undefined ? null : { name, value: value[name] }
}

function isMeant(branch: JsonSchema, value: unknown): boolean {
  const types = branch.type === undefined ? [] : [branch.type].flat()
  if (!types.some((type) => isOfType(type, value))) return false
  if (!isRecord(value)) return Array.isArray(value) ? isListMeant(branch, value) : true
  return TAGS.every((tag) => {
    const schema = branch.properties?.[tag]
    const isGiven = Object.hasOwn(value, tag) && value[tag] !== null
    const isAbsent = !isGiven && !branch.required?.includes(tag)
    return !schema || !isNamed(schema) || isAbsent || isOf(schema, value[tag])
  })
}

/** Lists of texts and lists of numbers are different branches. */
function isListMeant({ items }: JsonSchema, value: readonly unknown[]): boolean {
  const [first] = value
  if (first === undefined || !items) return true
  const kinds = items.anyOf ?? [items]
  return kinds.some(({ type = [] }) => [type].flat().some((one) => isOfType(one, first)))
}

/** Completes "should be …". */
function expectedOf(schema: JsonSchema): string {
  if (schema.anyOf) return expectedOfAny(schema.anyOf)
  if (schema.const !== undefined) return describeValue(schema.const)
  if (schema.enum) return schema.enum.map((one) => describeValue(one)).join(' or ')
  const type = schema.type === undefined ? 'a value' : [schema.type].flat().map(nameOf).join(' or ')
  return `${type}${boundsOf(schema)}`
}

/** Objects of several kinds are one, of any of their tags. */
function expectedOfAny(branches: readonly JsonSchema[]): string {
  const names = new Set<string>()
  const tags = new Map<string, Set<string>>()
  for (const branch of branches) {
    const name = TAGS.find((one) => isNamed(branch.properties?.[one]))
    const tag = name === undefined ? undefined : branch.properties?.[name]
    if (name === undefined || !tag) names.add(expectedOf(branch))
    else tags.set(name, (tags.get(name) ?? new Set()).add(expectedOf(tag)))
  }
  const objects = [...tags].map(
    ([name, kinds]) => `an object of ${name} ${[...kinds].join(' or ')}`,
  )
  return [...names, ...objects].join(' or ')
}

function isNamed(schema: JsonSchema | undefined): boolean {
  return schema !== undefined && (schema.const !== undefined || schema.enum !== undefined)
}

const TYPE_NAMES: { readonly [T in JsonType]: string } = {
  object: 'an object',
  array: 'a list',
  string: 'a text',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  null: 'null',
}

function nameOf(type: JsonType): string {
  return TYPE_NAMES[type]
}

function boundsOf(schema: JsonSchema): string {
  const { minimum, maximum, exclusiveMinimum } = schema
  const bounds = [
    ...(exclusiveMinimum === undefined ? [] : [`over ${exclusiveMinimum}`]),
    ...(minimum === undefined ? [] : [`from ${minimum}`]),
    ...(maximum === undefined ? [] : [`up to ${maximum}`]),
    ...countOf('character', schema.minLength, schema.maxLength),
    ...countOf('item', schema.minItems, schema.maxItems),
    ...countOf('name', undefined, schema.maxProperties),
  ]
  return bounds.length === 0 ? '' : ` ${bounds.join(' ')}`
}

function countOf(unit: string, least: number | undefined, most: number | undefined): string[] {
  const last = most ?? least
  if (last === undefined || last === 0) return []
  const units = last === 1 ? unit : `${unit}s`
  if (least === undefined) return [`of at most ${last} ${units}`]
  if (most === undefined) return [`of at least ${last} ${units}`]
  return [least === most ? `of ${last} ${units}` : `of ${least} to ${last} ${units}`]
}
