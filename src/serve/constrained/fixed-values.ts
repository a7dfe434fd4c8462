/** What a property of objects may be, where schemas require it and fix its values: by it they are told apart. */
import { isRecord } from '../faults.ts'
import { referent } from './schema-reference.ts'

/** Whether all the schemas of `root` require the property, with other values in each. */
export function areToldApart(schemas: readonly unknown[], name: string, root: object): boolean {
  const values = new FixedValues(name, root)
  const sets = schemas.map((one) => values.of(one))
  if (!sets.every((set) => set !== null)) return false
  return new Set(sets.flatMap((set) => [...set])).size === sets.reduce((n, { size }) => n + size, 0)
}

/** What a property may be in the values of a schema, as JSON. */
export class FixedValues {
  readonly #name: string
  readonly #root: object
  /** Schemas that were looked at; one that is still being looked at refers to itself. */
  readonly #known = new Map<object, ReadonlySet<string> | null>()

  constructor(name: string, root: object) {
    this.#name = name
    this.#root = root
  }

  /** Null where it may be anything, or left out. */
  of(schema: unknown): ReadonlySet<string> | null {
    const record = referent(schema, this.#root)
    if (record === null) return null
    const known = this.#known.get(record)
    if (known !== undefined) return known
    this.#known.set(record, null)
    const alternatives = alternativesOf(record)
    const values = alternatives ? this.#ofAny(alternatives) : this.#own(record)
    this.#known.set(record, values)
    return values
  }

  #ofAny(schemas: readonly unknown[]): ReadonlySet<string> | null {
    const sets = schemas.map((one) => this.of(one))
    return sets.every((set) => set !== null) ? new Set(sets.flatMap((set) => [...set])) : null
  }

  #own({ type, properties, required }: Record<string, unknown>): ReadonlySet<string> | null {
    const isRequired = Array.isArray(required) && required.includes(this.#name)
    if (type !== 'object' || !isRequired || !isRecord(properties)) return null
    const property = Object.hasOwn(properties, this.#name) ? properties[this.#name] : undefined
    const { const: constant, enum: listed } = referent(property, this.#root) ?? {}
    const values = constant === undefined ? listed : [constant]
    return Array.isArray(values) ? new Set(values.map((one) => JSON.stringify(one))) : null
  }
}

/** The schemas of which a value is one, where this one names several. */
export function alternativesOf({
  oneOf,
  anyOf,
}: Record<string, unknown>): readonly unknown[] | null {
  const branches = oneOf ?? anyOf
  return Array.isArray(branches) && branches.length > 0 ? branches : null
}
