/**
 * The keywords of an object: whether XGrammar writes it or rules of our own do, and what of it cannot be enforced.
 *
 * Narrower than the standard: keys that are not named are there only where `additionalProperties` says so, and beside
 * `patternProperties` only those of its patterns.
 */
import { isRecord } from '../faults.ts'
import { countFault, type FreeKeys, type NamedKey, type ObjectShape } from './object-rules.ts'
import { arePatternsApart } from './schemas-apart.ts'

type Schema = Readonly<Record<string, unknown>>

/** What reads the parts of an object's schema; `where` is a path below the object, empty for the object itself. */
export type PartReader = {
  visit(schema: unknown, where: string): unknown
  fault(where: string, what: string): void
  /** A pattern as XGrammar should read it. */
  pattern(pattern: string, where: string): string
}

export type PropertyCounts = { readonly minProperties?: number; readonly maxProperties?: number }

/** An object that XGrammar writes right, or one for rules of our own with the schemas of its values. */
export type ReadObject =
  | { readonly schema: object }
  | { readonly shape: ObjectShape; readonly values: readonly unknown[] }

export function readObject(schema: Schema, counts: PropertyCounts, reader: PartReader): ReadObject {
  const values: unknown[] = []
  const names = namesOf(schema, reader)
  const named = [
    ...propertiesOf(schema, reader, values),
    ...listedKeys(schema, names, reader, values),
  ]
  tellKeyFaults(schema, named, reader)
  const free = freeKeys(schema, names, reader, values)
  const { minProperties: least = 0, maxProperties: most = Infinity } = counts
  const shape = { named, free, least, most }
  const fault = countFault(shape)
  if (fault !== null) reader.fault('', fault)
  const isListed = Array.isArray(names)
  const isOwn = isListed || free.some(({ key }) => key !== null || named.length > 0)
  return isOwn ? { shape, values } : { schema: plain(schema, shape, values, counts) }
}

/** Named keys alone, or keys of any name alone. */
function plain(
  { required }: Schema,
  { named, free: [free] }: ObjectShape,
  values: readonly unknown[],
  counts: PropertyCounts,
): object {
  return {
    type: 'object',
    ...(free
      ? { additionalProperties: values[free.value] }
      : { properties: Object.fromEntries(named.map(({ key, value }) => [key, values[value]])) }),
    ...(Array.isArray(required) && required.length > 0 && { required }),
    ...counts,
  }
}

function propertiesOf(
  { properties = {}, required }: Schema,
  reader: PartReader,
  values: unknown[],
): NamedKey[] {
  return schemasIn('properties', properties, reader).map(([key, one]) => ({
    key,
    isRequired: isListed(required, key),
    value: values.push(reader.visit(one, `properties/${key.slice(0, 60)}`)) - 1,
  }))
}

/** Where `propertyNames` lists the keys they are properties that share a schema. */
function listedKeys(
  schema: Schema,
  names: Names,
  reader: PartReader,
  values: unknown[],
): NamedKey[] {
  const { additionalProperties = true, required } = schema
  if (!Array.isArray(names) || additionalProperties === false) return []
  const value = values.push(reader.visit(additionalProperties, 'additionalProperties')) - 1
  return names.map((key) => ({ key, isRequired: isListed(required, key), value }))
}

function isListed(required: unknown, key: string): boolean {
  return Array.isArray(required) && required.includes(key)
}

function tellKeyFaults({ required }: Schema, named: readonly NamedKey[], reader: PartReader): void {
  const keys = new Set(named.map(({ key }) => key))
  const unnamed = Array.isArray(required) ? required.filter((key) => !keys.has(String(key))) : []
  if (unnamed.length > 0) {
    const [first] = unnamed
    reader.fault('required', `names ${String(first).slice(0, 60)}, which is not among properties`)
  }
  const odd = [...keys].find((key) => /["\\]|\p{Cc}|\p{Surrogate}/u.test(key))
  if (odd !== undefined) {
    const told = JSON.stringify(odd.slice(0, 60))
    reader.fault(
      'properties',
      `has ${told}, and names with characters that JSON escapes are not enforced`,
    )
  }
}

function freeKeys(schema: Schema, names: Names, reader: PartReader, values: unknown[]): FreeKeys[] {
  const { properties, patternProperties, additionalProperties } = schema
  if (patternProperties !== undefined) return patternKeys(schema, reader, values)
  const others = additionalProperties ?? properties === undefined
  if (others === false || Array.isArray(names)) return []
  const key = names === null ? null : values.push(names) - 1
  return [{ key, value: values.push(reader.visit(others, 'additionalProperties')) - 1 }]
}

function patternKeys(schema: Schema, reader: PartReader, values: unknown[]): FreeKeys[] {
  const { properties, patternProperties, additionalProperties = false } = schema
  const patterns = schemasIn('patternProperties', patternProperties, reader)
  if (!arePatternsApart(patterns.map(([pattern]) => pattern))) {
    reader.fault(
      'patternProperties',
      'has several patterns, which are enforced only where they begin with ^ and letters that tell them apart',
    )
  }
  if (additionalProperties !== false) reader.visit(additionalProperties, 'additionalProperties')
  const keys = isRecord(properties) ? Object.keys(properties) : []
  return patterns.map(([pattern, one]) => {
    const both = keys.find((key) => isMatch(pattern, key))
    if (both !== undefined) {
      reader.fault('patternProperties', `matches ${both.slice(0, 60)}, which properties names too`)
    }
    const key = { type: 'string', pattern: reader.pattern(pattern, 'patternProperties') }
    const value = reader.visit(one, 'patternProperties')
    return { key: values.push(key) - 1, value: values.push(value) - 1 }
  })
}

/** Whether a pattern is found in a key; of what is no pattern that is told elsewhere. */
function isMatch(pattern: string, key: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(key)
  } catch {
    return true
  }
}

/** The keys that may be, or their schema as it is enforced; null for all. */
type Names = readonly string[] | object | null

function namesOf(schema: Schema, reader: PartReader): Names {
  const { propertyNames } = schema
  if (propertyNames === undefined || propertyNames === true) return null
  if (!isRecord(propertyNames) || (propertyNames['type'] ?? 'string') !== 'string') {
    reader.fault('propertyNames', 'should be a schema of texts')
    return null
  }
  const names = reader.visit({ ...propertyNames, type: 'string' }, 'propertyNames')
  if (!isRecord(names) || Object.keys(names).every((key) => key === 'type')) return null
  if (schema['properties'] !== undefined || schema['patternProperties'] !== undefined) {
    reader.fault('propertyNames', 'is not enforced beside properties or patternProperties')
  }
  const { enum: listed } = names
  return Array.isArray(listed) ? [...new Set(listed.map(String))] : names
}

function schemasIn(keyword: string, value: unknown, reader: PartReader): [string, unknown][] {
  if (isRecord(value)) return Object.entries(value)
  reader.fault(keyword, 'should hold an object of schemas')
  return []
}
