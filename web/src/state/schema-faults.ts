/**
 * What is wrong with a JSON Schema as it is typed: where it is no JSON, and where it is no schema. Which keywords can be
 * enforced the server knows, and says so by name.
 */

export type SchemaFault = { readonly place: string; readonly message: string }

export function schemaFaults(text: string): SchemaFault[] {
  let schema: unknown
  try {
    schema = JSON.parse(text)
  } catch (error) {
    return [jsonFault(text, (error as Error).message)]
  }
  // The server takes schemas that are true below the first alone.
  if (!isRecord(schema)) return [{ place: 'schema', message: 'should be an object' }]
  const faults: SchemaFault[] = []
  checkSchema(schema, '', faults)
  return faults
}

/** Browsers say where in words of their own; a position among them becomes a line and a column. */
export function jsonFault(text: string, message: string): SchemaFault {
  const position = /position (\d+)/.exec(message)?.[1]
  const place = /line (\d+) column (\d+)/.exec(message)
  if (place) return { place: `line ${place[1]}, column ${place[2]}`, message: 'this is no JSON' }
  if (position === undefined) return { place: 'text', message: 'this is no JSON' }
  const before = text.slice(0, Number(position)).split('\n')
  return {
    place: `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`,
    message: 'this is no JSON',
  }
}

const TYPES = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']

function checkSchema(schema: unknown, path: string, faults: SchemaFault[]): void {
  const add = (name: string, message: string) =>
    faults.push({
      place: [path, name].filter((part) => part !== '').join('.') || 'schema',
      message,
    })
  if (typeof schema === 'boolean') return
  if (!isRecord(schema)) {
    add('', 'should be an object')
    return
  }
  const { type, properties, required, items, enum: values } = schema
  const types = type === undefined ? [] : [type].flat()
  const strange = types.find((one) => typeof one !== 'string' || !TYPES.includes(one))
  if (strange !== undefined)
    add('type', `${JSON.stringify(strange)} is none of ${TYPES.join(', ')}`)
  if (values !== undefined && (!Array.isArray(values) || values.length === 0)) {
    add('enum', 'should be a list of at least one value')
  }
  if (properties !== undefined && !isRecord(properties)) add('properties', 'should be an object')
  checkRequired(required, properties, add)
  const below = (name: string) => (path === '' ? name : `${path}.${name}`)
  for (const [name, property] of Object.entries(isRecord(properties) ? properties : {})) {
    checkSchema(property, below(`properties.${name}`), faults)
  }
  if (items !== undefined) checkSchema(items, below('items'), faults)
}

function checkRequired(
  required: unknown,
  properties: unknown,
  add: (name: string, message: string) => void,
): void {
  if (required === undefined) return
  if (!Array.isArray(required) || !required.every((name) => typeof name === 'string')) {
    add('required', 'should be a list of names')
    return
  }
  const known = isRecord(properties) ? Object.keys(properties) : []
  const missing = required.filter((name) => !known.includes(name))
  if (missing.length > 0) add('required', `${missing.join(', ')} is not among the properties`)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
