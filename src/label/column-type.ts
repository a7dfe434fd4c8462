/** The one type that all values of a schema have, as a column of a table has one; null is a value of every column. */
import { referredTo } from '../serve/constrained/schema-reference.ts'
import { isRecord } from '../serve/faults.ts'

export type ColumnType = 'text' | 'whole' | 'number' | 'truth'

type Schema = Readonly<Record<string, unknown>>

const TYPES: Readonly<Record<string, ColumnType>> = {
  string: 'text',
  integer: 'whole',
  number: 'number',
  boolean: 'truth',
}

/** References that lead on and on end here. */
const DEEPEST = 32

/** The columns of the properties at a schema's top; what is no plain value, a list say, stands in its column as JSON. */
export function propertyTypes(schema: object | undefined): (readonly [string, ColumnType])[] {
  const root = isRecord(schema) ? schema : {}
  const { properties } = resolved(root, root)
  return Object.entries(isRecord(properties) ? properties : {}).map(([name, property]) => [
    name,
    typeOf(property, root) ?? 'text',
  ])
}

/** Null where all values are null; text for what has no one type. */
export function typeOf(given: unknown, root: Schema, depth = 0): ColumnType | null {
  if (!isRecord(given) || depth > DEEPEST) return 'text'
  const schema = resolved(given, root)
  const { type, enum: listed } = schema
  if ('const' in schema) return common([typeOfValue(schema['const'])])
  if (Array.isArray(listed)) return common(listed.map(typeOfValue))
  const branches = schema['anyOf'] ?? schema['oneOf']
  if (Array.isArray(branches)) return common(branches.map((one) => typeOf(one, root, depth + 1)))
  return common(
    [type].flat().map((one) => (one === 'null' ? null : (TYPES[String(one)] ?? 'text'))),
  )
}

/** What a schema refers to, or is the one part of. */
export function resolved(given: Schema, root: Schema): Schema {
  let schema = given
  for (let depth = 0; depth < DEEPEST; depth++) {
    const next = nextOf(schema, root)
    if (!isRecord(next)) return schema
    schema = next
  }
  return schema
}

function nextOf({ $ref, allOf }: Schema, root: Schema): unknown {
  if (Array.isArray(allOf) && allOf.length === 1) return allOf[0]
  return typeof $ref === 'string' ? referredTo(root, $ref) : undefined
}

function typeOfValue(value: unknown): ColumnType | null {
  if (value === null) return null
  if (typeof value === 'number') return Number.isInteger(value) ? 'whole' : 'number'
  return typeof value === 'boolean' ? 'truth' : 'text'
}

function common(types: readonly (ColumnType | null)[]): ColumnType | null {
  const some = new Set(types.filter((type) => type !== null))
  if (some.size <= 1) return [...some][0] ?? null
  const isNumeric = [...some].every((type) => type === 'whole' || type === 'number')
  return isNumeric ? 'number' : 'text'
}
