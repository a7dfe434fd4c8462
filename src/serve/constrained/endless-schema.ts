/** Schemas of which no value is ever whole: each holds another of their kind. */
import { isRecord } from '../faults.ts'

/** Of the references `#` and `#/GROUP/NAME` into `root` those that name such a schema. */
export function endlessReferences(
  root: Record<string, unknown>,
  groups: readonly string[],
): Set<string> {
  const schemas = new Map<string, unknown>([['#', root]])
  for (const group of groups) {
    for (const [name, one] of Object.entries(isRecord(root[group]) ? root[group] : {})) {
      schemas.set(`#/${group}/${name}`, one)
    }
  }
  const users = new Map<string, string[]>()
  for (const [name, schema] of schemas) {
    for (const used of new Set(referencesOf(schema))) {
      users.set(used, [...(users.get(used) ?? []), name])
    }
  }
  const endless = new Set(schemas.keys())
  // A set gives each once, also what is added while it is gone through.
  const waiting = new Set(schemas.keys())
  for (const one of waiting) {
    waiting.delete(one)
    // What is not there is refused where it is referred to.
    if (!endless.has(one) || !ends(schemas.get(one), endless)) continue
    endless.delete(one)
    for (const user of users.get(one) ?? []) waiting.add(user)
  }
  return endless
}

/** Those that stand anywhere in the schema. */
function referencesOf(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return []
  const { $ref: reference } = schema as Record<string, unknown>
  const below = Object.values(schema).flatMap(referencesOf)
  return typeof reference === 'string' ? [reference, ...below] : below
}

/** Whether a value of the schema can be whole without one of an endless schema in it. */
function ends(schema: unknown, endless: ReadonlySet<string>): boolean {
  if (!isRecord(schema)) return true
  const { $ref: reference, anyOf, oneOf, allOf, type } = schema
  if (typeof reference === 'string') return !endless.has(reference)
  const alternatives = anyOf ?? oneOf
  if (Array.isArray(alternatives)) return alternatives.some((one) => ends(one, endless))
  if (Array.isArray(allOf)) return allOf.every((one) => ends(one, endless))
  if ('const' in schema || 'enum' in schema || type === undefined) return true
  return [type].flat().some((one) => {
    if (one === 'object') return objectEnds(schema, endless)
    return one !== 'array' || neededItems(schema).every((item) => ends(item, endless))
  })
}

/** Of keys that are not named one alone counts, as where objects are written. */
function objectEnds(schema: Record<string, unknown>, endless: ReadonlySet<string>): boolean {
  const { required, minProperties } = schema
  const named = namedValues(schema)
  const isWhole = (value: unknown) => ends(value, endless)
  const needed = Array.isArray(required) ? required.map((name) => named.get(String(name))) : []
  const free = freeValues(schema).some(isWhole) ? 1 : 0
  const most = free + [...named.values()].filter(isWhole).length
  return needed.every(isWhole) && most >= (typeof minProperties === 'number' ? minProperties : 0)
}

function namedValues({ properties, propertyNames, additionalProperties }: Record<string, unknown>) {
  const listed = listedNames(propertyNames)
  if (listed) return new Map(listed.map((name) => [String(name), additionalProperties]))
  return new Map(Object.entries(isRecord(properties) ? properties : {}))
}

function freeValues(schema: Record<string, unknown>): unknown[] {
  const { properties, patternProperties, propertyNames, additionalProperties } = schema
  if (isRecord(patternProperties)) return Object.values(patternProperties)
  if (listedNames(propertyNames)) return []
  const others = additionalProperties ?? properties === undefined
  return others === false ? [] : [others]
}

function listedNames(propertyNames: unknown): readonly unknown[] | null {
  if (!isRecord(propertyNames)) return null
  const { enum: listed, const: only } = propertyNames
  if (only !== undefined) return [only]
  return Array.isArray(listed) ? [...new Set<unknown>(listed)] : null
}

/** All of `prefixItems` are written. */
function neededItems({ prefixItems, items, minItems }: Record<string, unknown>): unknown[] {
  const first: readonly unknown[] = Array.isArray(prefixItems) ? prefixItems : []
  return typeof minItems === 'number' && minItems > first.length ? [...first, items] : [...first]
}
