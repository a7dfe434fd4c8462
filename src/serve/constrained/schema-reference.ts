/** References of JSON Schema within one schema. */
import { isRecord } from '../faults.ts'

/** What `#` or `#/GROUP/NAME` names in `root`; undefined where nothing is there. */
export function referredTo(root: object, reference: string): unknown {
  if (reference === '#') return root
  const [hash, group = '', name = ''] = reference.split('/')
  const definitions = hash === '#' ? (root as Record<string, unknown>)[group] : undefined
  return isRecord(definitions) && Object.hasOwn(definitions, name) ? definitions[name] : undefined
}
