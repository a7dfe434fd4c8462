/** References of JSON Schema within one schema. */
import { isRecord } from '../faults.ts'

/** What `#` or `#/GROUP/NAME` names in `root`; undefined where nothing is there. */
export function referredTo(root: object, reference: string): unknown {
  if (reference === '#') return root
  const [hash, group = '', name = ''] = reference.split('/')
  const definitions = hash === '#' ? (root as Record<string, unknown>)[group] : undefined
  return isRecord(definitions) && Object.hasOwn(definitions, name) ? definitions[name] : undefined
}

/** The schema that the references of `schema` lead to; null where they lead to none. */
export function referent(schema: unknown, root: object): Record<string, unknown> | null {
  const seen = new Set<unknown>()
  let at = schema
  while (isRecord(at) && typeof at['$ref'] === 'string') {
    if (seen.has(at)) return null
    seen.add(at)
    at = referredTo(root, at['$ref'])
  }
  return isRecord(at) ? at : null
}
