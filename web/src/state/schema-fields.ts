/** Schemas that are a flat list of fields, which is what most people want to fill in, and the way back. */
import { newId } from './turns.ts'

export const FIELD_KINDS = {
  text: 'Text',
  texts: 'List of texts',
  integer: 'Whole number',
  number: 'Number',
  boolean: 'Yes or no',
  choice: 'One of',
} as const

export type FieldKind = keyof typeof FIELD_KINDS

/** A field as it was typed, which need not be one that a schema can have: see `fieldFault`. */
export type SchemaField = {
  /** Fields are told apart by it while their names change. */
  readonly id: string
  readonly name: string
  readonly kind: FieldKind
  /** What a choice is between, with commas between. */
  readonly choices: string
}

/** Why a field cannot stand in a schema beside the others, or null. */
export function fieldFault(field: SchemaField, fields: readonly SchemaField[]): string | null {
  const { id, name, kind, choices } = field
  if (name === '') return 'A field needs a name.'
  if (fields.some((other) => other.id !== id && other.name === name)) {
    return `Another field is called ${name}; two of one name would be one.`
  }
  return kind === 'choice' && choicesOf(choices).length === 0
    ? 'There is nothing to choose from; write the choices with commas between.'
    : null
}

/** The fields must be without faults. */
export function schemaOfFields(fields: readonly SchemaField[]): string {
  const properties = Object.fromEntries(fields.map((field) => [field.name, propertyOf(field)]))
  return JSON.stringify({ type: 'object', properties, required: Object.keys(properties) }, null, 2)
}

function propertyOf({ kind, choices }: Pick<SchemaField, 'kind' | 'choices'>): object {
  if (kind === 'text') return { type: 'string' }
  if (kind === 'texts') return { type: 'array', items: { type: 'string' } }
  if (kind === 'choice') return { enum: choicesOf(choices) }
  return { type: kind }
}

function choicesOf(text: string): string[] {
  const choices = text.split(',').map((one) => one.trim())
  return [...new Set(choices.filter((one) => one !== ''))]
}

/** The fields, or null where the schema says more than they can. The text must be JSON. */
export function fieldsOfSchema(text: string): SchemaField[] | null {
  const schema = JSON.parse(text) as {
    readonly properties?: Readonly<Record<string, unknown>>
  }
  const fields = Object.entries(schema.properties ?? {}).map(([name, property]) =>
    fieldOf(name, property),
  )
  const known = fields.filter((field) => field !== null)
  if (known.length < fields.length) return null
  if (known.some((field) => fieldFault(field, known) !== null)) return null
  // Whatever the fields do not say must not be in it.
  return isSame(JSON.parse(schemaOfFields(known)), schema) ? known : null
}

function fieldOf(name: string, property: unknown): SchemaField | null {
  const id = newId()
  const kind = (Object.keys(FIELD_KINDS) as FieldKind[]).find(
    (one) => one !== 'choice' && isSame(property, propertyOf({ kind: one, choices: '' })),
  )
  if (kind) return { id, name, kind, choices: '' }
  const choices = (property as { readonly enum?: unknown } | null)?.enum
  if (!Array.isArray(choices) || !choices.every((one) => typeof one === 'string')) return null
  return { id, name, kind: 'choice', choices: choices.join(', ') }
}

/**
 * Names of properties that JSON in a browser and in the server puts before all others, in the order of numbers, whatever
 * their place in the text.
 */
export function namesPutFirst(schema: string): string[] {
  const names = new Set<string>()
  JSON.parse(schema, (key, value: unknown) => {
    if (key === 'properties' && typeof value === 'object' && value !== null) {
      for (const name of Object.keys(value)) if (isIndex(name)) names.add(name)
    }
    return value
  })
  return [...names]
}

/** 2^32 − 2 is the last. */
function isIndex(name: string): boolean {
  return /^(?:0|[1-9]\d*)$/.test(name) && Number(name) < 2 ** 32 - 1
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
