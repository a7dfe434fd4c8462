/** Whether schemas have no value in common, as far as that can be told from their words. */
import { isRecord } from '../faults.ts'
import { alternativesOf, areToldApart } from './fixed-values.ts'
import { referent } from './schema-reference.ts'

/**
 * Whether no value can be of two of the schemas of `root`: their types differ, or a property that all require has other
 * values in each.
 */
export function areApart(schemas: readonly unknown[], root: object): boolean {
  const records = schemas.map((one) => referent(one, root))
  const types = records.map((record) => record?.['type'])
  if (types.every((type) => typeof type === 'string' && type !== 'number')) {
    if (new Set(types).size === types.length) return true
  }
  return propertyNames(records[0] ?? null, root).some((name) => areToldApart(schemas, name, root))
}

/** Of a schema, or of the first of those that it is any of. */
function propertyNames(schema: Record<string, unknown> | null, root: object): string[] {
  const seen = new Set<object>()
  let at = schema
  while (at && !seen.has(at)) {
    const branches = alternativesOf(at)
    if (!branches) return isRecord(at['properties']) ? Object.keys(at['properties']) : []
    seen.add(at)
    at = referent(branches[0], root)
  }
  return []
}

/** Whether no key can match two of the patterns: they begin with texts that differ. */
export function arePatternsApart(patterns: readonly string[]): boolean {
  const beginnings = patterns.map(beginningOf).sort()
  // Sorted, a text stands right before those that begin with it.
  return beginnings.every((one, i) => i === 0 || !one.startsWith(beginnings[i - 1] as string))
}

/** The text that whatever matches begins with. A pattern that is anchored has no alternatives outside of groups here. */
function beginningOf(pattern: string): string {
  const [, text = ''] = /^\^([\w @#-]*)/.exec(pattern) ?? []
  return /[*+?{]/.test(pattern[text.length + 1] ?? '') ? text.slice(0, -1) : text
}
