/** OpenAPI's `discriminator`, which changes nothing about values where schemas say the same. */
import { isRecord } from '../faults.ts'
import { areToldApart, FixedValues } from './fixed-values.ts'

/**
 * Why OpenAPI's `discriminator` beside schemas says something that they do not, or null: each of them requires the property that it names,
 * with values that it maps to that schema. Pydantic maps to a schema itself where that is no reference.
 * Source: spec.openapis.org/oas/v3.1, "Discriminator Object".
 */
export function discriminatorFault(
  discriminator: unknown,
  schemas: readonly unknown[],
  root: object,
): string | null {
  const { propertyName, mapping, ...rest } = isRecord(discriminator) ? discriminator : {}
  const isShaped = typeof propertyName === 'string' && (mapping === undefined || isRecord(mapping))
  if (!isShaped || Object.keys(rest).length > 0) {
    return 'should be an object of propertyName and mapping'
  }
  const shown = JSON.stringify(propertyName.slice(0, 60))
  if (!areToldApart(schemas, propertyName, root)) {
    return `names ${shown}, which each of the schemas should require, with a const or enum of its own`
  }
  const values = new FixedValues(propertyName, root)
  const isMapped = schemas.every((schema) => {
    const target = JSON.stringify(isRecord(schema) ? (schema['$ref'] ?? schema) : schema)
    const keys = [...(values.of(schema) ?? [])].map((value) => String(JSON.parse(value)))
    return keys.every((key) => mapping === undefined || JSON.stringify(mapping[key]) === target)
  })
  return isMapped ? null : `maps values of ${shown} to other schemas than those that have them`
}
