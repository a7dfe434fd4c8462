/** Schemas that are a flat list of fields, which is what most people want to fill in, and the way back. */

export const FIELD_KINDS = {
  text: 'Text',
  texts: 'List of texts',
  integer: 'Whole number',
  number: 'Number',
  boolean: 'Yes or no',
  choice: 'One of',
} as const

export type FieldKind = keyof typeof FIELD_KINDS

export type SchemaField = {
  readonly name: string
  readonly kind: FieldKind
  /** What a choice is between. */
  readonly choices: readonly string[]
}

export function schemaOfFields(fields: readonly SchemaField[]): string {
  const properties = Object.fromEntries(fields.map((field) => [field.name, propertyOf(field)]))
  return JSON.stringify({ type: 'object', properties, required: Object.keys(properties) }, null, 2)
}

function propertyOf({ kind, choices }: SchemaField): object {
  if (kind === 'text') return { type: 'string' }
  if (kind === 'texts') return { type: 'array', items: { type: 'string' } }
  if (kind === 'choice') return { enum: choices }
  return { type: kind }
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
  // Whatever the fields do not say must not be in it.
  const isAll = isSame(JSON.parse(schemaOfFields(known)), schema)
  return known.length === fields.length && isAll ? known : null
}

function fieldOf(name: string, property: unknown): SchemaField | null {
  const kind = (Object.keys(FIELD_KINDS) as FieldKind[]).find(
    (one) => one !== 'choice' && isSame(property, propertyOf({ name, kind: one, choices: [] })),
  )
  if (kind) return { name, kind, choices: [] }
  const choices = (property as { readonly enum?: unknown } | null)?.enum
  if (!Array.isArray(choices) || !choices.every((one) => typeof one === 'string')) return null
  return { name, kind: 'choice', choices }
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
