/** The schema of a call's arguments, which are an object whatever else it allows. */
import { InputError } from '../../core/errors.ts'
import { referredTo } from '../constrained/schema-reference.ts'
import { isRecord } from '../faults.ts'

/** `parameters` without what is no object. Throws InputError INPUT_FORMAT where nothing is left. */
export function argumentsSchema(parameters: object, tool: string): object {
  const narrowed = onlyObjects(parameters, { root: parameters, followed: [] })
  if (narrowed !== null) return narrowed
  throw new InputError(
    'INPUT_FORMAT',
    `tools: the parameters of ${JSON.stringify(tool.slice(0, 60))} should allow an object, since arguments are one; ${JSON.stringify(parameters).slice(0, 120)} came.`,
  )
}

type Following = { readonly root: object; readonly followed: readonly string[] }

/** Null where no object follows the schema. What is wrong in it is left for whoever enforces it. */
function onlyObjects(schema: unknown, following: Following): Record<string, unknown> | null {
  if (schema === true) return { type: 'object' }
  if (!isRecord(schema)) return schema === false ? null : (schema as Record<string, unknown>)
  const { type, const: constant, enum: values, $ref: reference } = schema
  if (type !== undefined && ![type].flat().includes('object')) return null
  const typed = type === undefined ? schema : { ...schema, type: 'object' }
  if ('const' in schema) return isRecord(constant) ? typed : null
  if (Array.isArray(values)) {
    const objects = values.filter(isRecord)
    return objects.length === 0 ? null : { ...typed, enum: objects }
  }
  for (const kind of ['anyOf', 'oneOf', 'allOf']) {
    const branches = schema[kind]
    if (!Array.isArray(branches)) continue
    const narrowed = branches.map((one) => onlyObjects(one, following))
    const kept = narrowed.filter((one) => one !== null)
    const isNever = kind === 'allOf' ? kept.length < narrowed.length : kept.length === 0
    return isNever ? null : { ...typed, [kind]: kept }
  }
  if (typeof reference === 'string') return ofReference(schema, reference, following)
  return { ...schema, type: 'object' }
}

/** The reference itself where it names objects alone, and otherwise what it names, narrowed. */
function ofReference(
  schema: Record<string, unknown>,
  reference: string,
  { root, followed }: Following,
): Record<string, unknown> | null {
  const named = referredTo(root, reference) ?? null
  // A circle that names nothing but itself allows nothing. What is not there is refused where schemas are enforced.
  if (reference === '#' || followed.includes(reference)) return null
  if (named === null) return schema
  const narrowed = onlyObjects(named, { root, followed: [...followed, reference] })
  if (narrowed === null) return null
  if (isRecord(named) && named['type'] === 'object') return schema
  const { $ref: _, ...rest } = schema
  return { ...rest, ...narrowed }
}
