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
    const parts = one === 'object' ? needed(schema) : one === 'array' ? neededItems(schema) : []
    return parts.every((part) => ends(part, endless))
  })
}

function needed({ properties, additionalProperties, required }: Record<string, unknown>) {
  if (!Array.isArray(required)) return []
  const named = isRecord(properties) ? properties : {}
  return required.map((name) =>
    Object.hasOwn(named, String(name)) ? named[String(name)] : additionalProperties,
  )
}

function neededItems({ prefixItems, items, minItems }: Record<string, unknown>): unknown[] {
  const least = typeof minItems === 'number' ? minItems : 0
  const first = Array.isArray(prefixItems) ? prefixItems : []
  return [...first.slice(0, least), ...(least > first.length ? [items] : [])]
}
